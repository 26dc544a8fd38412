"""Where boxes and lines of a picture stand."""

from __future__ import annotations

import re

from hypothesis import given, settings

from penstock.core.render.diagram import Arrow, Diagram, Line
from penstock.core.render.layout import COLUMN, ROW, Room, laid_out
from unit.render.test_drawing import diagrams

CHAIN = Diagram(
    ((Line("input", "end"),), (Line("a", "title"),), (Line("b", "title"),)),
    (Arrow(0, 1), Arrow(1, 2), Arrow(0, 2)),
    (Arrow(2, 1),),
)


def test_a_box_has_the_room_that_is_asked_for() -> None:
    tight, wide = laid_out(CHAIN), laid_out(CHAIN, Room(30, 2))
    assert {box.width for box in wide.boxes} == {30 * COLUMN}
    higher = [one.height - other.height for one, other in zip(wide.boxes, tight.boxes, strict=True)]
    assert higher == [2 * ROW] * 3


def test_pieces_of_a_line_over_several_layers_know_the_box_that_they_come_from() -> None:
    pieces = [line for line in laid_out(CHAIN).lines if line.kind == "line"]
    assert {(piece.source, piece.target) for piece in pieces} == {(0, 1), (1, 2), (0, None), (0, 2)}
    assert all((piece.tip is None) == (piece.target is None) for piece in pieces)


def test_a_way_back_goes_beside_all_boxes_into_the_turn_from_above() -> None:
    layout = laid_out(CHAIN)
    [back] = [line for line in layout.lines if line.kind == "back"]
    right = max(box.left + box.width for box in layout.boxes)
    assert (back.source, back.target) == (2, 1)
    lane = max(float(each) for each in re.findall(r"H ([\d.]+)", back.path))
    assert right < lane < layout.width
    assert layout.height > layout.boxes[2].top + layout.boxes[2].height
    assert back.tip is not None
    turn = layout.boxes[1]
    assert turn.left < back.tip[0] < turn.left + turn.width
    assert back.tip[1] == turn.top


@settings(max_examples=50, deadline=None)
@given(diagrams())
def test_every_arrow_has_a_tip_at_the_top_of_its_target(made: Diagram) -> None:
    layout = laid_out(made)
    tips = []
    for line in layout.lines:
        if line.target is not None and line.tip is not None:
            box = layout.boxes[line.target]
            assert box.left <= line.tip[0] <= box.left + box.width
            assert line.tip[1] == box.top
            tips.append(Arrow(line.source, line.target, line.kind == "gate"))
    assert sorted(tips) == sorted(made.arrows)
    assert all(box.left >= 0 and box.top >= 0 for box in layout.boxes)
