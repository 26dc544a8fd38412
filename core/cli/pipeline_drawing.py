"""A pipeline as a drawing for the terminal, and with the types of what flows in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.core.cli.type_listing import lines_of
from penstock.core.port_types import PipelineTypes
from penstock.core.render.diagram import Diagram, Line
from penstock.core.render.drawing import drawn
from penstock.core.render.outline import outlined
from penstock.core.render.pipeline_diagram import pipeline_diagram
from penstock.core.resources import Pipeline

if TYPE_CHECKING:
    from rich.text import Text

_STYLES = {
    "plain": "",
    "end": "cyan",
    "title": "bold",
    "note": "dim",
    "trigger": "yellow",
    "type": "blue",
}


def typed_diagram(pipeline: Pipeline, types: PipelineTypes) -> Diagram:
    """The pipeline, with each box ending with what comes from it."""
    diagram = pipeline_diagram(pipeline)
    steps = [types.steps[step.name].outputs for step in pipeline.spec.steps]
    ports = [types.input, *steps, types.output]
    own = len(steps) + (1 if pipeline.spec.output is None else 2)
    boxes = tuple(
        (*lines, *(Line(text, "type") for text in lines_of(port)))
        for lines, port in zip(diagram.boxes[:own], ports[:own], strict=True)
    )
    return Diagram((*boxes, *diagram.boxes[own:]), diagram.arrows, diagram.back)


def pipeline_drawing(pipeline: Pipeline, columns: int | None = None) -> Text:
    """The diagram in the terminal's colours; a list where ``columns`` are too few to draw it."""
    from rich.text import Text

    diagram = pipeline_diagram(pipeline)
    rows = drawn(diagram)
    if columns is not None and max(map(len, rows)) > columns:
        rows = outlined(diagram)
    text = Text()
    for row in rows:
        for cell in row:
            text.append(cell.text, style=_STYLES[cell.tone])
        text.append("\n")
    return text
