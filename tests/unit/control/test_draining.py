"""Servers that an operator empties: models move first, what fits nowhere else stays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from harness.control_plane import FakeKind, Plane, control_plane, model, server
from penstock.core.control.emptying import is_empty
from penstock.core.database import Database
from penstock.core.errors import NotFoundError
from penstock.core.fleet.drains import Drains
from penstock.core.fleet.replica import ReplicaKey


@pytest.fixture
def fakes() -> FakeKind:
    return FakeKind("fake")


@pytest.fixture
async def plane(tmp_path: Path, fakes: FakeKind) -> AsyncIterator[Plane]:
    async with control_plane(tmp_path, kinds={"fake": fakes}) as plane:
        yield plane


def asking(name: str, **spec: object) -> dict[str, object]:
    return model(name, **{"python": "m:A", "requirements": ["fake"], **spec})


def places(plane: Plane, name: str) -> set[int]:
    """The replicas of server ``s`` that hold a model."""
    state = plane.control.drained("s")
    return {
        each["replica"]
        for each in state["replicas"]
        if name in [copy["name"] for copy in each["models"]]
    }


async def emptied(plane: Plane, name: str = "s") -> list[dict[str, Any]]:
    """Everything that a drain tells, up to its end."""
    return [state async for state in plane.control.follow_drain(name)]


async def test_a_model_moves_before_it_leaves(plane: Plane, fakes: FakeKind) -> None:
    await plane.apply(server("s", replicas=2), asking("a"))
    assert await plane.settle() == []
    [before] = places(plane, "a")
    after = 1 - before
    fakes.made[after].held["a"] = gate = asyncio.Event()

    state = await plane.control.drain("s", before, undo=False)
    [copy] = state["replicas"][before]["models"]
    assert copy == {"name": "a", "version": 1, "outlook": "moves", "why": None}
    await fakes.made[after].begun.wait()
    assert list(fakes.made[before].loaded) == [("a", 1)], "it serves until the other is there"
    assert plane.condition("Model", "a") == ("True", "Serving", "version 1 serves")

    gate.set()
    states = await emptied(plane)
    assert is_empty(states[-1])
    assert places(plane, "a") == {after}
    assert not fakes.made[before].loaded
    assert fakes.made[before].running, "what is drained is still there"


async def test_what_fits_nowhere_else_stays_and_says_why(plane: Plane, fakes: FakeKind) -> None:
    await plane.apply(server("s", memory="2Mi"), asking("a", memory="1Mi"))
    assert await plane.settle() == []

    state = await plane.control.drain("s", None, undo=False)
    [copy] = state["replicas"][0]["models"]
    assert (copy["name"], copy["outlook"]) == ("a", "stays")
    assert "server 's' has a copy" in copy["why"]
    assert plane.condition("Model", "a") == ("True", "Serving", "version 1 serves")
    assert plane.condition("Server", "s", "Drained") == (
        "True",
        "Drained",
        "it takes no models, since it is drained; penstock undrain ends that",
    )


async def test_what_stayed_moves_as_soon_as_there_is_room(plane: Plane, fakes: FakeKind) -> None:
    await plane.apply(server("s"), asking("a"))
    assert await plane.settle() == []
    await plane.control.drain("s", None, undo=False)

    states = plane.control.follow_drain("s")
    assert not is_empty(await anext(states))
    await plane.apply(server("t"))
    seen = [state async for state in states]
    assert is_empty(seen[-1])
    assert list(fakes.made[1].loaded) == [("a", 1)]


async def test_a_drained_server_takes_nothing_until_that_ends(
    plane: Plane, fakes: FakeKind
) -> None:
    await plane.apply(server("s"))
    await plane.settle()
    await plane.control.drain("s", None, undo=False)
    await plane.apply(asking("a"))
    [sentence] = await plane.settle()
    assert "server 's' takes no models: it is drained" in sentence

    state = await plane.control.drain("s", None, undo=True)
    assert not state["drained"]
    assert await plane.settle() == []
    assert plane.condition("Server", "s", "Drained") is None
    assert len(fakes.made[0].loaded) == 1


async def test_replicas_that_come_later_are_drained_as_well(plane: Plane, fakes: FakeKind) -> None:
    await plane.apply(server("s"))
    await plane.settle()
    await plane.control.drain("s", None, undo=False)
    await plane.apply(server("s", replicas=3))
    await plane.settle()
    assert [each["drained"] for each in plane.control.drained("s")["replicas"]] == [True] * 3

    await plane.control.drain("s", 1, undo=True)
    drained = [each["drained"] for each in plane.control.drained("s")["replicas"]]
    assert drained == [True, False, True]
    sentence = plane.condition("Server", "s", "Drained")
    assert sentence is not None
    assert sentence[2] == "replicas 0, 2 take no models, as drained; penstock undrain ends that"


async def test_copies_keep_their_number(plane: Plane, fakes: FakeKind) -> None:
    await plane.apply(server("s", replicas=3), asking("a", replicas=2))
    assert await plane.settle() == []
    [first, second] = places(plane, "a")
    await plane.control.drain("s", first, undo=False)
    await emptied(plane)
    assert places(plane, "a") == {0, 1, 2} - {first}

    await plane.control.drain("s", second, undo=False)
    state = plane.control.drained("s")
    [copy] = state["replicas"][second]["models"]
    assert copy["outlook"] == "stays", "the one replica left has a copy already"
    assert plane.condition("Model", "a", "ReplicasReady") is None


async def test_a_server_that_is_deleted_leaves_in_any_case(plane: Plane, fakes: FakeKind) -> None:
    await plane.apply(server("s"), asking("a"))
    await plane.settle()
    await plane.control.drain("s", None, undo=False)
    await plane.control.delete("Server", "s", force=True)
    await plane.until(lambda: not fakes.running)

    await plane.apply(server("s"))
    assert await plane.settle() == [], "the drain went with the server"
    assert not plane.control.drained("s")["drained"]


async def test_servers_that_are_not_there(plane: Plane) -> None:
    await plane.apply(server("small"))
    await plane.settle()
    with pytest.raises(NotFoundError, match="there is no server 'smal'; did you mean 'small'"):
        await plane.control.drain("smal", None, undo=False)
    with pytest.raises(NotFoundError, match="server 'small' has no replica 4; it has 0"):
        await plane.control.drain("small", 4, undo=False)
    with pytest.raises(NotFoundError):
        plane.control.drained("nowhere")


async def test_the_server_of_the_process_itself(plane: Plane) -> None:
    await plane.apply(model("b"))
    await plane.settle()
    state = await plane.control.drain("inprocess", None, undo=False)
    assert [copy["name"] for copy in state["replicas"][0]["models"]] == ["b"]


async def test_drains_outlive_the_process(tmp_path: Path, fakes: FakeKind) -> None:
    path = tmp_path / "db"
    for _ in range(2):
        database = Database(path)
        async with control_plane(tmp_path, kinds={"fake": fakes}, database=database) as plane:
            if not plane.control.list("Server"):
                await plane.apply(server("s", replicas=2))
                await plane.settle()
                await plane.control.drain("s", 1, undo=False)
            await plane.settle()
            drained = [each["drained"] for each in plane.control.drained("s")["replicas"]]
            assert drained == [False, True]
            assert plane.condition("Server", "s", "Drained") is not None
        database.close()


def test_drains_are_sets_of_servers_and_replicas() -> None:
    drains = Drains().begun("a", 1).begun("a", 2).begun("b", None)
    assert [drains.cover(ReplicaKey("a", number)) for number in range(3)] == [False, True, True]
    assert drains.cover(ReplicaKey("b", 7))
    assert Drains.read(drains.document()) == drains
    assert drains.begun("a", None) == Drains(frozenset("ab"))
    there = [ReplicaKey("b", number) for number in range(2)]
    assert drains.undone("b", 0, there).undone("a", None, there) == Drains(
        frozenset(), frozenset((ReplicaKey("b", 1),))
    )
    assert not drains.undone("a", 1, there).undone("a", 2, there).name("a")
