"""A drawing says what the graph says: whoever follows its lines finds every arrow and no other."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import pytest

from penstock.core.render.diagram import Arrow, Diagram, Line
from penstock.core.render.drawing import drawn

UP, RIGHT, DOWN, LEFT = 1, 2, 4, 8
OPPOSITE: Final = {UP: DOWN, DOWN: UP, LEFT: RIGHT, RIGHT: LEFT}
MOVES: Final = {UP: (-1, 0), DOWN: (1, 0), LEFT: (0, -1), RIGHT: (0, 1)}
WAYS: Final = {glyph: ways for ways, glyph in enumerate(" ╵╶╰╷│╭├╴╯─┴╮┤┬┼")} | {
    "╎": UP | DOWN,
    "╌": LEFT | RIGHT,
}


@dataclass(frozen=True)
class Box:
    top: int
    left: int
    bottom: int
    right: int


class Reader:
    """Reads a drawing as a person does."""

    def __init__(self, diagram: Diagram) -> None:
        self.rows = ["".join(cell.text for cell in row) for row in drawn(diagram)]
        self.boxes = [self._box(lines) for lines in diagram.boxes]
        self.owners = {
            (row, column): index
            for index, box in enumerate(self.boxes)
            for row in range(box.top, box.bottom + 1)
            for column in range(box.left, box.right + 1)
        }

    def arrows(self) -> set[Arrow]:
        return {
            arrow
            for index, box in enumerate(self.boxes)
            for column in range(box.left, box.right)
            if self._at(box.bottom, column) == "┬"
            for arrow in self._followed(index, box.bottom, column)
        }

    def _at(self, row: int, column: int) -> str:
        inside = 0 <= row < len(self.rows) and 0 <= column < len(self.rows[row])
        return self.rows[row][column] if inside else " "

    def _box(self, lines: tuple[Line, ...]) -> Box:
        title = f"│ {lines[0].text} "
        [(row, left)] = [
            (number, text.index(title)) for number, text in enumerate(self.rows) if title in text
        ]
        right = self.rows[row - 1].index("╮", left)
        for number, line in enumerate(lines, row):
            inside = self.rows[number][left : right + 1]
            assert inside == f"│ {line.text.ljust(right - left - 3)} │"
        bottom = row + len(lines)
        assert self._at(row - 1, left) + self._at(bottom, left) + self._at(bottom, right) == "╭╰╯"
        return Box(row - 1, left, bottom, right)

    def _followed(self, source: int, row: int, column: int) -> Iterator[Arrow]:
        seen = set()
        ahead = [(row, column, DOWN)]
        while ahead:
            here = ahead.pop()
            if here in seen:
                continue
            seen.add(here)
            row, column, way = here[0] + MOVES[here[2]][0], here[1] + MOVES[here[2]][1], here[2]
            glyph = self._at(row, column)
            if glyph in "▼▽":
                target = self.owners[row + 1, column]
                assert (way, self.boxes[target].top) == (DOWN, row + 1)
                yield Arrow(source, target, glyph == "▽")
                continue
            assert (row, column) not in self.owners, "a line goes into a box"
            ways = WAYS[glyph]
            assert ways, "a line ends in nothing"
            if ways & OPPOSITE[way]:
                ahead += [(row, column, on) for on in MOVES if on & ways & ~OPPOSITE[way]]
            else:
                assert ways == UP | DOWN, "lines touch where they should cross"
                ahead.append((row, column, way))


def graph(seed: int, most: int, dense: int) -> Diagram:
    draw = random.Random(seed)
    boxes, arrows = [], set()
    for index in range(draw.randint(2, most)):
        notes = [Line("note" * draw.randint(1, 6)) for _ in range(draw.randint(0, 2))]
        boxes.append((Line(f"{index}{'-long' * draw.choice([0, 0, 1, 4])}"), *notes))
        for source in draw.sample(range(index), min(index, draw.randint(1, dense))):
            arrows.add(Arrow(source, index, draw.random() < 0.3))
    return Diagram(tuple(boxes), tuple(sorted(arrows)))


@pytest.mark.parametrize(("graphs", "most", "dense"), [(400, 8, 5), (150, 14, 3), (40, 30, 2)])
def test_following_the_lines_gives_the_arrows(graphs: int, most: int, dense: int) -> None:
    for seed in range(graphs):
        diagram = graph(seed, most, dense)
        assert Reader(diagram).arrows() == set(diagram.arrows), f"seed {seed}"


def test_a_step_that_reads_all_that_came_before() -> None:
    boxes = tuple((Line(f"box{index}"),) for index in range(12))
    arrows = tuple(Arrow(a, b, (a + b) % 5 == 0) for b in range(12) for a in range(b))
    diagram = Diagram(boxes, arrows)
    assert Reader(diagram).arrows() == set(arrows)
