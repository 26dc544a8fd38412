"""A pipeline as a diagram."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from penstock.core.joinspec import JoinSpec
from penstock.core.loops import loops_of, steps_read
from penstock.core.manifests.externals import external_sources
from penstock.core.references import Source, parse_external, parse_source
from penstock.core.render.diagram import Arrow, Diagram, Line
from penstock.core.resources import Pipeline, Step


def pipeline_diagram(pipeline: Pipeline) -> Diagram:
    """The pipeline's input at the top, its steps, and its output at the bottom.

    Other pipelines that are read stand above it. A box says how a step joins, what it takes of
    others by tensor or under other names, and what gates it; arrows of triggers are dashed. What
    goes back to a turn of a loop is an arrow back, and the turn says where from, the step before
    it where to. The boxes are in this order: input, steps as in the manifest, the output if there
    is one, and the pipelines that are read.
    """
    name = pipeline.metadata.name
    steps = pipeline.spec.steps
    back = _ways_back(pipeline)
    boxes = [_input_box(pipeline), *(_box(step, name, back) for step in steps)]
    index = {step.name: number + 1 for number, step in enumerate(steps)}
    turned = {(source, index[turn]) for turn, sources in back.items() for source in sources}
    arrows: list[Arrow] = []

    def connect(references: Sequence[str], target: int, *, dashed: bool = False) -> None:
        for reference in references:
            source = parse_source(reference, pipeline=name)
            if (source.step, target) in turned:
                continue
            start = 0 if source.step is None else index[source.step]
            arrow = Arrow(start, target, dashed)
            if arrow not in arrows:
                arrows.append(arrow)

    for number, step in enumerate(steps):
        connect(step.inputs or (name,), number + 1)
        connect(step.triggers, number + 1, dashed=True)
    output = pipeline.spec.output
    if output is not None:
        lines = [Line("output", "end")]
        if len(output.steps) > 1:
            lines.append(Line(str(output.steps_join)))
        lines += _notes(output.steps, output.tensor_map, name)
        boxes.append(lines)
        connect(output.steps, len(boxes) - 1)
    for other, gates in pipelines_read(pipeline).items():
        boxes.append([Line(f"pipeline {other}", "end")])
        arrows.append(Arrow(len(boxes) - 1, 0, gates))
    ways_back = tuple(Arrow(index[start], target) for start, target in sorted(turned))
    return Diagram(tuple(map(tuple, boxes)), tuple(arrows), ways_back)


def _ways_back(pipeline: Pipeline) -> dict[str, list[str]]:
    """The turns of the loops, each with the steps of its loop that lead back to it."""
    if not pipeline.spec.allow_cycles:
        return {}
    read = {
        step.name: steps_read(step.inputs, pipeline.metadata.name) for step in pipeline.spec.steps
    }
    return {
        turn: [name for name in loop.steps if name in read[turn]]
        for loop in loops_of(pipeline)
        for turn in loop.turns
    }


def pipelines_read(pipeline: Pipeline) -> dict[str, bool]:
    """The other pipelines, in the order of their boxes, and whether they only gate."""
    others: dict[str, bool] = {}
    for source, path in external_sources(pipeline):
        others[source.pipeline] = others.get(source.pipeline, True) and path[2] != "externalInputs"
    return others


def _window(written: int | Literal["auto"] | None) -> str:
    if written == "auto":
        return " in time for the rest"
    return f" within {written} ms" if written else ""


def _input_box(pipeline: Pipeline) -> list[Line]:
    lines = [Line("input", "end")]
    section = pipeline.spec.input
    if section is None or not section.external_inputs:
        return lines
    if len(section.external_inputs) > 1:
        lines.append(Line(f"{section.join_type}{_window(section.join_window_ms)}"))
    for reference in section.external_inputs:
        source = parse_external(reference).text
        new_name = section.tensor_map.get(source)
        lines.append(Line(source if new_name is None else f"{source} as {new_name}"))
    gates = [parse_external(reference).text for reference in section.external_triggers]
    return lines + _gate_lines(gates, section.triggers_join_type)


def _box(step: Step, pipeline: str, back: Mapping[str, Sequence[str]]) -> list[Line]:
    lines = [Line(step.name, "title")]
    lines += [Line(f"again from {source}", "end") for source in back.get(step.name, ())]
    lines += [Line(f"back to {turn}", "end") for turn in back if step.name in back[turn]]
    if step.model is not None and step.model != step.name:
        lines.append(Line(f"model {step.model}"))
    if len(step.inputs) > 1:
        lines.append(Line(f"{step.inputs_join_type}{_window(step.join_window_ms)}"))
    lines += _notes(step.inputs, step.tensor_map, pipeline)
    lines += _gates(step, pipeline)
    if step.retries:
        lines.append(Line(f"tried again up to {step.retries} times"))
    if step.on_error == "absent":
        lines.append(Line("its failure is absence"))
    return lines


def _gates(step: Step, pipeline: str) -> list[Line]:
    """What the step waits for without reading it; a line each, for boxes are to be narrow."""
    gates = [_short(parse_source(reference, pipeline=pipeline)) for reference in step.triggers]
    return _gate_lines(gates, step.triggers_join_type)


def _gate_lines(gates: Sequence[str], join: JoinSpec) -> list[Line]:
    if len(gates) < 2:
        return [Line(f"when {gate}", "trigger") for gate in gates]
    texts = [f"when ({join})", *(f"  {gate}" for gate in gates)]
    return [Line(text, "trigger") for text in texts]


def _notes(references: Sequence[str], renames: Mapping[str, str], pipeline: str) -> list[Line]:
    """What is taken of a source, where that is not all of its outputs under their own names."""
    notes = []
    for reference in references:
        source = parse_source(reference, pipeline=pipeline)
        new_name = renames.get(source.text)
        if new_name is not None:
            notes.append(Line(f"{_short(source)} as {new_name}"))
        elif source.tensor is not None or (source.step is not None and source.side == "inputs"):
            notes.append(Line(_short(source)))
    return notes


def _short(source: Source) -> str:
    """A reference as a person would say it: ``judge.large``, or what went into a step."""
    if source.step is None:
        return source.tensor or "input"
    if source.side == "inputs":
        return source.text
    return source.step if source.tensor is None else f"{source.step}.{source.tensor}"
