"""A diagram as a list, where a drawing would be wider than the terminal."""

from __future__ import annotations

from collections.abc import Iterator

from penstock.core.render.canvas import Cell, printable
from penstock.core.render.diagram import Diagram, Line

INDENT = "  "


def outlined(diagram: Diagram) -> list[list[Cell]]:
    """Row by row: the first line of each box, whose arrows arrive there, and its other lines.

    Dashed arrows are not among them: what gates a box stands in its lines.
    """
    return [
        [Cell(printable(line.text), line.tone)]
        for index in range(len(diagram.boxes))
        for line in _lines(diagram, index)
    ]


def _lines(diagram: Diagram, index: int) -> Iterator[Line]:
    title, *others = diagram.boxes[index]
    yield title
    sources = [
        diagram.boxes[arrow.source][0].text
        for arrow in diagram.arrows
        if arrow.target == index and not arrow.dashed
    ]
    if sources:
        yield Line(f"{INDENT}← {', '.join(sources)}", "plain")
    for line in others:
        yield Line(INDENT + line.text, line.tone)
