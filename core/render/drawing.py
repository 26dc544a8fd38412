"""Draws a diagram from top to bottom: boxes in layers, lines in right angles between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from penstock.core.render.canvas import Canvas, Cell, width_of
from penstock.core.render.columns import placed
from penstock.core.render.diagram import Diagram, Tone
from penstock.core.render.diagram import Line as TextLine
from penstock.core.render.layers import Line, Node, layered

PORT_GAP: Final = 2
"""Columns between two lines that arrive at one box."""


def drawn(diagram: Diagram) -> list[list[Cell]]:
    """The drawing, row by row. Raises ValueError for a graph with a circle."""
    return _Drawing(diagram).draw()


@dataclass(slots=True)
class _Route:
    """A line between two layers: where it leaves, and where it arrives, by columns."""

    line: Line
    start: int
    ends: list[int]
    track: int = -1

    @property
    def span(self) -> tuple[int, int]:
        return min(self.start, *self.ends), max(self.start, *self.ends)

    @property
    def straight(self) -> bool:
        return self.ends == [self.start]


class _Drawing:
    def __init__(self, diagram: Diagram) -> None:
        self._diagram = diagram
        self._layers = layered(diagram)
        nodes = [node for row in self._layers for node in row]
        self._widths = {id(node): self._width(node) for node in nodes}
        self._left = placed(self._layers, self._widths)
        self._canvas = Canvas()

    def draw(self) -> list[list[Cell]]:
        top = 0
        for index, row in enumerate(self._layers):
            height = max(self._height(node) for node in row)
            for node in row:
                self._draw_node(node, top, height)
            top += height
            if index + 1 < len(self._layers):
                top += self._draw_routes(row, self._layers[index + 1], top)
        return self._canvas.rows()

    def _text(self, node: Node) -> Sequence[TextLine]:
        return () if node.box is None else self._diagram.boxes[node.box]

    def _width(self, node: Node) -> int:
        if node.box is None:
            return 1
        incoming = sum(arrow.target == node.box for arrow in self._diagram.arrows)
        text = max(width_of(line.text) for line in self._text(node))
        # Odd, so that there is a middle.
        return (max(text, PORT_GAP * (incoming - 1) + 1, 3) + 4) | 1

    def _height(self, node: Node) -> int:
        return 1 if node.box is None else len(self._text(node)) + 2

    def _start(self, line: Line) -> int:
        """The column where a line leaves its node; a dashed one stands beside a solid one."""
        node = line.source
        middle = self._left[id(node)] + self._widths[id(node)] // 2
        return middle + PORT_GAP if line.dashed and len(node.lines) > 1 else middle

    def _draw_node(self, node: Node, top: int, height: int) -> None:
        left, width = self._left[id(node)], self._widths[id(node)]
        canvas = self._canvas
        if node.box is None:
            # Drawn as a piece of the line that leaves it, so that the two are one stroke.
            key = id(node.lines[0]) if node.lines else id(node)
            canvas.vertical(key, left, top - 1, top + height, node.dashed)
            return
        bottom = top + self._height(node) - 1
        canvas.text(top, left, f"╭{'─' * (width - 2)}╮", "plain")
        for row, said in enumerate(self._text(node), top + 1):
            canvas.text(row, left, "│", "plain")
            canvas.text(row, left + 2, said.text, said.tone)
            canvas.text(row, left + width - 1, "│", "plain")
        canvas.text(bottom, left, f"╰{'─' * (width - 2)}╯", "plain")
        for line in node.lines:
            column = self._start(line)
            canvas.text(bottom, column, "┬", "plain")
            if bottom + 1 < top + height:
                canvas.vertical(id(line), column, bottom, top + height, line.dashed)

    def _draw_routes(self, upper: Sequence[Node], lower: Sequence[Node], top: int) -> int:
        """Draw what lies between two layers, from row ``top`` on; how many rows it takes."""
        routes = self._routes(upper, lower)
        tracks = _assign_tracks(routes)
        bottom = top + tracks
        for route in routes:
            key, dashed = id(route.line), route.line.dashed
            row = bottom if route.straight else top + route.track
            self._canvas.vertical(key, route.start, top - 1, row, dashed)
            self._canvas.horizontal(key, row, *route.span, dashed)
            for end in route.ends:
                self._canvas.vertical(key, end, row, bottom + 1, dashed)
            for end, target in zip(route.ends, route.line.targets, strict=True):
                if target.box is not None:
                    tone: Tone = "trigger" if dashed else "plain"
                    self._canvas.text(bottom, end, "▽" if dashed else "▼", tone)
        return tracks + 1

    def _routes(self, upper: Sequence[Node], lower: Sequence[Node]) -> list[_Route]:
        lines = [line for node in upper for line in node.lines]
        routes = {id(line): _Route(line, self._start(line), []) for line in lines}
        starts = {route.start: key for key, route in routes.items()}
        arrivals: dict[tuple[int, int], int] = {}
        for node in lower:
            arriving = sorted(
                (line for line in lines if any(target is node for target in line.targets)),
                key=self._start,
            )
            taken: set[int] = set()
            columns = self._arrivals(node, [self._start(line) for line in arriving])
            for line, wanted in zip(arriving, columns, strict=True):
                column = _beside_others(wanted, id(line), starts, taken)
                taken.add(column)
                arrivals[id(line), id(node)] = column
                if node.box is None:
                    self._left[id(node)] = column
        for line in lines:
            ends = [arrivals[id(line), id(target)] for target in line.targets]
            routes[id(line)].ends = ends
        return list(routes.values())

    def _arrivals(self, node: Node, starts: Sequence[int]) -> list[int]:
        """Where lines arrive at the top of a node: straight below their starts where they can."""
        left, width = self._left[id(node)], self._widths[id(node)]
        if node.box is None:
            return [left] * len(starts)
        if len(starts) == 1 and not left + 1 < starts[0] < left + width - 2:
            return [left + width // 2]
        columns: list[int] = []
        for place, start in enumerate(starts):
            least = columns[-1] + PORT_GAP if columns else left + 2
            most = left + width - 3 - PORT_GAP * (len(starts) - 1 - place)
            columns.append(max(least, min(start, most)))
        return columns


def _beside_others(wanted: int, line: int, starts: Mapping[int, int], taken: set[int]) -> int:
    """A column under which no other line leaves, so that two lines never lie on each other."""
    for column in (wanted, wanted + 1, wanted - 1):
        if column not in taken and starts.get(column) in (None, line):
            return column
    return wanted


def _assign_tracks(routes: Sequence[_Route]) -> int:
    """Give each bent line a row of its own where it would touch others; how many rows there are.

    Of two lines that one turns first which crosses the other less often for it.
    """
    bent = [route for route in routes if not route.straight]
    above = {id(r): [o for o in bent if o is not r and _first(o, r)] for r in bent}
    waiting = sorted(bent, key=lambda route: (route.span[1] - route.span[0], route.start))
    taken: list[list[tuple[int, int]]] = []
    while waiting:
        free = (r for r in waiting if all(other.track >= 0 for other in above[id(r)]))
        route = next(free, waiting[0])
        waiting.remove(route)
        low, high = route.span
        track = max((other.track for other in above[id(route)]), default=-1) + 1
        while track < len(taken) and any(a <= high + 1 and low - 1 <= b for a, b in taken[track]):
            track += 1
        while track >= len(taken):
            taken.append([])
        taken[track].append((low, high))
        route.track = track
    return len(taken)


def _first(upper: _Route, lower: _Route) -> bool:
    """Whether ``upper`` should turn above ``lower``."""
    if upper.start in lower.ends or lower.start in upper.ends:
        return upper.start in lower.ends
    return _crossings(upper, lower) < _crossings(lower, upper)


def _crossings(upper: _Route, lower: _Route) -> int:
    """How often two lines cross when ``upper`` turns above ``lower``."""
    (low, high), (least, most) = upper.span, lower.span
    coming = low < lower.start < high
    return coming + sum(least < end < most for end in upper.ends)
