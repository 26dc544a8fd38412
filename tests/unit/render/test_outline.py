"""A diagram as a list."""

from __future__ import annotations

from penstock.core.render.diagram import Arrow, Diagram, Line
from penstock.core.render.outline import outlined


def test_each_box_with_its_sources_and_lines() -> None:
    diagram = Diagram(
        (
            (Line("input", "end"),),
            (Line("left", "title"),),
            (Line("sum", "title"), Line("inner"), Line("when input", "trigger")),
        ),
        (Arrow(0, 1), Arrow(0, 2, dashed=True), Arrow(1, 2), Arrow(0, 2)),
    )
    rows = outlined(diagram)
    assert ["".join(cell.text for cell in row) for row in rows] == [
        "input",
        "left",
        "  ← input",
        "sum",
        "  ← left, input",
        "  inner",
        "  when input",
    ]
    assert [row[0].tone for row in rows[-3:]] == ["plain", "note", "trigger"]


def test_what_would_move_the_cursor_is_not_printed() -> None:
    [[cell]] = outlined(Diagram(((Line("a\x1b[2Jb\nc"),),), ()))
    assert cell.text == "a�[2Jb�c"
