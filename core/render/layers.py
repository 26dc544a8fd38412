"""Layers of a directed graph: who stands in which row, and in which order.

The method of Sugiyama, Tagawa and Toda (1981): the longest way from a beginning decides the layer,
an arrow over several layers gets a bend in each of them, and the order within a layer follows the
mean position of the neighbours, in sweeps down and up, of which the best is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from penstock.core.render.diagram import Arrow, Diagram

SWEEPS: Final = 12


@dataclass(slots=True, eq=False)
class Node:
    """A box (``box`` is its index), or a bend of a line that passes its layer."""

    layer: int
    box: int | None
    dashed: bool = False
    lines: list[Line] = field(default_factory=list)
    """The lines that leave it downwards: at most a solid one and a dashed one."""


@dataclass(slots=True, eq=False)
class Line:
    """What leaves a node downwards, and where it arrives one layer below."""

    source: Node
    dashed: bool
    targets: list[Node] = field(default_factory=list)


def layered(diagram: Diagram) -> list[list[Node]]:
    """The nodes of each layer, from left to right."""
    rows = _rows(diagram)
    layers: list[list[Node]] = [[] for _ in range(max(rows, default=-1) + 1)]
    nodes = [Node(row, index) for index, row in enumerate(rows)]
    for node in nodes:
        layers[node.layer].append(node)
    for arrow in _shortest_first(diagram.arrows, rows):
        at = nodes[arrow.source]
        target = nodes[arrow.target]
        while at.layer + 1 < target.layer:
            at = _bend_below(at, arrow.dashed, layers)
        _line(at, arrow.dashed).targets.append(target)
    return _untangled(layers)


def _rows(diagram: Diagram) -> list[int]:
    """The layer of each box: one below the lowest that points at it."""
    rows = [0] * len(diagram.boxes)
    for _ in range(len(rows) + 1):
        before = list(rows)
        for arrow in diagram.arrows:
            rows[arrow.target] = max(rows[arrow.target], rows[arrow.source] + 1)
        if rows == before:
            return rows
    raise ValueError("the graph has a circle")


def _shortest_first(arrows: Sequence[Arrow], rows: Sequence[int]) -> list[Arrow]:
    return sorted(arrows, key=lambda arrow: rows[arrow.target] - rows[arrow.source])


def _line(node: Node, dashed: bool) -> Line:
    for line in node.lines:
        if line.dashed == dashed:
            return line
    line = Line(node, dashed)
    node.lines.append(line)
    return line


def _bend_below(node: Node, dashed: bool, layers: list[list[Node]]) -> Node:
    """The bend of the node's line in the next layer; lines of one box share their bends."""
    line = _line(node, dashed)
    for target in line.targets:
        if target.box is None:
            return target
    bend = Node(node.layer + 1, None, dashed)
    layers[bend.layer].append(bend)
    line.targets.append(bend)
    return bend


def _untangled(layers: list[list[Node]]) -> list[list[Node]]:
    best, fewest = layers, _crossings(layers)
    below = {id(n): [t for line in n.lines for t in line.targets] for row in layers for n in row}
    above: dict[int, list[Node]] = {id(node): [] for row in layers for node in row}
    for row in layers:
        for node in row:
            for target in below[id(node)]:
                above[id(target)].append(node)
    for sweep in range(SWEEPS):
        if fewest == 0:
            break
        neighbours = above if sweep % 2 == 0 else below
        layers = [list(row) for row in layers]
        rows = range(1, len(layers)) if sweep % 2 == 0 else range(len(layers) - 2, -1, -1)
        for index in rows:
            fixed = layers[index - 1 if sweep % 2 == 0 else index + 1]
            _sort_by_neighbours(layers[index], fixed, neighbours)
        crossings = _crossings(layers)
        if crossings < fewest:
            best, fewest = layers, crossings
    return best


def _sort_by_neighbours(
    row: list[Node], fixed: list[Node], neighbours: dict[int, list[Node]]
) -> None:
    places = {id(node): place for place, node in enumerate(fixed)}
    scale = len(fixed) / max(len(row), 1)

    def mean(item: tuple[int, Node]) -> float:
        found = [places[id(n)] for n in neighbours[id(item[1])] if id(n) in places]
        return sum(found) / len(found) if found else item[0] * scale

    row[:] = [node for _, node in sorted(enumerate(row), key=mean)]


def _crossings(layers: list[list[Node]]) -> int:
    total = 0
    for upper, lower in pairwise(layers):
        places = {id(node): place for place, node in enumerate(lower)}
        ends = [
            (start, places[id(target)])
            for start, node in enumerate(upper)
            for line in node.lines
            for target in line.targets
        ]
        total += sum(
            (a[0] - b[0]) * (a[1] - b[1]) < 0 for i, a in enumerate(ends) for b in ends[:i]
        )
    return total
