"""Waiting until everything that is wanted serves, or is known not to come to serve."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from typing import Final, NamedTuple, TypeAlias

from penstock.core.control.standing import settled, shortfall
from penstock.core.control.store import ResourceKey, ResourceStore
from penstock.core.errors import OverloadedError
from penstock.core.resources import Status

SERVED_KINDS: Final = ("Model", "Pipeline", "Server", "Experiment")
"""The kinds whose resources come to serve."""


class Shortfall(NamedTuple):
    """A resource whose wanted version does not serve, and why: a sentence."""

    key: ResourceKey
    why: str

    def __str__(self) -> str:
        return f"{self.key} is not ready: {self.why}"


Done: TypeAlias = Callable[[Status], bool]
"""Whether a resource with that status is waited for no more."""


async def wait_settled(
    store: ResourceStore, timeout_s: float, *, at_rest: Callable[[], Awaitable[None]]
) -> list[Shortfall]:
    """Return when nothing more is to come without anybody's doing, or the time is over.

    ``at_rest`` returns when what has happened is in the statuses. Comes back with what does not
    serve then, in the order of kind and name.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            await _wait(store, at_rest, settled)
    return shortfalls(store)


async def wait_serving(
    store: ResourceStore, timeout_s: float, *, at_rest: Callable[[], Awaitable[None]]
) -> None:
    """Return when something is wanted, and all of that serves, or the time is over."""
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            async with aclosing(store.follow(None, 0)) as changes:
                await anext(changes)
            await _wait(store, at_rest, lambda status: shortfall(status) is None)


async def wait_for(
    store: ResourceStore,
    key: ResourceKey,
    timeout_s: float,
    *,
    at_rest: Callable[[], Awaitable[None]],
) -> str | None:
    """Return when nothing more is to come for one resource, or the time is over; why it does not
    serve then, None when it does."""
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            await at_rest()
            while (resource := store.get(key)) is not None and not settled(resource.status):
                await _next_change(store, key)
                await at_rest()
    resource = store.get(key)
    return "it was deleted" if resource is None else shortfall(resource.status)


async def _next_change(store: ResourceStore, key: ResourceKey) -> None:
    """Return when the resource has changed, or when changes came too fast to follow."""
    with suppress(OverloadedError):
        async with aclosing(store.follow(key.kind, store.revision)) as changes:
            async for change in changes:
                if change.key == key:
                    return


async def _wait(store: ResourceStore, at_rest: Callable[[], Awaitable[None]], done: Done) -> None:
    await at_rest()
    while _waiting(store, done):
        await _followed(store, done)
        await at_rest()


def shortfalls(store: ResourceStore) -> list[Shortfall]:
    """What does not serve as it is wanted, in the order of kind and name."""
    found = []
    for kind in SERVED_KINDS:
        for resource in store.in_order(kind):
            why = shortfall(resource.status)
            if why is not None:
                found.append(Shortfall(ResourceKey(kind, resource.name), why))
    return found


def _waiting(store: ResourceStore, done: Done) -> set[ResourceKey]:
    return {
        ResourceKey(kind, resource.name)
        for kind in SERVED_KINDS
        for resource in store.by_name(kind).values()
        if not done(resource.status)
    }


async def _followed(store: ResourceStore, done: Done) -> None:
    """Return when nothing seems to be waited for, or when changes came too fast to follow."""
    waiting = _waiting(store, done)
    try:
        async with aclosing(store.follow(None, store.revision)) as changes:
            async for change in changes:
                if change.action == "deleted" or done(change.resource.status):
                    waiting.discard(change.key)
                elif change.key.kind in SERVED_KINDS:
                    waiting.add(change.key)
                if not waiting:
                    return
    except OverloadedError:
        return
