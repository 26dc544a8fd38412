"""A diagram as an SVG picture, light or dark as its reader likes it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple
from xml.sax.saxutils import escape

from penstock.core.render.canvas import printable, width_of
from penstock.core.render.diagram import Diagram
from penstock.core.render.diagram import Line as TextLine
from penstock.core.render.layout import COLUMN, ROW, PlacedBox, PlacedLine, laid_out

MARGIN: Final = 24.0
TITLE: Final = 34.0

_STYLE: Final = """\
:root { color-scheme: light dark; }
svg { --paper: #ffffff; --ink: #1f2933; --soft: #5f6b7a; --box: #f4f6f8; --edge: #8794a3;
  --end: #0b7285; --trigger: #b35c00; --type: #2b5fb8; }
@media (prefers-color-scheme: dark) {
  svg { --paper: #14181d; --ink: #e6eaee; --soft: #9aa7b4; --box: #1f262d; --edge: #6d7a88;
    --end: #4fc3d9; --trigger: #f0a04b; --type: #8ab4f8; }
}
.paper { fill: var(--paper); }
text { font: 13px ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
  fill: var(--ink); white-space: pre; }
.heading { font-size: 16px; font-weight: 600; }
.box { fill: var(--box); stroke: var(--edge); }
.line { fill: none; stroke: var(--edge); stroke-width: 1.5; }
.gate { stroke: var(--trigger); stroke-dasharray: 5 4; }
.back { stroke: var(--end); }
.tip { fill: var(--edge); }
.back-tip { fill: var(--end); }
.gate-tip { fill: var(--trigger); }
.title { font-weight: 600; }
.end { font-weight: 600; fill: var(--end); }
.note { fill: var(--soft); }
.trigger { fill: var(--trigger); }
.type { fill: var(--type); }
"""


class Picture(NamedTuple):
    """A diagram under a title."""

    title: str
    diagram: Diagram


def svg_of(pictures: Sequence[Picture]) -> str:
    """The pictures one below the other, as one document. Raises ValueError for a circle."""
    parts: list[str] = []
    width, top = 0.0, MARGIN
    for picture in pictures:
        drawing = _Drawing(picture.diagram, top + TITLE)
        heading = _text(MARGIN, top + 16, "heading", picture.title)
        parts += [heading, *drawing.elements()]
        width = max(width, drawing.width, width_of(picture.title) * COLUMN * 1.25)
        top = drawing.bottom + MARGIN
    right = width + 2 * MARGIN
    size = f'width="{right:g}" height="{top:g}" viewBox="0 0 {right:g} {top:g}"'
    name = escape(", ".join(printable(picture.title) for picture in pictures))
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
            f"<title>{name}</title>",
            f"<style>\n{_STYLE}</style>",
            '<rect class="paper" width="100%" height="100%"/>',
            *parts,
            "</svg>\n",
        ]
    )


class _Drawing:
    """A diagram on the paper, its layout moved to where it begins."""

    def __init__(self, diagram: Diagram, top: float) -> None:
        self._diagram = diagram
        self._layout = laid_out(diagram)
        self._top = top
        self.width = self._layout.width
        self.bottom = top + self._layout.height

    def elements(self) -> Iterator[str]:
        yield f'<g transform="translate({MARGIN:g} {self._top:g})">'
        for line in self._layout.lines:
            yield from _line(line)
        for lines, box in zip(self._diagram.boxes, self._layout.boxes, strict=True):
            yield from _box(lines, box)
        yield "</g>"


def _box(lines: Sequence[TextLine], box: PlacedBox) -> Iterator[str]:
    size = f'width="{box.width:g}" height="{box.height:g}"'
    yield f'<rect class="box" x="{box.left:g}" y="{box.top:g}" {size} rx="7"/>'
    for number, line in enumerate(lines, 1):
        yield _text(box.left + 2 * COLUMN, box.top + number * ROW - 2, line.tone, line.text)


def _line(line: PlacedLine) -> Iterator[str]:
    kind = "line" if line.kind == "line" else f"line {line.kind}"
    yield f'<path class="{kind}" d="{line.path}"/>'
    if line.tip is not None:
        tip = "tip" if line.kind == "line" else f"{line.kind}-tip"
        x, y = line.tip
        yield f'<path class="{tip}" d="M {x:g} {y:g} l -4.5 -9 h 9 z"/>'


def _text(x: float, y: float, kind: str, text: str) -> str:
    return f'<text class="{kind}" x="{x:g}" y="{y:g}">{escape(printable(text))}</text>'
