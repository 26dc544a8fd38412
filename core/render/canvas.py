"""A grid of characters on which lines meet properly."""

from __future__ import annotations

from typing import Final, NamedTuple

from rich.cells import cell_len

from penstock.core.render.diagram import Tone

UP: Final = 1
RIGHT: Final = 2
DOWN: Final = 4
LEFT: Final = 8

_SOLID: Final = " ╵╶╰╷│╭├╴╯─┴╮┤┬┼"
_DASHED: Final = {UP: "╎", DOWN: "╎", UP | DOWN: "╎", LEFT: "╌", RIGHT: "╌", LEFT | RIGHT: "╌"}


def printable(text: str) -> str:
    """The text, with a mark for each character that would do something to a terminal."""
    return "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text
    )


def width_of(text: str) -> int:
    """How many columns of a terminal the text takes: letters take one, two or none."""
    return sum(map(cell_len, printable(text)))


class Cell(NamedTuple):
    """What stands in one column, and what it is part of; empty beside a letter of two columns."""

    text: str
    tone: Tone


class _Stroke(NamedTuple):
    """What one line does in one cell: the directions in which it goes on."""

    line: int
    ways: int
    dashed: bool


class Canvas:
    """Lines and text by row and column, both from 0; it grows as it is drawn on."""

    def __init__(self) -> None:
        self._strokes: dict[tuple[int, int], list[_Stroke]] = {}
        self._text: dict[tuple[int, int], Cell] = {}

    def text(self, row: int, column: int, text: str, tone: Tone) -> None:
        """Write over whatever is there, over as many columns as :func:`width_of` says."""
        for letter in printable(text):
            width = cell_len(letter)
            if width == 0 and (row, column - 1) in self._text:
                before = self._text[row, column - 1]
                self._text[row, column - 1] = Cell(before.text + letter, before.tone)
            for offset in range(width):
                self._text[row, column + offset] = Cell("" if offset else letter, tone)
            column += width

    def vertical(self, line: int, column: int, top: int, bottom: int, dashed: bool) -> None:
        """A piece of the line from the middle of row ``top`` to that of row ``bottom``."""
        for row in range(top, bottom + 1):
            ways = (UP if row > top else 0) | (DOWN if row < bottom else 0)
            self._add(line, row, column, ways, dashed)

    def horizontal(self, line: int, row: int, left: int, right: int, dashed: bool) -> None:
        """A piece of the line from the middle of column ``left`` to that of ``right``."""
        for column in range(left, right + 1):
            ways = (LEFT if column > left else 0) | (RIGHT if column < right else 0)
            self._add(line, row, column, ways, dashed)

    def rows(self) -> list[list[Cell]]:
        """The drawing, without blanks at the end of a row."""
        places = [*self._strokes, *self._text]
        height = max((row for row, _ in places), default=-1) + 1
        ends = [-1] * height
        for row, column in places:
            ends[row] = max(ends[row], column)
        return [[self._cell(row, c) for c in range(ends[row] + 1)] for row in range(height)]

    def _add(self, line: int, row: int, column: int, ways: int, dashed: bool) -> None:
        strokes = self._strokes.setdefault((row, column), [])
        for index, stroke in enumerate(strokes):
            if stroke.line == line:
                strokes[index] = _Stroke(line, stroke.ways | ways, dashed)
                return
        strokes.append(_Stroke(line, ways, dashed))

    def _cell(self, row: int, column: int) -> Cell:
        written = self._text.get((row, column))
        if written is not None:
            return written
        strokes = self._strokes.get((row, column))
        if not strokes:
            return Cell(" ", "plain")
        # Of two lines that cross, the upright one goes over the other.
        stroke = max(strokes, key=lambda each: (each.ways & (UP | DOWN)).bit_count())
        if stroke.dashed and stroke.ways in _DASHED:
            return Cell(_DASHED[stroke.ways], "trigger")
        return Cell(_SOLID[stroke.ways], "trigger" if stroke.dashed else "plain")
