"""How joins are written, read and made."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.core.contracts.join import Decision, JoinStrategy, JoinView, Wait
from penstock.core.errors import InvalidRequestError, NotFoundError
from penstock.core.joinspec import JoinSpec, JoinSpecError, make_join, parse_join


class Quorum(JoinStrategy):
    def __init__(self, n: int, *, within_ms: float | None = None, kind: str = "plain") -> None:
        if n < 1:
            raise ValueError("n must be at least 1")
        self.n = n
        self.within_ms = within_ms
        self.kind = kind

    def decide(self, view: JoinView) -> Decision:
        return Wait()


class Factories:
    def get(self, name: str) -> type[JoinStrategy]:
        if name != "quorum":
            raise NotFoundError(f"there is no join '{name}'; did you mean 'quorum'?")
        return Quorum


@pytest.mark.parametrize(
    ("written", "spec"),
    [
        ("inner", JoinSpec("inner")),
        (" inner ( ) ", JoinSpec("inner")),
        ("quorum(2)", JoinSpec("quorum", (2,))),
        ("quorum(2, withinMs=50)", JoinSpec("quorum", (2,), (("within_ms", 50),))),
        ("quorum(n=2,within_ms=.5)", JoinSpec("quorum", (), (("n", 2), ("within_ms", 0.5)))),
        ("a-b(-1, +2.5, 1e3)", JoinSpec("a-b", (-1, 2.5, 1000.0))),
        ("x(true, False)", JoinSpec("x", (True, False))),
        ("""x('a, b)', "it's")""", JoinSpec("x", ("a, b)", "it's"))),
        ({"name": "quorum", "n": 2}, JoinSpec("quorum", (), (("n", 2),))),
        (
            {"name": "quorum", "withinMs": 5, "n": 2},
            JoinSpec("quorum", (), (("n", 2), ("within_ms", 5))),
        ),
        (JoinSpec("inner"), JoinSpec("inner")),
    ],
)
def test_what_is_read(written: object, spec: JoinSpec) -> None:
    assert parse_join(written) == spec
    assert hash(parse_join(written)) == hash(spec)


LITERALS = "write numbers, 'text' in quotes, true or false, separated by commas"


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("", "'' is no join; write a name, or a name with arguments in ()"),
        ("quorum(2", "'quorum(2' is no join; write a name, or a name with arguments in ()"),
        ("a b", "'a b' is no join; write a name, or a name with arguments in ()"),
        ("quorum(2,)", f"'2,' in the join 'quorum(2,)' is no argument; {LITERALS}"),
        ("quorum(2 3)", f"'2 3' in the join 'quorum(2 3)' is no argument; {LITERALS}"),
        ("quorum(two)", f"'two' in the join 'quorum(two)' is no argument; {LITERALS}"),
        ("quorum(truely)", f"'truely' in the join 'quorum(truely)' is no argument; {LITERALS}"),
        ("quorum([1])", f"'[1]' in the join 'quorum([1])' is no argument; {LITERALS}"),
        ("quorum(1e999)", "'1e999' in the join 'quorum(1e999)' is too large a number"),
        ("q(n=1, 2)", "in the join 'q(n=1, 2)' the arguments without a name come first"),
        ("q(withinMs=1, within_ms=2)", "'within_ms' of the join 'q' is written twice"),
        (
            "a!(1)",
            "'a!' is no name: letters, digits, '-' and '_' are allowed, "
            "with a letter or digit at both ends",
        ),
        ("x" * 501, "a join is written in at most 500 characters"),
        ({"n": 2}, "a join that is written as a mapping needs the key 'name'"),
        ({"name": 5}, "a join that is written as a mapping needs the key 'name'"),
        (
            {"name": "q", "n": [2]},
            "'n' of the join 'q' must be a number, text, true or false",
        ),
        (
            {"name": "q", "n": "'\""},
            "'n' of the join 'q' may hold only one kind of quotes",
        ),
        (
            5,
            "a join is written as a name, as quorum(2), or as a mapping with the key 'name'",
        ),
    ],
)
def test_what_is_refused(written: object, sentence: str) -> None:
    with pytest.raises(JoinSpecError) as refused:
        parse_join(written)
    assert refused.value.message == sentence
    assert isinstance(refused.value, ValueError)
    assert isinstance(refused.value, InvalidRequestError)


def test_a_join_is_made_with_its_arguments() -> None:
    made = make_join(parse_join("quorum(2, withinMs=50, kind='x')"), Factories())
    assert isinstance(made, Quorum)
    assert (made.n, made.within_ms, made.kind) == (2, 50, "x")


USAGE = "it is written quorum(n, withinMs=None, kind='plain')"


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("quorun(2)", "there is no join 'quorun'; did you mean 'quorum'?"),
        (
            "quorum",
            f"the join 'quorum' does not fit: missing a required argument: 'n'; {USAGE}",
        ),
        (
            "quorum(1, 2)",
            f"the join 'quorum(1, 2)' does not fit: too many positional arguments; {USAGE}",
        ),
        (
            "quorum(1, m=2)",
            "the join 'quorum(1, m=2)' does not fit: "
            f"got an unexpected keyword argument 'm'; {USAGE}",
        ),
        ("quorum(0)", f"the join 'quorum(0)' is refused: n must be at least 1; {USAGE}"),
        (
            "quorum('two')",
            "the join 'quorum('two')' is refused: "
            f"'<' not supported between instances of 'str' and 'int'; {USAGE}",
        ),
    ],
)
def test_what_cannot_be_made(written: str, sentence: str) -> None:
    with pytest.raises(JoinSpecError) as refused:
        make_join(parse_join(written), Factories())
    assert refused.value.message == sentence


def test_what_is_made_must_be_a_join() -> None:
    class Wrong:
        def get(self, name: str) -> type[JoinStrategy]:
            return Factories  # type: ignore[return-value]  # what a plug-in may do at run time

    with pytest.raises(JoinSpecError, match="gave a Factories, which is no JoinStrategy"):
        make_join(parse_join("x"), Wrong())


NAMES = st.from_regex(r"[a-z][a-z0-9]{0,5}(_[a-z0-9]{1,4}){0,2}", fullmatch=True)
VALUES = st.one_of(
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_characters="'", exclude_categories=["Cs"]), max_size=20),
)


@settings(max_examples=100)
@given(NAMES, st.lists(VALUES, max_size=3), st.dictionaries(NAMES, VALUES, max_size=3))
def test_what_is_written_reads_back(
    name: str, args: list[bool | int | float | str], kwargs: dict[str, bool | int | float | str]
) -> None:
    spec = JoinSpec(name, tuple(args), tuple(sorted(kwargs.items())))
    again = parse_join(str(spec))
    assert again == spec
    assert [type(value) for value in again.args] == [type(value) for value in args]


@settings(max_examples=200)
@given(st.text(st.sampled_from("ab1(),='\" .-tre"), max_size=30))
def test_only_its_own_error_comes_out(text: str) -> None:
    try:
        spec = parse_join(text)
    except JoinSpecError as refused:
        assert refused.message  # noqa: PT017 - either outcome is right
    else:
        assert parse_join(str(spec)) == spec
