"""What is drawn: boxes with text, and arrows between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

Tone: TypeAlias = Literal["plain", "end", "title", "note", "trigger", "type"]
"""What a piece of the drawing is, for whoever chooses colours."""


class Line(NamedTuple):
    """One line of a box."""

    text: str
    tone: Tone = "note"


class Arrow(NamedTuple):
    """From one box to another, by their indexes. Dashed ones show what only gates."""

    source: int
    target: int
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Diagram:
    """A directed graph without circles. Boxes of one row stay about in the order given here.

    ``back`` are arrows that close circles: pictures draw them beside everything else, drawings for
    the terminal leave them to the text of the boxes.
    """

    boxes: tuple[tuple[Line, ...], ...]
    arrows: tuple[Arrow, ...]
    back: tuple[Arrow, ...] = ()
