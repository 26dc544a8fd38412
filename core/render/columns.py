"""Which columns the boxes of a layered graph take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final

from penstock.core.render.layers import Node

GAP: Final = 3
"""Columns between two boxes."""

ROUNDS: Final = 8

BEND_WEIGHT: Final = 8.0
"""How much more a bend insists on its column than a box: long lines are to be straight."""


def placed(layers: Sequence[Sequence[Node]], widths: Mapping[int, int]) -> dict[int, int]:
    """The leftmost column of each node, by ``id``; ``widths`` likewise.

    Every node wants to stand over or under the middle of its neighbours; of each row the nearest
    arrangement without overlaps is taken, in turns from above and from below.
    """
    middles: dict[int, float] = {}
    for row in layers:
        at = 0
        for node in row:
            middles[id(node)] = at + widths[id(node)] / 2
            at += widths[id(node)] + GAP
    below = {id(n): [t for line in n.lines for t in line.targets] for row in layers for n in row}
    above: dict[int, list[Node]] = {id(node): [] for row in layers for node in row}
    for row in layers:
        for node in row:
            for target in below[id(node)]:
                above[id(target)].append(node)
    for turn in range(ROUNDS):
        neighbours = above if turn % 2 == 0 else below
        for row in layers if turn % 2 == 0 else reversed(layers):
            wanted = [
                _mean([middles[id(n)] for n in neighbours[id(node)]], middles[id(node)])
                for node in row
            ]
            sizes = [widths[id(node)] for node in row]
            weights = [BEND_WEIGHT if node.box is None else 1.0 for node in row]
            for node, middle in zip(row, arranged(wanted, sizes, weights), strict=True):
                middles[id(node)] = middle
    left = {id(n): round(middles[id(n)] - widths[id(n)] / 2) for row in layers for n in row}
    for row in layers:
        for before, node in pairwise(row):
            least = left[id(before)] + widths[id(before)] + GAP
            left[id(node)] = max(left[id(node)], least)
    start = min(left.values(), default=0)
    return {key: column - start for key, column in left.items()}


def arranged(
    wanted: Sequence[float], sizes: Sequence[int], weights: Sequence[float]
) -> list[float]:
    """Middles as near to ``wanted`` as can be, in the same order and ``GAP`` apart.

    Weighted least squares under an order, by pooling adjacent violators (Ayer et al., 1955).
    """
    offsets = [0.0]
    for first, second in pairwise(sizes):
        offsets.append(offsets[-1] + (first + second) / 2 + GAP)
    pools: list[tuple[float, float, int]] = []  # the weighted sum, the weight, how many
    for middle, offset, weight in zip(wanted, offsets, weights, strict=False):
        total, heavy, count = (middle - offset) * weight, weight, 1
        while pools and pools[-1][0] / pools[-1][1] > total / heavy:
            before = pools.pop()
            total, heavy, count = total + before[0], heavy + before[1], count + before[2]
        pools.append((total, heavy, count))
    flat = [total / heavy for total, heavy, count in pools for _ in range(count)]
    return [base + offset for base, offset in zip(flat, offsets, strict=False)]


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise
