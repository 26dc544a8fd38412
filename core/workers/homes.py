"""Which worker a request has to be in: what keeps state or an order has one place for each key."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, Literal, TypeAlias
from zlib import crc32

from penstock.core.plan import Plan

Spread: TypeAlias = Literal["anywhere", "by key", "in one place"]
"""Where requests of a pipeline may be: in any worker, in the one that their key says, or all in the
same."""

FIRST: Final = 1
"""The number of the worker in which all is that has to be in one place."""

_WIDER: Final[tuple[Spread, ...]] = ("anywhere", "by key", "in one place")


class Homes:
    """The homes of the requests of all pipelines, over ``workers`` with the numbers from 1 on.

    A home never moves: the keys of a worker that has ended wait until it is started again, so that
    there are never two homes of one key.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._spreads: Mapping[str, Spread] = {}

    def update(self, plans: Iterable[Plan]) -> None:
        """These pipelines are served from now on."""
        self._spreads = spreads_of(list(plans))

    def of(self, pipeline: str, key: Callable[[], bytes]) -> int | None:
        """The number of the worker that a request has to be in, None where that is any.

        ``key`` says what the key of the request is, empty where that is its identity; its errors
        come through.
        """
        spread = self._spreads.get(pipeline, "anywhere")
        if spread == "anywhere":
            return None
        if spread == "in one place":
            return FIRST
        found = key()
        return FIRST + crc32(found) % self._workers if found else None


def spreads_of(plans: list[Plan]) -> dict[str, Spread]:
    """How the requests of each pipeline may be spread.

    Pipelines that read each other, or that are steps of each other, are one group, as what one has
    brings requests to the others in its own process. A group of several is spread by key only
    where all have one and match by it.
    """
    groups = _groups(plans)
    spreads: dict[str, Spread] = {}
    for group in groups:
        own = max((_spread_of(plan) for plan in group), key=_WIDER.index)
        if own == "by key" and len(group) > 1 and not all(map(_matches_by_key, group)):
            own = "in one place"
        spreads |= dict.fromkeys((plan.name for plan in group), own)
    return spreads


def _spread_of(plan: Plan) -> Spread:
    """How a pipeline may be spread that has to do with no other."""
    ordered = plan.order is not None
    by_key = all(join.by_key for join in plan.kept_joins) and (
        plan.order is None or plan.order.by_key
    )
    if not by_key:
        return "in one place"
    matches = plan.entrance is not None and plan.entrance.by_key
    return "by key" if ordered or plan.keeping or matches else "anywhere"


def _matches_by_key(plan: Plan) -> bool:
    """Whether what it reads comes to it by its own key; a pipeline that is a step has another."""
    read_by_key = plan.entrance is None or plan.entrance.by_key
    return plan.key is not None and read_by_key and not plan.pipelines


def _groups(plans: list[Plan]) -> Iterable[list[Plan]]:
    """The pipelines that have to do with each other."""
    group_of: dict[str, list[Plan]] = {plan.name: [plan] for plan in plans}
    for plan in plans:
        for other in (*plan.sources, *plan.pipelines):
            mine, its = group_of[plan.name], group_of.get(other)
            if its is not None and its is not mine:
                mine += its
                group_of.update(dict.fromkeys((each.name for each in its), mine))
    return {id(group): group for group in group_of.values()}.values()
