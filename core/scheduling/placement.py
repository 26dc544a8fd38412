"""One placement: every replica judged, with the reasons, and the best that are left."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from penstock.core.contracts.placement import (
    Filter,
    ModelDemand,
    PlacementSnapshot,
    ServerSnapshot,
    Sorter,
)

DEFAULT_FILTERS: Final = ("server", "capabilities", "explainer", "memory", "draining")
DEFAULT_SORTERS: Final = ("loaded", "free-memory", "spreading", "index")

ReplicaName: TypeAlias = tuple[str, int]
"""The name of a server, and the number of its replica."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Rules:
    """What decides where models go: filters and sorters by name, in the order in which they are
    asked."""

    filters: Mapping[str, Filter]
    sorters: Mapping[str, Sorter]


class Refusal(NamedTuple):
    """Why a copy cannot go to a replica: the filter, and what follows the server's name."""

    filter: str
    reason: str


class Verdict(NamedTuple):
    """What was found of one replica.

    ``taken`` says why no further copy goes there whatever the filters say (it has one), None when
    that is not so. ``costs`` are by sorter, and empty where the replica was refused.
    """

    server: ServerSnapshot
    taken: str | None
    refusals: tuple[Refusal, ...]
    costs: Mapping[str, float]

    @property
    def fits(self) -> bool:
        """Whether a copy can go there."""
        return self.taken is None and not self.refusals

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why not, each to follow the server's name."""
        if self.taken is not None:
            return (self.taken,)
        return tuple(refusal.reason for refusal in self.refusals)


class Placement(NamedTuple):
    """Every replica with what was found of it, and those that a copy fits on, the best first."""

    verdicts: tuple[Verdict, ...]
    fitting: tuple[ReplicaName, ...]

    @property
    def why_not(self) -> str:
        """Why no other replica has a copy, as a sentence; replicas of one server said once."""
        said = (
            f"server '{verdict.server.name}' {' and '.join(verdict.reasons)}"
            for verdict in self.verdicts
            if not verdict.fits
        )
        found = "; ".join(dict.fromkeys(said))
        if not self.verdicts:
            return (
                "there is no server; start an agent of one, apply one, or enable a server adapter"
            )
        return found


def place(
    model: ModelDemand,
    snapshot: PlacementSnapshot,
    rules: Rules,
    taken: Mapping[ReplicaName, str],
) -> Placement:
    """Judge every replica for one more copy of a model. Nothing that runs is ever put out for it.

    ``taken`` are replicas that no further copy goes to, and why.
    """
    verdicts = tuple(
        _judge(model, server, snapshot, rules, taken.get((server.name, server.replica)))
        for server in snapshot.servers
    )
    fitting = sorted((verdict for verdict in verdicts if verdict.fits), key=_order)
    names = tuple((verdict.server.name, verdict.server.replica) for verdict in fitting)
    return Placement(verdicts, names)


def _order(verdict: Verdict) -> tuple[Sequence[float], str, int]:
    return tuple(verdict.costs.values()), verdict.server.name, verdict.server.replica


def _judge(
    model: ModelDemand,
    server: ServerSnapshot,
    snapshot: PlacementSnapshot,
    rules: Rules,
    taken: str | None,
) -> Verdict:
    if taken is not None:
        return Verdict(server, taken, (), {})
    refusals = tuple(
        Refusal(name, reason)
        for name, filter in rules.filters.items()
        if (reason := _refusal(name, filter, model, server, snapshot)) is not None
    )
    if refusals:
        return Verdict(server, None, refusals, {})
    costs = {
        name: _cost(name, sorter, model, server, snapshot) for name, sorter in rules.sorters.items()
    }
    return Verdict(server, None, (), costs)


def _refusal(
    name: str,
    filter: Filter,
    model: ModelDemand,
    server: ServerSnapshot,
    snapshot: PlacementSnapshot,
) -> str | None:
    try:
        return filter.refuse(model, server, snapshot)
    except Exception as error:
        _log.exception(
            "the filter '%s' failed for model '%s'", name, model.name, extra={"model": model.name}
        )
        return f"cannot be judged: the filter '{name}' raised {type(error).__name__}: {error}"


def _cost(
    name: str,
    sorter: Sorter,
    model: ModelDemand,
    server: ServerSnapshot,
    snapshot: PlacementSnapshot,
) -> float:
    try:
        cost = float(sorter.cost(model, server, snapshot))
    except Exception:
        _log.exception(
            "the sorter '%s' failed for model '%s'", name, model.name, extra={"model": model.name}
        )
        return float("inf")
    return cost if cost == cost else float("inf")  # not a number has no place in an order
