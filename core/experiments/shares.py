"""The shares of an experiment, multiplied out over those that it leads to: one table, for who sends
requests on without asking each experiment on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple, TypeAlias

from penstock.core.contracts.gateway import TargetKind
from penstock.core.experiments.trails import written_trail
from penstock.core.resources import Experiment

DEEPEST: Final = 16
"""So many experiments may lead to each other; more are as if they were not there."""


class Choice(NamedTuple):
    """A choice on a way: which version of which experiment has chosen which candidate."""

    experiment: str
    version: int
    arm: str


class Leaf(NamedTuple):
    """What requests may come to: a model or a pipeline, its part of all, and the way there."""

    kind: TargetKind
    name: str
    part: float
    way: tuple[Choice, ...]

    @property
    def trail(self) -> str:
        """The way as callers are told it."""
        return written_trail((choice.experiment, choice.arm) for choice in self.way)


class InForce(NamedTuple):
    """An experiment that splits requests: its version, and the weights that it does so by."""

    manifest: Experiment
    version: int
    weights: Sequence[float]


Find: TypeAlias = Callable[[str], InForce | None]
"""Gives an experiment by name, None where none of that name splits requests."""


def leaves_of(name: str, find: Find) -> tuple[Leaf, ...]:
    """All that requests to an experiment may come to, their parts adding up to 1.

    Candidates without weight are left out, and so is all that leads nowhere; () where nothing is
    left.
    """
    found = list(_leaves(name, 1.0, (), find))
    whole = sum(leaf.part for leaf in found)
    return tuple(leaf._replace(part=leaf.part / whole) for leaf in found)


def _leaves(name: str, part: float, way: tuple[Choice, ...], find: Find) -> Iterator[Leaf]:
    experiment = find(name)
    if experiment is None or len(way) == DEEPEST:
        return
    spec = experiment.manifest.spec
    whole = sum(experiment.weights)
    for candidate, weight in zip(spec.candidates, experiment.weights, strict=True):
        if weight <= 0.0:
            continue
        share = part * weight / whole
        taken = (*way, Choice(name, experiment.version, candidate.name))
        if spec.resource_type == "experiment":
            yield from _leaves(candidate.name, share, taken, find)
        else:
            yield Leaf(spec.resource_type, candidate.name, share, taken)
