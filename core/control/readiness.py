"""Waiting until everything that is wanted serves, or is known not to come to serve."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Final, NamedTuple

from penstock.core.control.standing import settled, shortfall
from penstock.core.control.store import ResourceKey, ResourceStore
from penstock.core.errors import OverloadedError

SERVED_KINDS: Final = ("Model", "Pipeline", "Server")
"""The kinds whose resources come to serve."""


class Shortfall(NamedTuple):
    """A resource whose wanted version does not serve, and why: a sentence."""

    key: ResourceKey
    why: str

    def __str__(self) -> str:
        return f"{self.key} is not ready: {self.why}"


async def wait_settled(
    store: ResourceStore, timeout_s: float, *, at_rest: Callable[[], Awaitable[None]]
) -> list[Shortfall]:
    """Return when nothing more is to come without anybody's doing, or the time is over.

    ``at_rest`` returns when what has happened is in the statuses. Comes back with what does not
    serve then, in the order of kind and name.
    """
    try:
        async with asyncio.timeout(timeout_s):
            await at_rest()
            while _unsettled(store):
                await _followed(store)
                await at_rest()
    except TimeoutError:
        pass
    return shortfalls(store)


def shortfalls(store: ResourceStore) -> list[Shortfall]:
    """What does not serve as it is wanted, in the order of kind and name."""
    found = []
    for kind in SERVED_KINDS:
        for resource in store.in_order(kind):
            why = shortfall(resource.status)
            if why is not None:
                found.append(Shortfall(ResourceKey(kind, resource.name), why))
    return found


def _unsettled(store: ResourceStore) -> set[ResourceKey]:
    return {
        ResourceKey(kind, resource.name)
        for kind in SERVED_KINDS
        for resource in store.by_name(kind).values()
        if not settled(resource.status)
    }


async def _followed(store: ResourceStore) -> None:
    """Return when all seems settled, or when changes came too fast to follow."""
    waiting = _unsettled(store)
    try:
        async with aclosing(store.follow(None, store.revision)) as changes:
            async for change in changes:
                if change.action == "deleted" or settled(change.resource.status):
                    waiting.discard(change.key)
                elif change.key.kind in SERVED_KINDS:
                    waiting.add(change.key)
                if not waiting:
                    return
    except OverloadedError:
        return
