"""Reading YAML with positions: values, positions, and what is refused with which sentence."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from penstock.core.positions import (
    Position,
    PositionedDocument,
    ProblemsError,
    YamlValue,
    format_path,
    read_documents,
)


def one(text: str) -> PositionedDocument:
    [document] = read_documents(text, "f.yaml")
    return document


def problems_of(text: str) -> list[str]:
    with pytest.raises(ProblemsError) as refused:
        read_documents(text, "f.yaml")
    assert refused.value.code == "invalid-request"
    return list(refused.value.details)


MANIFEST = """\
kind: Pipeline
spec:
  steps:
  - name: scale
  - {name: forest, inputs: [scale, "other"]}
"""


class TestPositions:
    def test_of_values_and_of_keys(self) -> None:
        document = one(MANIFEST)
        assert document.position(("kind",)) == Position("f.yaml", 1, 7)
        assert document.position(("kind",), of_key=True) == Position("f.yaml", 1, 1)
        assert document.position(("spec", "steps", 1, "inputs", 1)) == Position("f.yaml", 5, 36)
        assert document.position(("spec", "steps", 1, "inputs"), of_key=True).column == 20

    def test_of_what_is_not_there_is_the_nearest_above(self) -> None:
        document = one(MANIFEST)
        assert document.position(("spec", "steps", 0, "model")) == Position("f.yaml", 4, 5)
        assert document.position(("spec", "steps", 7, "x"), of_key=True).line == 4
        assert document.position(("status", "x")) == Position("f.yaml", 1, 1)

    def test_of_documents_in_one_text(self) -> None:
        first, second = read_documents("a: 1\n---\n\nb: 2\n", "f.yaml")
        assert (first.data, second.data) == ({"a": 1}, {"b": 2})
        assert second.position(("b",)) == Position("f.yaml", 4, 4)

    def test_columns_count_characters(self) -> None:
        assert one("{é: 1, b: 2}").position(("b",)).column == 11

    def test_of_an_alias_is_where_it_stands(self) -> None:
        document = one("a: &x {k: 1}\nb: *x\n")
        assert document.position(("b",)) == Position("f.yaml", 2, 4)
        assert document.position(("b", "k")) == Position("f.yaml", 1, 11)

    def test_has(self) -> None:
        document = one("a: {b: }\nc: [1]\n")
        assert document.has(())
        assert document.has(("a", "b"))
        assert document.has(("c", 0))
        assert not document.has(("c", 1))
        assert not document.has(("a", "b", "d"))


class TestValues:
    @pytest.mark.parametrize(
        ("written", "value"),
        [
            ("", None),
            ("~", None),
            ("null", None),
            ("true", True),
            ("False", False),
            ("no", "no"),
            ("on", "on"),
            ("yes", "yes"),
            ("12", 12),
            ("-3", -3),
            ("0o17", 15),
            ("0x1F", 31),
            ("017", 17),
            ("1_000", "1_000"),
            ("1:30", "1:30"),
            ("9007199254740993", 9007199254740993),
            ("1.5", 1.5),
            (".5", 0.5),
            ("1e3", 1000.0),
            (".inf", float("inf")),
            ("-.INF", float("-inf")),
            ("1.2.3", "1.2.3"),
            ("2024-01-01", "2024-01-01"),
            ("=", "="),
            ("'12'", "12"),
            ('"true"', "true"),
            ("!!str 12", "12"),
            ("! 12", "12"),
            ("!!float 1", 1.0),
            ("!!int 0x10", 16),
        ],
    )
    def test_words(self, written: str, value: YamlValue) -> None:
        data = one(f"[{written}]" if written else "x:").data
        read = data[0] if isinstance(data, list) else data["x"] if isinstance(data, dict) else data
        assert (read, type(read)) == (value, type(value))

    def test_keys_are_text(self) -> None:
        assert one("1: a\ntrue: b\n~: c\n").data == {"1": "a", "true": "b", "~": "c"}

    def test_empty_documents_are_left_out(self) -> None:
        assert read_documents("---\n---\n# nothing\n---\na: 1\n...\n", "f.yaml")[0].data == {"a": 1}
        assert read_documents("", "f.yaml") == []

    def test_aliases_are_copies(self) -> None:
        data = one("a: &x {k: [1]}\nb: *x\nc: {&key d: 1}\ne: {*key : 2}\n").data
        assert data == {"a": {"k": [1]}, "b": {"k": [1]}, "c": {"d": 1}, "e": {"d": 2}}
        assert isinstance(data, dict)
        assert data["a"] is not data["b"]

    def test_anchors_do_not_reach_the_next_document(self) -> None:
        assert problems_of("a: &x 1\n---\nb: *x\n") == [
            "f.yaml:3:4: b: the alias '*x' names no anchor that ends before it"
        ]


class TestRefusals:
    def test_a_key_that_stands_twice(self) -> None:
        assert problems_of("a: 1\nb: {c: 1, c: 2}\na: 2\n") == [
            "f.yaml:2:11: b.c: the key 'c' stands here for the second time; the first is at line 2",
            "f.yaml:3:1: a: the key 'a' stands here for the second time; the first is at line 1",
        ]

    def test_a_key_that_is_no_text(self) -> None:
        sentence = "a key must be text, not a mapping or a list"
        assert problems_of("[1, [2]]: 3\n? {a: 1}\n: 4\n") == [
            f"f.yaml:1:1: {sentence}",
            f"f.yaml:2:3: {sentence}",
        ]
        assert problems_of("a: &x [1]\n*x : 2\n") == [f"f.yaml:2:1: {sentence}"]

    def test_a_merge_key(self) -> None:
        assert problems_of("a: &x {k: 1}\nb:\n  <<: *x\n") == [
            'f.yaml:3:3: b["<<"]: merge keys are not supported; write the keys out'
        ]

    @pytest.mark.parametrize("tag", ["!!python/object:os.system", "!!timestamp", "!!binary", "!x"])
    def test_tags_beyond_json(self, tag: str) -> None:
        [problem] = problems_of(f"a: {tag} 2024-01-01\n")
        assert problem.startswith("f.yaml:1:4: a: the tag '")
        assert problem.endswith("' is not supported; write the plain value")

    @pytest.mark.parametrize("text", ["a: !!int x\n", "a: !!int 1.5\n", "a: !!bool 1\n"])
    def test_a_word_that_is_none_of_its_tags_values(self, text: str) -> None:
        [problem] = problems_of(text)
        assert "is not supported" in problem

    def test_a_tagged_container(self) -> None:
        assert problems_of("a: !!set {x}\n") == [
            "f.yaml:1:4: a: the tag 'tag:yaml.org,2002:set' is not supported"
        ]

    def test_what_holds_itself(self) -> None:
        assert problems_of("&a [*a]\n") == [
            "f.yaml:1:5: [0]: the alias '*a' names no anchor that ends before it"
        ]

    def test_aliases_that_multiply(self) -> None:
        lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
        lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 30)]
        assert "the aliases stand for more than 10000 values" in problems_of("\n".join(lines))[0]

    def test_what_is_nested_too_deeply(self) -> None:
        assert one("[" * 64 + "]" * 64).data is not None
        assert problems_of("[" * 65 + "]" * 65) == [
            "f.yaml:1:65: mappings and lists are more than 64 deep"
        ]

    def test_aliases_that_nest(self) -> None:
        deep = "[" * 40 + "]" * 40
        [problem] = problems_of(f"a: &a {deep}\nb: {'[' * 40}*a{']' * 40}\n")
        assert problem.startswith("f.yaml:2:44: ")

    def test_deep_nesting_costs_no_time(self) -> None:
        # The parser alone takes seconds for each of these.
        assert len(problems_of("[" * 100_000)) == 1
        assert len(problems_of("a: {[" * 50_000)) == 1
        assert len(problems_of("? " * 50_000)) == 1

    def test_a_number_without_end(self) -> None:
        assert problems_of("a: " + "9" * 5000) == [
            "f.yaml:1:4: a: the number has 5000 digits; put text into quotes"
        ]

    def test_problems_end_somewhere(self) -> None:
        assert len(problems_of("a: 1\n" * 1000)) == 100

    def test_what_is_no_yaml(self) -> None:
        assert problems_of("a: [1\nb: 2\n") == [
            "f.yaml:2:2: this is no YAML: did not find expected ',' or ']' "
            "while parsing a flow sequence"
        ]

    def test_characters_that_are_not_allowed(self) -> None:
        sentence = "is not allowed in YAML"
        assert problems_of("é: 1\nb: \x01") == [f"f.yaml:2:4: the character '\\x01' {sentence}"]
        assert problems_of("\n\ud800") == [f"f.yaml:2:1: the character '\\ud800' {sentence}"]

    def test_many_problems_are_one_error_in_the_order_of_the_text(self) -> None:
        with pytest.raises(ProblemsError) as refused:
            read_documents("a: 1\na: 2\na: 3\n", "f.yaml")
        assert refused.value.message == (
            "2 problems, the first of them: f.yaml:2:1: a: the key 'a' stands here for the second "
            "time; the first is at line 1"
        )


def test_paths_are_written_as_people_write_them() -> None:
    assert format_path(("spec", "steps", 2, "tensorMap", "a.outputs.x")) == (
        'spec.steps[2].tensorMap["a.outputs.x"]'
    )
    assert format_path(()) == ""


YAML_LIKE = st.text(
    st.sampled_from("ab10.:-?[]{}&*!|>'\"%@`#,<\n\t ~=\\é\x00\x85\ufeff\ud800"), max_size=60
)


@settings(max_examples=200, deadline=None)
@given(st.one_of(YAML_LIKE, st.text(max_size=60)))
@example("%YAML 1.2\n---\na")
@example("!<tag:yaml.org,2002:int> 5")
@example("a: |\n\t")
@example("- &a *a")
def test_only_problems_come_out_of_any_text(text: str) -> None:
    try:
        found = [document.position(()) for document in read_documents(text, "f.yaml")]
    except ProblemsError as refused:
        found = [problem.position for problem in refused.problems]
        if not found:
            raise
    for position in found:
        assert position.line >= 1
        assert position.column >= 1
