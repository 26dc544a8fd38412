"""Revisions and watching."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from penstock.core.control.store import ResourceKey, ResourceStore, StoredChange
from penstock.core.errors import OverloadedError
from penstock.core.resources import Model, Origin, Pipeline, create

PATIENCE_S = 10.0


def put(store: ResourceStore, name: str) -> int:
    manifest = Model.model_validate({"metadata": {"name": name}, "spec": {"python": "m:A"}})
    return store.put(create(manifest, Origin("test"), revision=0, now_ms=0.0)).status.revision


def put_pipeline(store: ResourceStore, name: str) -> None:
    manifest = Pipeline.model_validate(
        {"metadata": {"name": name}, "spec": {"steps": [{"name": "a"}]}}
    )
    store.put(create(manifest, Origin("test"), revision=0, now_ms=0.0))


def seen(change: StoredChange) -> tuple[int, str, str]:
    return change.resource.status.revision, change.action, change.resource.name


async def take(changes: AsyncIterator[StoredChange], count: int) -> list[tuple[int, str, str]]:
    async with asyncio.timeout(PATIENCE_S):
        return [seen(await anext(changes)) for _ in range(count)]


async def nothing_yet(changes: AsyncIterator[StoredChange]) -> asyncio.Task[Any]:
    """Begin to wait for the next change, and make sure that there is none."""
    task = asyncio.ensure_future(anext(changes))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not task.done()
    return task


def test_every_change_takes_the_next_revision() -> None:
    store = ResourceStore()
    assert [put(store, "a"), put(store, "b"), put(store, "a")] == [1, 2, 3]
    assert store.remove(ResourceKey("Model", "b")).status.revision == 4
    assert store.revision == 4


def test_a_name_that_comes_back_goes_on_counting_versions() -> None:
    store = ResourceStore()
    key = ResourceKey("Model", "a")
    assert store.next_version(key) == 1
    put(store, "a")
    store.remove(key)
    assert store.next_version(key) == 2
    assert store.next_version(ResourceKey("Pipeline", "a")) == 1


def test_a_status_that_is_the_same_is_no_change() -> None:
    store = ResourceStore()
    put(store, "a")
    resource = store.get(ResourceKey("Model", "a"))
    assert resource is not None
    store.set_status(ResourceKey("Model", "a"), resource.status)
    assert store.revision == 1


async def test_from_zero_a_watcher_gets_what_there_is_and_then_every_change() -> None:
    store = ResourceStore()
    put(store, "b")
    put(store, "a")
    changes = store.follow(None, 0)
    assert await take(changes, 2) == [(2, "put", "a"), (1, "put", "b")]
    waiting = await nothing_yet(changes)
    put(store, "c")
    store.remove(ResourceKey("Model", "a"))
    assert seen(await waiting) == (3, "put", "c")
    assert await take(changes, 1) == [(4, "deleted", "a")]


async def test_from_a_revision_a_watcher_gets_what_came_after_it() -> None:
    store = ResourceStore()
    for name in "abc":
        put(store, name)
    assert await take(store.follow(None, 1), 2) == [(2, "put", "b"), (3, "put", "c")]
    await nothing_yet(store.follow(None, 3))


@pytest.mark.parametrize("revision", [1, 99, -5])
async def test_from_a_revision_that_cannot_be_followed_it_gets_what_there_is(
    revision: int,
) -> None:
    store = ResourceStore(history=2)
    for name in "abcd":
        put(store, name)
    changes = store.follow(None, revision)
    assert [name for _, _, name in await take(changes, 4)] == ["a", "b", "c", "d"]


async def test_the_oldest_revision_that_can_be_followed() -> None:
    store = ResourceStore(history=2)
    for name in "abcd":
        put(store, name)
    assert await take(store.follow(None, 2), 2) == [(3, "put", "c"), (4, "put", "d")]


async def test_a_watcher_of_one_kind_sees_no_other() -> None:
    store = ResourceStore()
    put(store, "a")
    put_pipeline(store, "p")
    changes = store.follow("Pipeline", 0)
    assert await take(changes, 1) == [(2, "put", "p")]
    put(store, "b")
    put_pipeline(store, "q")
    assert await take(changes, 1) == [(4, "put", "q")]


async def test_a_watcher_that_is_too_slow_is_told_to_begin_again() -> None:
    store = ResourceStore(history=3)
    put(store, "a")
    changes = store.follow(None, 0)
    await take(changes, 1)
    for name in "bcde":
        put(store, name)
    with pytest.raises(OverloadedError, match="watch again from revision 0"):
        await anext(changes)


async def test_a_watcher_that_goes_away_leaves_nothing_behind() -> None:
    store = ResourceStore()
    task = await nothing_yet(store.follow(None, 0))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not store._waiting
