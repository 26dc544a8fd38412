"""A diagram as an SVG picture, light or dark as its reader likes it.

Boxes and bends stand in the layers and columns of the drawing for the terminal; what are its
characters are units of a fixed size here, so that text fits its box in any fixed-width font.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple
from xml.sax.saxutils import escape

from penstock.core.render.canvas import printable, width_of
from penstock.core.render.columns import placed
from penstock.core.render.diagram import Diagram
from penstock.core.render.layers import Line, Node, layered

COLUMN: Final = 8.0
"""Width of a character, with some room: letters of a font at 13 pixels take up to 7.9."""
ROW: Final = 19.0
PADDING: Final = 9.0
GAP: Final = 46.0
"""Between two layers: the room in which lines bend."""
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
.tip { fill: var(--edge); }
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
    def __init__(self, diagram: Diagram, top: float) -> None:
        self._diagram = diagram
        self._layers = layered(diagram)
        nodes = [node for row in self._layers for node in row]
        columns = {id(node): self._columns(node) for node in nodes}
        left = placed(self._layers, columns)
        self._left = {id(node): MARGIN + left[id(node)] * COLUMN for node in nodes}
        self._width = {id(node): columns[id(node)] * COLUMN for node in nodes}
        self.width = max((left[key] + columns[key] for key in left), default=0) * COLUMN
        self._tops: list[float] = []
        self._bottoms: list[float] = []
        for row in self._layers:
            self._tops.append(top)
            self._bottoms.append(top + max(map(self._height, row)))
            top = self._bottoms[-1] + GAP
        self.bottom = self._bottoms[-1] if self._bottoms else top

    def elements(self) -> Iterator[str]:
        for upper, lower in zip(self._layers, [*self._layers[1:], []], strict=True):
            yield from self._lines(upper, lower)
        for row in self._layers:
            for node in row:
                if node.box is not None:
                    yield from self._box(node, node.box)

    def _columns(self, node: Node) -> int:
        if node.box is None:
            return 1
        return max(width_of(line.text) for line in self._diagram.boxes[node.box]) + 4

    def _height(self, node: Node) -> float:
        return 0.0 if node.box is None else len(self._diagram.boxes[node.box]) * ROW + PADDING

    def _box(self, node: Node, box: int) -> Iterator[str]:
        left, top = self._left[id(node)], self._tops[node.layer]
        size = f'width="{self._width[id(node)]:g}" height="{self._height(node):g}"'
        yield f'<rect class="box" x="{left:g}" y="{top:g}" {size} rx="7"/>'
        for number, line in enumerate(self._diagram.boxes[box], 1):
            yield _text(left + 2 * COLUMN, top + number * ROW - 2, line.tone, line.text)

    def _lines(self, upper: Sequence[Node], lower: Sequence[Node]) -> Iterator[str]:
        lines = sorted((line for node in upper for line in node.lines), key=self._start)
        arrivals = self._arrivals(lines, lower)
        for line in lines:
            for target in line.targets:
                yield from self._line(line, target, arrivals[id(line), id(target)])

    def _line(self, line: Line, target: Node, end: float) -> Iterator[str]:
        """From under a box straight down to its layer's end, then in a bend to the next layer."""
        node = line.source
        start = self._start(line)
        top = self._tops[node.layer] + self._height(node)
        bottom, arrival = self._bottoms[node.layer], self._tops[target.layer]
        middle = (bottom + arrival) / 2
        kind = "line gate" if line.dashed else "line"
        bend = f"C {start:g} {middle:g} {end:g} {middle:g} {end:g} {arrival:g}"
        yield f'<path class="{kind}" d="M {start:g} {top:g} V {bottom:g} {bend}"/>'
        if target.box is not None:
            tip = "gate-tip" if line.dashed else "tip"
            yield f'<path class="{tip}" d="M {end:g} {arrival:g} l -4.5 -9 h 9 z"/>'

    def _start(self, line: Line) -> float:
        """Where a line leaves its node; a dashed one stands beside a solid one."""
        node = line.source
        middle = self._left[id(node)] + self._width[id(node)] / 2
        return middle + 2 * COLUMN if line.dashed and len(node.lines) > 1 else middle

    def _arrivals(
        self, lines: Sequence[Line], lower: Sequence[Node]
    ) -> Mapping[tuple[int, int], float]:
        """Where lines, from left to right, arrive at the tops of the nodes below."""
        places: dict[tuple[int, int], float] = {}
        for node in lower:
            arriving = [line for line in lines if any(each is node for each in line.targets)]
            share = self._width[id(node)] / (len(arriving) + 1)
            for number, line in enumerate(arriving, 1):
                places[id(line), id(node)] = self._left[id(node)] + number * share
        return places


def _text(x: float, y: float, kind: str, text: str) -> str:
    return f'<text class="{kind}" x="{x:g}" y="{y:g}">{escape(printable(text))}</text>'
