"""Where the boxes and the lines of a diagram stand in a picture.

Boxes and bends stand in the layers and columns of the drawing for the terminal; what are its
characters are units of a fixed size here, so that text fits its box in any fixed-width font.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from penstock.core.render.canvas import width_of
from penstock.core.render.columns import placed
from penstock.core.render.diagram import Diagram
from penstock.core.render.layers import Line, Node, layered

COLUMN: Final = 8.0
"""Width of a character, with some room: letters of a font at 13 pixels take up to 7.9."""
ROW: Final = 19.0
PADDING: Final = 9.0
GAP: Final = 56.0
"""Between two layers: the room in which lines bend."""
STEM: Final = 14.0
"""What a line goes straight before it bends, so that there is room for words beside it."""
LANE: Final = 16.0
"""Between two ways back, beside the boxes."""
CORNER: Final = 8.0
TURN: Final = 14.0
"""How far above or below a box a way back turns."""


class Room(NamedTuple):
    """What a box has to hold at least: columns, and rows below its lines."""

    columns: int = 0
    rows: int = 0


class PlacedBox(NamedTuple):
    """The place of a box, whose index is that in the diagram."""

    left: float
    top: float
    width: float
    height: float


class PlacedLine(NamedTuple):
    """A piece of a line, as the path of an SVG; ``source`` and ``target`` are indexes of boxes.

    ``target`` is None for a piece that goes on to others; ``tip`` is where an arrow points down.
    """

    path: str
    source: int
    target: int | None
    tip: tuple[float, float] | None
    kind: str


class Layout(NamedTuple):
    """A diagram with its places; nothing stands left of or above 0."""

    boxes: tuple[PlacedBox, ...]
    lines: tuple[PlacedLine, ...]
    width: float
    height: float


def laid_out(diagram: Diagram, room: Room | None = None) -> Layout:
    """The places of everything. Raises ValueError for a graph with a circle."""
    return _Placing(diagram, room or Room()).layout()


class _Placing:
    def __init__(self, diagram: Diagram, room: Room) -> None:
        self._diagram = diagram
        self._room = room
        self._layers = layered(diagram)
        nodes = [node for row in self._layers for node in row]
        columns = {id(node): self._columns(node) for node in nodes}
        left = placed(self._layers, columns)
        self._left = {id(node): left[id(node)] * COLUMN for node in nodes}
        self._width = {id(node): columns[id(node)] * COLUMN for node in nodes}
        self._sources = _sources(self._layers)
        self._right = max((left[key] + columns[key] for key in left), default=0) * COLUMN
        self._tops: list[float] = []
        self._bottoms: list[float] = []
        top = 0.0
        for row in self._layers:
            self._tops.append(top)
            self._bottoms.append(top + max(map(self._height, row)))
            top = self._bottoms[-1] + GAP

    def layout(self) -> Layout:
        nodes = {node.box: node for row in self._layers for node in row if node.box is not None}
        boxes = [self._box(nodes[index]) for index in range(len(nodes))]
        lines: list[PlacedLine] = []
        for upper, lower in zip(self._layers, [*self._layers[1:], []], strict=True):
            lines += self._lines(upper, lower)
        lines += self._ways_back(boxes)
        width, height = self._right, self._bottoms[-1] if boxes else 0.0
        if back := self._diagram.back:
            width += LANE * (len(back) + 1)
            height = max(height, *(_bottom(boxes[arrow.source]) + TURN for arrow in back))
        return Layout(tuple(boxes), tuple(lines), width, height)

    def _columns(self, node: Node) -> int:
        if node.box is None:
            return 1
        text = max(width_of(line.text) for line in self._diagram.boxes[node.box])
        return max(text + 4, self._room.columns)

    def _height(self, node: Node) -> float:
        if node.box is None:
            return 0.0
        return (len(self._diagram.boxes[node.box]) + self._room.rows) * ROW + PADDING

    def _box(self, node: Node) -> PlacedBox:
        key = id(node)
        return PlacedBox(
            self._left[key], self._tops[node.layer], self._width[key], self._height(node)
        )

    def _lines(self, upper: Sequence[Node], lower: Sequence[Node]) -> Iterator[PlacedLine]:
        lines = sorted((line for node in upper for line in node.lines), key=self._start)
        arrivals = self._arrivals(lines, lower)
        for line in lines:
            for target in line.targets:
                yield self._line(line, target, arrivals[id(line), id(target)])

    def _line(self, line: Line, target: Node, end: float) -> PlacedLine:
        """From under a box straight down past its layer's end, then in a bend to the next layer."""
        node = line.source
        start = self._start(line)
        top = self._tops[node.layer] + self._height(node)
        bottom, arrival = self._bottoms[node.layer] + STEM, self._tops[target.layer]
        middle = (bottom + arrival) / 2
        bend = f"C {start:g} {middle:g} {end:g} {middle:g} {end:g} {arrival:g}"
        return PlacedLine(
            f"M {start:g} {top:g} V {bottom:g} {bend}",
            self._sources[id(node)],
            target.box,
            None if target.box is None else (end, arrival),
            "gate" if line.dashed else "line",
        )

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

    def _ways_back(self, boxes: Sequence[PlacedBox]) -> Iterator[PlacedLine]:
        """From the lower right of a box, up in a lane beside all boxes, down into its turn."""
        for number, arrow in enumerate(self._diagram.back, 1):
            source, target = boxes[arrow.source], boxes[arrow.target]
            lane = self._right + number * LANE
            start = source.left + source.width - 3 * COLUMN
            end = target.left + target.width - 2 * COLUMN
            low, high = _bottom(source), target.top
            path = (
                f"M {start:g} {low:g} v {TURN - CORNER:g} q 0 {CORNER:g} {CORNER:g} {CORNER:g} "
                f"H {lane - CORNER:g} q {CORNER:g} 0 {CORNER:g} {-CORNER:g} "
                f"V {high - TURN + CORNER:g} q 0 {-CORNER:g} {-CORNER:g} {-CORNER:g} "
                f"H {end + CORNER:g} q {-CORNER:g} 0 {-CORNER:g} {CORNER:g} V {high:g}"
            )
            yield PlacedLine(path, arrow.source, arrow.target, (end, high), "back")


def _bottom(box: PlacedBox) -> float:
    return box.top + box.height


def _sources(layers: Sequence[Sequence[Node]]) -> dict[int, int]:
    """The box from which a node's lines come, by ``id``: itself, or the one before its bends."""
    sources: dict[int, int] = {}
    for row in layers:
        for node in row:
            if node.box is not None:
                sources[id(node)] = node.box
            for line in node.lines:
                for target in line.targets:
                    if target.box is None:
                        sources[id(target)] = sources[id(node)]
    return sources
