"""References to ports: the table of DATAFLOW.md, word by word."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.records import Port
from penstock.core.references import Source, parse_external, parse_source, parse_tensor_key


@pytest.mark.parametrize(
    ("written", "kind", "step", "side", "tensor", "in_full"),
    [
        ("a", "step", "a", "outputs", None, "a.outputs"),
        ("a.inputs", "step", "a", "inputs", None, "a.inputs"),
        ("a.outputs", "step", "a", "outputs", None, "a.outputs"),
        ("a.outputs.t", "step", "a", "outputs", "t", "a.outputs.t"),
        ("a.inputs.t", "step", "a", "inputs", "t", "a.inputs.t"),
        ("a.outputs.t.u.v", "step", "a", "outputs", "t.u.v", "a.outputs.t.u.v"),
        ("a.outputs.inputs", "step", "a", "outputs", "inputs", "a.outputs.inputs"),
        ("inputs", "step", "inputs", "outputs", None, "inputs.outputs"),
        ("step.outputs.t", "step", "step", "outputs", "t", "step.outputs.t"),
        ("p", "input", None, "inputs", None, "p.inputs"),
        ("p.inputs", "input", None, "inputs", None, "p.inputs"),
        ("p.inputs.t", "input", None, "inputs", "t", "p.inputs.t"),
    ],
)
def test_sources_of_a_pipeline(
    written: str, kind: str, step: str | None, side: str, tensor: str | None, in_full: str
) -> None:
    source = parse_source(written, pipeline="p")
    assert (source.kind, source.step, source.side, source.tensor) == (kind, step, side, tensor)
    assert (source.pipeline, source.text, str(source)) == ("p", in_full, in_full)
    assert source.port == Port(step, source.side)


@pytest.mark.parametrize(
    ("written", "step", "side", "tensor", "in_full"),
    [
        ("o", None, "outputs", None, "o.outputs"),
        ("o.outputs", None, "outputs", None, "o.outputs"),
        ("o.outputs.t", None, "outputs", "t", "o.outputs.t"),
        ("o.inputs.t", None, "inputs", "t", "o.inputs.t"),
        ("o.step.s", "s", "outputs", None, "o.step.s.outputs"),
        ("o.step.s.inputs", "s", "inputs", None, "o.step.s.inputs"),
        ("o.step.s.outputs.t.u", "s", "outputs", "t.u", "o.step.s.outputs.t.u"),
        ("step.step.step", "step", "outputs", None, "step.step.step.outputs"),
    ],
)
def test_sources_of_other_pipelines(
    written: str, step: str | None, side: str, tensor: str | None, in_full: str
) -> None:
    source = parse_external(written)
    assert (source.kind, source.step, source.side, source.tensor) == (
        "external",
        step,
        side,
        tensor,
    )
    assert source.text == in_full


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("", "'' is no reference: a name is missing"),
        (".outputs", "'.outputs' is no reference: a name is missing"),
        (
            "a.output",
            "'a.output' is no reference: after the name comes 'inputs' or 'outputs', not 'output'",
        ),
        ("a.", "'a.' is no reference: after the name comes 'inputs' or 'outputs', not ''"),
        ("a.outputs.", "'a.outputs.' is no reference: no tensor follows the last dot"),
        (
            "p.outputs",
            "'p.outputs' is the pipeline's own output, which nothing inside it can read; "
            "read the step that makes it",
        ),
        (
            "a b",
            "'a b' is no reference: 'a b' is no name: letters, digits, '-' and '_' are allowed, "
            "with a letter or digit at both ends",
        ),
        (
            "a\n",
            "'a\n' is no reference: 'a\n' is no name: letters, digits, '-' and '_' are allowed, "
            "with a letter or digit at both ends",
        ),
    ],
)
def test_what_is_no_reference(written: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        parse_source(written, pipeline="p")


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("o.step", "'o.step' is no reference: a name is missing"),
        ("o.step.", "'o.step.' is no reference: a name is missing"),
        (
            "o.s",
            "'o.s' is no reference: after the name comes 'inputs', 'outputs' or 'step', not 's'",
        ),
        (
            "o.step.s.t",
            "'o.step.s.t' is no reference: after the name comes 'inputs' or 'outputs', not 't'",
        ),
    ],
)
def test_what_is_no_external_reference(written: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        parse_external(written)


def test_a_key_of_tensor_map_names_a_tensor() -> None:
    assert parse_tensor_key("a.outputs.x.y", pipeline="p").tensor == "x.y"
    assert parse_tensor_key("o.step.s.outputs.t", pipeline="p", external=True).step == "s"
    with pytest.raises(ValueError, match=re.escape("written in full, as 'a.outputs.<tensor>'")):
        parse_tensor_key("a", pipeline="p")


@pytest.mark.parametrize(
    ("one", "other", "overlap"),
    [
        ("a", "a", True),
        ("a", "a.outputs", True),
        ("a", "a.outputs.x", True),
        ("a.outputs.x", "a.outputs.x", True),
        ("a.outputs.x", "a.outputs.y", False),
        ("a.inputs", "a.outputs", False),
        ("a", "b", False),
        ("p", "p.inputs.x", True),
        ("p", "a.inputs", False),
    ],
)
def test_overlap_goes_both_ways(one: str, other: str, overlap: bool) -> None:
    first, second = (parse_source(text, pipeline="p") for text in (one, other))
    assert first.overlaps(second) is overlap
    assert second.overlaps(first) is overlap


def test_a_port_covers_its_tensors_and_not_the_other_way() -> None:
    port, tensor = parse_source("a", pipeline="p"), parse_source("a.outputs.x", pipeline="p")
    assert port.covers(tensor)
    assert not tensor.covers(port)


NAMES = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9_-]{0,5}[A-Za-z0-9])?", fullmatch=True)
TENSORS = st.none() | st.text(min_size=1, max_size=8)


@given(NAMES, st.sampled_from(["inputs", "outputs"]), TENSORS)
def test_what_is_written_in_full_is_read_as_the_same(
    step: str, side: str, tensor: str | None
) -> None:
    source = Source("step", "-no step-", step, side, tensor)  # type: ignore[arg-type]
    assert parse_source(source.text, pipeline="-no step-") == source


@given(NAMES, st.none() | NAMES, st.sampled_from(["inputs", "outputs"]), TENSORS)
def test_external_references_written_in_full_are_read_as_the_same(
    pipeline: str, step: str | None, side: str, tensor: str | None
) -> None:
    source = Source("external", pipeline, step, side, tensor)  # type: ignore[arg-type]
    assert parse_external(source.text) == source
