"""Lengths that signatures have names for: a name means one number in one signature."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple, TypeAlias

from penstock.core.port_types.arrivals import Arrival, Arrivals
from penstock.core.port_types.fit import fits
from penstock.core.port_types.reading import Reader
from penstock.core.signature import Dimension, TensorSpec

Scope: TypeAlias = str | None
"""The step whose signature has the name; None for the reader itself, whose signature wants it."""


class Edge(NamedTuple):
    """A tensor that a step wants, and what comes as it."""

    wanted: TensorSpec
    arrival: Arrival


class Disagreement(NamedTuple):
    """Two edges that give one name two lengths; they are one edge where a tensor wants both."""

    name: str
    first: Edge
    length: int
    second: Edge
    other_length: int


class Lengths:
    """The numbers that names of lengths stand for in one reader, from what comes into it.

    Only what certainly comes counts: two tensors that may never meet need not agree.
    """

    def __init__(self, reader: Reader, arrivals: Arrivals) -> None:
        self._numbers: dict[tuple[Scope, str], tuple[int, Edge]] = {}
        self.disagreements: list[Disagreement] = []
        """In the order of the wanted tensors; each name once."""
        for edge in edges_of(reader, arrivals):
            if not edge.arrival.spec.optional and fits(edge.wanted, edge.arrival.spec):
                self._take(edge)

    def filled_in(self, spec: TensorSpec) -> TensorSpec:
        """A tensor of the reader's signature, with the numbers of its names that are known."""
        shape = spec.shape
        return spec if shape is None else replace(spec, shape=tuple(map(self._number, shape)))

    def _number(self, length: Dimension) -> Dimension:
        known = self._numbers.get((None, length)) if isinstance(length, str) else None
        return length if known is None else known[0]

    def _take(self, edge: Edge) -> None:
        arrival = edge.arrival
        shapes = edge.wanted.shape or (), arrival.spec.shape or ()
        for wanted, given in zip(*shapes, strict=False):  # one may not be known
            if isinstance(wanted, str) and isinstance(given, int):
                self._learn((None, wanted), given, edge)
            if isinstance(given, str) and isinstance(wanted, int) and arrival.scope:
                self._learn((arrival.scope, given), wanted, edge)

    def _learn(self, name: tuple[Scope, str], length: int, edge: Edge) -> None:
        known, first = self._numbers.setdefault(name, (length, edge))
        if known != length and not any(each.name == name[1] for each in self.disagreements):
            self.disagreements.append(Disagreement(name[1], first, known, edge, length))


def edges_of(reader: Reader, arrivals: Arrivals) -> Iterator[Edge]:
    """Every tensor that a reader wants, with everything that comes as it."""
    for wanted in reader.signature.inputs or ():
        for arrival in arrivals.named(wanted.name):
            yield Edge(wanted, arrival)
