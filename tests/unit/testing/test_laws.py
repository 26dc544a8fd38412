"""The laws of joins, over joins that break one each: what is told is short and says it all."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from penstock.core.contracts.join import JoinStrategy
from penstock.joins.inner import InnerJoin
from penstock.joins.quorum import QuorumJoin
from penstock.testing import JoinLaws
from penstock.testing.laws import BrokenLawError
from unit.testing import broken

SOUND = "test_answer_stands_on_what_is_there"
PURE = "test_same_view_gets_the_same_answer"
ENDS = "test_every_visit_is_ended_by_its_join"
TIME = "test_time_decides_by_itself"
STATES = "test_only_states_are_read_where_that_is_declared"
ORDER = "test_order_of_arrival_does_not_matter_where_that_is_declared"
FAILURE = "test_failure_is_not_passed_off_as_absence"
LAWS = [SOUND, PURE, ENDS, TIME, STATES, ORDER, FAILURE]

TOLD = [
    (
        broken.Counting(),
        PURE,
        """\
The same view gets the same answer, from every instance and however often it is asked
sources: a
     0 ms  a ends as value
then: answered Run((0,)); asked again, it answered Skip('it has run')
expected: no memory, no clock and no chance in decide""",
    ),
    (
        broken.Greedy(),
        SOUND,
        """\
An answer is a Wait, a Run with values, or a Skip with a reason
sources: a, b, c
     0 ms  a ends as value, b ends as value (one record)
then: answered Run((0, 1, 2))
expected: a run with values only, which [2] are not""",
    ),
    (
        broken.Raising(),
        SOUND,
        """\
An answer is a Wait, a Run with values, or a Skip with a reason
sources: a
     0 ms  a ends absent
then: raised KeyError: 'failure'
expected: an answer""",
    ),
    (
        broken.Careless(),
        SOUND,
        """\
An answer is a Wait, a Run with values, or a Skip with a reason
sources: a
     0 ms  a ends as value
then: answered Run(0)
expected: a tuple of indexes of sources to run with""",
    ),
    (
        broken.Twofold(),
        SOUND,
        """\
An answer is a Wait, a Run with values, or a Skip with a reason
sources: a
     0 ms  a ends as value
then: answered Run((0, 0))
expected: each source once""",
    ),
    (
        broken.Empty(),
        SOUND,
        """\
An answer is a Wait, a Run with values, or a Skip with a reason
sources: a
     0 ms  a ends absent
then: answered Run(())
expected: a source to run with (or a Skip)""",
    ),
    (
        broken.Silent(),
        SOUND,
        """\
An answer is a Wait, a Run with values, or a Skip with a reason
sources: a
     0 ms  a ends absent
then: answered Skip('')
expected: a reason, in a sentence""",
    ),
    (
        broken.Astray(),
        SOUND,
        """\
An answer is a Wait, a Run with values, or a Skip with a reason
sources: a
     0 ms  a ends absent
then: answered Skip('no source is a value', because=(1,))
expected: a skip that stands on sources, which [1] are not""",
    ),
    (
        broken.Speechless(),
        SOUND,
        """\
An answer is a Wait, a Run with values, or a Skip with a reason
sources: a
     0 ms  a ends failed
then: answered None
expected: a Wait, a Run or a Skip""",
    ),
    (
        broken.Stubborn(),
        ENDS,
        """\
No join waits for what can no longer come: neither after its window, nor for no source
sources: a, b; a window of 1 ms
     0 ms  a ends absent
     1 ms  window ends
then: answered Wait(), though the window has ended
expected: a Run or a Skip""",
    ),
    (
        broken.Hopeful(),
        ENDS,
        """\
No join waits for what can no longer come: neither after its window, nor for no source
sources: a
     0 ms  a ends absent
then: answered Wait(), though every source has ended and it waits for no time to come
expected: a Run or a Skip""",
    ),
    (
        broken.Forgetful(),
        TIME,
        """\
What time decides, time decides: not the next record
sources: a, b
     0 ms  a ends absent
then: answered Wait(); at 7 ms, when nobody asks, it would have answered Skip('it took too long')
expected: a Wait until 7 ms, to be asked at that time""",
    ),
    (
        broken.Clockwatcher(),
        STATES,
        """\
A join that declares reads_states_only looks at nothing but states and the window's end
sources: a
     0 ms  a ends as value
then: answered Run((0,)); 100 ms after the opening, with the same states, it answered \
Skip('it took too long')
expected: the same answer, or reads_states_only = False""",
    ),
    (
        broken.Nosy(),
        STATES,
        """\
A join that declares reads_states_only looks at nothing but states and the window's end
sources: a, b
     0 ms  b ends as value
then: answered Run((1,)); when it is not shown tensors, failures and times of sources, it answered \
Run((0,))
expected: the same answer, or reads_states_only = False""",
    ),
    (
        broken.Patient(),
        STATES,
        """\
A join that declares reads_states_only looks at nothing but states and the window's end
sources: a, b
     0 ms  a ends absent
then: answered Wait(until 50 ms)
expected: a Wait without a time, or reads_states_only = False""",
    ),
    (
        broken.Hasty(),
        ORDER,
        """\
A join that declares order_free has the same outcome in whatever order the records come
sources: a, b
     0 ms  a ends as value
     0 ms  b ends as value
then: ran with [0]
in another order:
     0 ms  b ends as value
     0 ms  a ends as value
then: ran with [1]
expected: the same outcome, or order_free = False""",
    ),
    (
        broken.Soothing(),
        FAILURE,
        """\
A failure is not passed off as an absence
sources: a
     0 ms  a ends failed
then: skipped: no source is a value (because=())
expected: failed; a Skip whose because is None or names [0], as no source is absent""",
    ),
]


def laws_of(strategy: JoinStrategy, numbers: Iterable[int] = (1, 2, 3, 4)) -> JoinLaws:
    """The laws as an author has them, for this join."""

    class TestJoin(JoinLaws):
        join = strategy
        sources = numbers

    return TestJoin()


@pytest.mark.parametrize(
    ("strategy", "law", "text"), TOLD, ids=[type(each[0]).__name__ for each in TOLD]
)
def test_the_smallest_arrivals_that_break_a_law_are_told(
    strategy: JoinStrategy, law: str, text: str
) -> None:
    with pytest.raises(BrokenLawError) as caught:
        getattr(laws_of(strategy), law)()
    assert str(caught.value) == text
    assert not getattr(caught.value, "__notes__", [])


def test_every_law_is_broken_by_one_of_them() -> None:
    assert {law for _, law, _ in TOLD} == set(LAWS)
    assert {name for name in dir(JoinLaws) if name.startswith("test_")} == set(LAWS)


@pytest.mark.parametrize("law", [law for law in LAWS if law not in (STATES, ORDER)])
def test_what_the_broken_ones_are_made_from_breaks_none(law: str) -> None:
    getattr(laws_of(broken.AtTheFirstValue()), law)()


@pytest.mark.parametrize("law", [STATES, ORDER])
def test_a_law_for_those_who_declare_something_is_no_test_of_others(law: str) -> None:
    assert getattr(laws_of(broken.AtTheFirstValue()), law) is None
    assert callable(getattr(laws_of(InnerJoin()), law))


def test_a_join_that_is_not_the_same_twice_is_told_as_such() -> None:
    broken.CALLS.clear()
    with pytest.raises(BrokenLawError) as caught:
        laws_of(broken.Fickle()).test_same_view_gets_the_same_answer()
    assert "Skip('not this time')" in str(caught.value)
    assert "the join depends on more than what it is shown" in str(caught.value)


def test_numbers_of_sources_that_it_refuses_are_left_out() -> None:
    asked: list[int] = []

    class Noting(QuorumJoin):
        def check(self, sources: tuple[str, ...]) -> None:
            super().check(sources)
            asked.append(len(sources))

    laws_of(Noting(3)).test_every_visit_is_ended_by_its_join()
    assert set(asked) == {3, 4}


def test_a_join_that_takes_no_number_of_sources_is_no_success() -> None:
    with pytest.raises(ValueError, match="write the numbers that it takes"):
        laws_of(QuorumJoin(3), (1, 2)).test_same_view_gets_the_same_answer()


def test_laws_without_a_join_say_how_it_is_written() -> None:
    class TestNothing(JoinLaws):
        pass

    with pytest.raises(TypeError, match="TestNothing needs its join: write 'join = MyJoin"):
        TestNothing().test_same_view_gets_the_same_answer()
