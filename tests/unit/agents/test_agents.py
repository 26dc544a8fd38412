"""Agents and their scheduler, from the first registration to the last end, in virtual time."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from harness.agents import OPTIONS, World, in_a_world
from harness.control_plane import model, server
from penstock.core.contracts.model import CopyPlace
from penstock.core.errors import ConflictError, InvalidRequestError, NotReadyError, PenstockError
from penstock.core.scaling import Damping
from penstock.core.scaling.rules import ScalingRules
from penstock.core.signature import Signature, TensorSpec
from penstock.plugins.scaling.in_flight import InFlightOptions, InFlightScaler

LOOK_S = 0.5
"""After so long what waits for nothing has happened."""

WELL_KNOWN = Signature((TensorSpec("x", "FP32", ("n", None, 4), optional=True),), None)


def status(world: World, kind: str, name: str) -> tuple[str, str, str]:
    found = world.scheduler.condition(kind, name)
    assert found is not None
    return found


async def applied(world: World, *documents: dict[str, Any]) -> None:
    await world.scheduler.apply(*documents)
    assert await world.scheduler.settle() == []


# What is loaded, and called


def test_models_are_loaded_on_agents_and_called_there(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        rig = world.agent()
        rig.server.signatures["a"] = WELL_KNOWN
        await world.after(LOOK_S)

        await applied(world, model("a"))

        assert rig.held == [("a", 1)]
        assert (await world.scheduler.call("a")).tensors[0].name == "x"
        served = world.scheduler.models.slot("a").served
        assert served is not None
        rest = f"http://{rig.name}:2"  # where it calls from
        assert served.instance.place == CopyPlace(rig.address, "a_1", rest=rest, zone="zone")
        assert rig.shelf.answers_as == {("a_1", "a", 1)}
        assert served.instance.signature == WELL_KNOWN

    in_a_world(tmp_path, story)


def test_a_model_waits_for_an_agent(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.scheduler.apply(model("a"))
        await world.after(LOOK_S)
        assert status(world, "Model", "a")[1] == "WaitingForServer"
        assert "agents that may come back" in status(world, "Model", "a")[2]
        await world.after(OPTIONS.return_ms / 1000.0)
        assert status(world, "Model", "a")[1] == "NoServer"

        rig = world.agent()
        await world.after(LOOK_S)

        assert status(world, "Model", "a")[0] == "True"
        assert rig.held == [("a", 1)]

    in_a_world(tmp_path, story)


def test_copies_spread_over_agents_and_versions_stand_side_by_side(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        rigs = [world.agent(), world.agent()]
        await world.after(LOOK_S)
        await applied(world, model("a", python="m:A", replicas=2))
        assert [rig.held for rig in rigs] == [[("a", 1)], [("a", 1)]]
        for rig in rigs:
            rig.server.held["a"] = asyncio.Event()

        await world.scheduler.apply(model("a", python="m:B", replicas=2))
        await world.after(LOOK_S)
        assert status(world, "Model", "a")[2] == "version 1 serves"

        for rig in rigs:
            rig.server.held["a"].set()
        await world.after(LOOK_S)
        assert status(world, "Model", "a")[2] == "version 2 serves"
        assert [rig.held for rig in rigs] == [[("a", 2)], [("a", 2)]]

    in_a_world(tmp_path, story)


@pytest.mark.parametrize("retriable", [True, False])
def test_why_a_model_cannot_be_loaded_comes_from_the_agent(tmp_path: Path, retriable: bool) -> None:
    async def story(world: World) -> None:
        rig = world.agent()
        error: PenstockError = NotReadyError("no room") if retriable else InvalidRequestError("bad")
        rig.server.failing["a"] = [error, None]
        await world.after(LOOK_S)

        await world.scheduler.apply(model("a"))
        await world.after(LOOK_S)

        _, reason, said = status(world, "Model", "a")
        assert error.message in said
        assert reason == ("Retrying" if retriable else "LoadFailed")
        await world.after(5.0)
        assert (status(world, "Model", "a")[0] == "True") is retriable

    in_a_world(tmp_path, story)


def test_an_address_that_no_storage_knows_is_said_as_everywhere(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.agent()
        await world.after(LOOK_S)
        await world.scheduler.apply(model("a", storageUri="odd://a"))
        await world.after(LOOK_S)
        assert status(world, "Model", "a")[1] == "NoStorage"

    in_a_world(tmp_path, story)


def test_artifacts_are_fetched_where_the_agent_is(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        rig = world.agent()
        await world.after(LOOK_S)
        await applied(world, model("a", storageUri="fake://a"))
        assert rig.storage.fetched == ["fake://a"]
        assert world.scheduler.storage.fetched == []

    in_a_world(tmp_path, story)


# Servers that are too small


def test_a_server_of_agents_says_that_it_takes_more_of_them(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.agent()
        world.agent()
        await world.after(OPTIONS.return_ms / 1000.0)  # nobody is waited for any more
        await world.scheduler.apply(model("a", python="models:Any", replicas=4))
        await world.after(LOOK_S)
        assert how_to_grow(world) == (
            "start 2 more agents (penstock run agent --server fake --name s)"
        )
        await world.scheduler.apply(server("s", replicas=2))
        await world.scheduler.apply(model("a", python="models:Any", replicas=3))
        await world.after(LOOK_S)
        assert how_to_grow(world) == (
            "start another agent (penstock run agent --server fake --name s) "
            "and raise spec.replicas to 3"
        )
        world.agent()  # stands by
        await world.scheduler.apply(model("a", python="models:Any", replicas=4))
        await world.after(LOOK_S)
        assert how_to_grow(world) == (
            "start another agent (penstock run agent --server fake --name s) "
            "and raise spec.replicas to 4"
        )
        await world.scheduler.apply(model("a", python="models:Any", replicas=3))
        await world.after(LOOK_S)
        assert how_to_grow(world) == "raise spec.replicas to 3"
        await world.scheduler.apply(server("s", replicas=3))
        await world.after(LOOK_S)
        assert world.scheduler.condition("Server", "s", "ScaleUpWanted") is None

    in_a_world(tmp_path, story)


def test_a_server_of_workers_says_how_many_it_takes(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.scheduler.control.expect_agents("s", "fake", 2)
        world.agent()
        world.agent()
        await world.after(OPTIONS.return_ms / 1000.0)
        await world.scheduler.apply(model("a", python="models:Any", replicas=3))
        await world.after(LOOK_S)
        assert how_to_grow(world) == "start penstock up with --workers 3"
        assert world.scheduler.control.explain("a")["workers"] == 2
        declared = world.scheduler.control.describe("server", "s")["resource"]
        assert declared["metadata"]["annotations"] == {
            "penstock.io/declared-by": "penstock up --workers: each worker is a replica"
        }

    in_a_world(tmp_path, story)


def how_to_grow(world: World) -> str:
    """What the condition on the server says that somebody has to do."""
    said = world.scheduler.condition("Server", "s", "ScaleUpWanted")
    assert said is not None
    return said[2].rpartition("; ")[2]


# Calls that others make


def test_agents_tell_of_calls_and_models_are_scaled_by_them(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.stop_scheduler()
        damping = Damping(cool_down_ms=0.0)
        scaler = InFlightScaler(InFlightOptions(target=2.0))
        await world.start_scheduler(scaling=ScalingRules("p", scaler, damping, 1_000.0, 10))
        rigs = [world.agent(number=number) for number in range(3)]
        await world.after(LOOK_S)
        await applied(world, model("a", python="models:Any", maxReplicas=3))
        assert sum(len(rig.held) for rig in rigs) == 1
        [loaded] = [rig for rig in rigs if rig.held]
        loaded.shelf.under_way = 3
        await world.after(4.0)
        assert sum(len(rig.held) for rig in rigs) == 2

        loaded.shelf.under_way = 6
        loaded.muffled = True  # what it would say does not come through
        await world.after(OPTIONS.silence_ms / 1000.0 - 1.0)
        assert sum(len(rig.held) for rig in rigs) == 2
        loaded.muffled = False
        await world.after(4.0)
        assert sum(len(rig.held) for rig in rigs) == 3

    in_a_world(tmp_path, story)


def test_nothing_falls_asleep_before_agents_can_tell_who_calls_it(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        damping = Damping(cool_down_ms=0.0, idle_ms=1_000.0, down_window_ms=1_000.0)
        scaler = InFlightScaler(InFlightOptions(target=2.0))
        scaling = ScalingRules("p", scaler, damping, 200.0, 10)
        called = model("a", python="models:Any", minReplicas=0)
        await world.stop_scheduler()
        await world.start_scheduler(scaling=scaling)
        rig = world.agent()
        await world.after(LOOK_S)
        await applied(world, called)
        rig.shelf.under_way = 1
        await world.after(5.0)
        assert rig.held == [("a", 1)]

        rig.cut = True
        await world.kill_scheduler()
        await world.start_scheduler(scaling=scaling)
        await world.scheduler.apply(called)
        await world.after(OPTIONS.return_ms / 1000.0 - 0.5)
        assert world.scheduler.condition("Model", "a", "Scaled") is not None
        assert status(world, "Model", "a")[1] == "WaitingForServer"
        rig.cut = False
        await world.after(5.0)

        assert status(world, "Model", "a")[0] == "True"
        assert len(rig.server.loads) == 1

    in_a_world(tmp_path, story)


# Agents that are away


def test_an_agent_that_comes_back_in_time_is_as_if_it_never_was_away(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        rig, other = world.agent(number=0), world.agent(number=1)
        await world.after(LOOK_S)
        await applied(world, model("a"))
        rig.cut = True
        await world.after(5.0)
        assert (await world.scheduler.call("a")).tensors
        rig.cut = False
        await world.after(LOOK_S + 20.0)

        assert rig.lines == 2
        assert len(rig.server.loads) == 1
        assert other.held == []
        assert status(world, "Model", "a")[0] == "True"
        assert status(world, "Server", "s")[0] == "True"
        assert (await world.scheduler.call("a")).tensors

    in_a_world(tmp_path, story)


def test_what_an_agent_had_that_is_away_for_too_long_is_loaded_elsewhere(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        rig, other = world.agent(number=0), world.agent(number=1)
        await world.after(LOOK_S)
        await applied(world, model("a"))
        rig.cut = True
        await world.after(OPTIONS.grace_ms / 1000.0 + 2.0)
        assert other.held == [("a", 1)]
        assert status(world, "Model", "a")[0] == "True"
        found = world.scheduler.condition("Server", "s", "ReplicasReady")
        assert found is not None
        assert "1 of 2 agents are there" in found[2]
        assert "penstock run agent --server fake --name s" in found[2]

        # It comes back, and goes on having what nobody calls any more, for a while.
        rig.cut = False
        await world.after(10.0)
        assert rig.held == [("a", 1)]
        assert world.scheduler.condition("Server", "s", "ReplicasReady") is None
        await world.after(OPTIONS.keep_ms / 1000.0)
        assert rig.held == []
        assert other.held == [("a", 1)]

    in_a_world(tmp_path, story)


def test_nothing_new_goes_to_an_agent_that_is_away(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        rig = world.agent()
        await world.after(LOOK_S)
        rig.cut = True
        await world.after(2.0)
        await world.scheduler.apply(model("a"))
        await world.after(LOOK_S)
        assert status(world, "Model", "a")[1] == "WaitingForServer"
        assert "its agent, which is away" in status(world, "Model", "a")[2]
        rig.cut = False
        await world.after(2.0)
        assert status(world, "Model", "a")[0] == "True"

    in_a_world(tmp_path, story)


def test_an_agent_that_says_nothing_is_away(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        rig, other = world.agent(number=0), world.agent(number=1)
        await world.after(LOOK_S)
        await applied(world, model("a"))
        rig.muffled = True
        await world.after((OPTIONS.silence_ms + OPTIONS.grace_ms) / 1000.0 + 2.0)
        assert other.held == [("a", 1)]
        rig.muffled = False
        await world.after(OPTIONS.silence_ms / 1000.0 + 30.0)
        assert rig.lines > 1, "it noticed as well"
        assert world.scheduler.condition("Server", "s", "ReplicasReady") is None

    in_a_world(tmp_path, story)


def test_a_load_that_ends_while_its_agent_is_away_is_heard_of_later(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        rig = world.agent()
        gate = rig.server.held["a"] = asyncio.Event()
        await world.after(LOOK_S)
        await world.scheduler.apply(model("a"))
        await world.after(LOOK_S)
        rig.cut = True
        await world.after(2.0)
        gate.set()
        await world.after(1.0)
        assert status(world, "Model", "a")[0] == "False"
        rig.cut = False
        await world.after(2.0)
        assert status(world, "Model", "a")[0] == "True"
        assert len(rig.server.loads) == 1

    in_a_world(tmp_path, story)


def test_a_command_that_an_agent_did_not_hear_is_given_again(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        rig = world.agent()
        await world.after(LOOK_S)
        rig.muffled = True
        await world.scheduler.apply(model("a"))
        await world.after(1.0)
        assert rig.server.loads == []
        rig.cut, rig.muffled = True, False
        await world.after(2.0)
        rig.cut = False
        await world.after(2.0)
        assert rig.held == [("a", 1)]
        assert status(world, "Model", "a")[0] == "True"

    in_a_world(tmp_path, story)


def test_an_unload_that_an_agent_did_not_hear_is_given_again(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        rig = world.agent()
        await world.after(LOOK_S)
        await applied(world, model("a"))
        rig.muffled = True
        await world.scheduler.control.delete("Model", "a", force=False)
        await world.after(1.0)
        assert rig.held == [("a", 1)]
        rig.cut, rig.muffled = True, False
        await world.after(2.0)
        rig.cut = False
        await world.after(2.0)
        assert rig.held == []

    in_a_world(tmp_path, story)


def test_a_process_that_dies_is_replaced_at_once_by_the_next(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        first = world.agent(number=0)
        await world.after(LOOK_S)
        await applied(world, model("a"))
        await first.kill()
        await world.after(2.0)
        second = world.agent(number=0)
        await world.after(LOOK_S)
        assert second.held == [("a", 1)]
        assert status(world, "Model", "a")[0] == "True"
        assert (await world.scheduler.call("a")).tensors

    in_a_world(tmp_path, story)


def test_an_agent_without_a_number_takes_that_of_one_that_died(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        first = world.agent()
        await world.after(LOOK_S)
        await first.kill()
        await world.after(2.0)
        second = world.agent()
        await world.after(LOOK_S)
        assert second.agent.name == "s/0"
        assert status(world, "Server", "s")[0] == "True"
        assert world.scheduler.condition("Server", "s", "ReplicasReady") is None

    in_a_world(tmp_path, story)


def test_calls_go_elsewhere_while_a_server_does_not_have_a_copy(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        rig = world.agent()
        await world.after(LOOK_S)
        await applied(world, model("a"))
        served = world.scheduler.models.slot("a").served
        assert served is not None
        rig.server.loaded["a", 1].available = False
        await world.after(2.0)
        assert not served.instance.available
        rig.server.loaded["a", 1].available = True
        await world.after(2.0)
        assert served.instance.available

    in_a_world(tmp_path, story)


# Two that want to be the same


def test_a_second_agent_with_a_number_is_told_what_to_do(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        first = world.agent(number=0)
        await world.after(LOOK_S)
        await applied(world, model("a"))
        second = world.agent(number=0)
        await world.after(60.0)

        error = second.following.exception()
        assert isinstance(error, ConflictError)
        assert first.name in error.message
        assert "another --number" in error.message
        assert "another --name" in error.message
        assert first.lines == 1, "the first is not disturbed"
        assert (await world.scheduler.call("a")).tensors

    in_a_world(tmp_path, story)


def test_a_second_agent_takes_over_when_the_first_is_gone(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        first = world.agent(number=0)
        await world.after(LOOK_S)
        await applied(world, model("a"))
        second = world.agent(number=0)
        await world.after(2.0)
        await first.kill()
        await world.after(5.0)
        assert second.held == [("a", 1)]
        assert status(world, "Model", "a")[0] == "True"

    in_a_world(tmp_path, story)


def test_an_agent_of_another_kind_is_told_so(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.agent()
        await world.after(LOOK_S)
        other = world.agent(kind="different")
        await world.after(60.0)
        error = other.following.exception()
        assert isinstance(error, ConflictError)
        assert "is of the kind 'fake'" in error.message

    in_a_world(tmp_path, story)


def test_a_name_that_is_none_is_refused(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        other = world.agent(name="not a name")
        await world.after(60.0)
        assert isinstance(other.following.exception(), InvalidRequestError)

    in_a_world(tmp_path, story)


# Schedulers that come and go


def test_a_scheduler_that_comes_back_loads_nothing_twice(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        rigs = [world.agent(), world.agent()]
        await world.after(LOOK_S)
        await applied(world, *(model(name) for name in "abcd"))
        before = [rig.held for rig in rigs]
        await world.kill_scheduler()
        await world.after(5.0)
        assert [rig.held for rig in rigs] == before, "they go on meanwhile"

        await world.start_scheduler()
        await applied_late(world, *(model(name) for name in "abcd"))

        assert [rig.held for rig in rigs] == before
        assert sum(len(rig.server.loads) for rig in rigs) == 4
        assert (await world.scheduler.call("a")).tensors

    in_a_world(tmp_path, story)


async def applied_late(world: World, *documents: dict[str, Any]) -> None:
    """Applied before the first agent is back."""
    await world.scheduler.apply(*documents)
    for document in documents:
        assert status(world, "Model", document["metadata"]["name"])[0] == "False"
    await world.after(5.0)
    assert await world.scheduler.settle() == []


def test_agents_that_come_back_late_are_waited_for(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        first, second = world.agent(number=0), world.agent(number=1)
        await world.after(LOOK_S)
        await applied(world, model("a"), model("b"))
        assert (first.held, second.held) == ([("a", 1)], [("b", 1)])
        await world.kill_scheduler()
        second.cut = True
        await world.after(2.0)
        await world.start_scheduler()
        await world.scheduler.apply(model("a"), model("b"))
        await world.after(1.5)
        assert status(world, "Model", "a")[0] == "True"
        assert status(world, "Model", "b")[1] == "WaitingForServer"
        second.cut = False
        await world.after(2.0)
        assert (first.held, second.held) == ([("a", 1)], [("b", 1)])
        assert status(world, "Model", "b")[0] == "True"

    in_a_world(tmp_path, story)


def test_what_a_new_scheduler_does_not_want_is_unloaded_later(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        rig = world.agent()
        await world.after(LOOK_S)
        await applied(world, model("a"), model("b"))
        await world.kill_scheduler()
        await world.after(2.0)
        await world.start_scheduler()
        await world.scheduler.apply(model("a"))
        await world.after(OPTIONS.keep_ms / 1000.0 - 5.0)
        assert rig.held == [("a", 1), ("b", 1)]
        await world.after(10.0)
        assert rig.held == [("a", 1)]

    in_a_world(tmp_path, story)


def test_other_contents_under_the_same_version_are_loaded_beside(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        rig = world.agent()
        await world.after(LOOK_S)
        await applied(world, model("a", python="m:A"))
        await world.kill_scheduler()
        await world.after(2.0)
        # Without a database versions begin at 1 again.
        await world.start_scheduler()
        await world.scheduler.apply(model("a", python="m:B"))
        await world.after(5.0)
        assert status(world, "Model", "a")[2] == "version 1 serves"
        assert [spec.python for spec in rig.server.loads] == ["m:A", "m:B"]
        assert sorted(rig.shelf.copies) == ["a_1", "a_1-2"]

    in_a_world(tmp_path, story)


def test_the_same_contents_under_another_version_are_there_already(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        rig = world.agent()
        await world.after(LOOK_S)
        await applied(world, model("a", python="m:A"))
        await applied(world, model("a", python="m:B"))
        await world.kill_scheduler()
        await world.after(2.0)
        await world.start_scheduler()
        await world.scheduler.apply(model("a", python="m:B"))
        await world.after(5.0)
        assert status(world, "Model", "a")[2] == "version 1 serves"
        assert len(rig.server.loads) == 2
        assert (await world.scheduler.call("a")).tensors

    in_a_world(tmp_path, story)


def test_a_load_of_the_scheduler_before_is_not_begun_twice(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        rig = world.agent()
        gate = rig.server.held["a"] = asyncio.Event()
        await world.after(LOOK_S)
        await world.scheduler.apply(model("a"))
        await world.after(LOOK_S)
        await world.kill_scheduler()
        await world.start_scheduler()
        await world.scheduler.apply(model("a"))
        await world.after(5.0)
        gate.set()
        await world.after(2.0)
        assert len(rig.server.loads) == 1
        assert status(world, "Model", "a")[0] == "True"

    in_a_world(tmp_path, story)


def test_a_scheduler_that_stops_leaves_agents_what_they_have(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        rig = world.agent()
        await world.after(LOOK_S)
        await applied(world, model("a"))
        await world.stop_scheduler()
        await world.after(60.0)
        assert rig.held == [("a", 1)]

    in_a_world(tmp_path, story)


def test_a_scheduler_that_drains_calls_its_agents_to_the_end(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        rig = world.agent()
        await world.after(LOOK_S)
        await applied(world, model("a"))
        gate = rig.server.loaded["a", 1].gate = asyncio.Event()
        answer = world.scheduler.call("a")
        await rig.server.loaded["a", 1].called.wait()

        world.scheduler.control.part_with_agents()
        rig.cut = True
        await world.after(OPTIONS.grace_ms / 1000.0 + 20.0)
        assert status(world, "Model", "a")[0] == "True"
        gate.set()
        assert (await answer).tensors

    in_a_world(tmp_path, story)


# Leaving


def test_models_move_before_an_agent_stops(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        first, second = world.agent(number=0), world.agent(number=1)
        await world.after(LOOK_S)
        await applied(world, model("a"))
        assert first.held == [("a", 1)]
        gate = second.server.held["a"] = asyncio.Event()
        first.agent.leave()
        await world.after(2.0)
        assert not first.agent.dismissed.is_set()
        assert (await world.scheduler.call("a")).tensors
        gate.set()
        await world.after(2.0)
        assert first.agent.dismissed.is_set()
        assert (first.held, second.held) == ([], [("a", 1)])
        assert (await world.scheduler.call("a")).tensors

    in_a_world(tmp_path, story)


def test_an_agent_leaves_also_when_its_models_fit_nowhere_else(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        rig = world.agent()
        await world.after(LOOK_S)
        await applied(world, model("a"))
        rig.agent.leave()
        await world.after(2.0)
        assert rig.agent.dismissed.is_set()
        assert status(world, "Model", "a")[0] == "False"
        await rig.kill()
        await world.after(2.0)
        assert world.scheduler.control.list("Server") == [], "it left in peace, and is not missed"

    in_a_world(tmp_path, story)


def test_without_a_scheduler_nothing_is_waited_for(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        rig = world.agent()
        rig.cut = True
        await world.after(2.0)
        rig.agent.leave()
        assert rig.agent.dismissed.is_set()

    in_a_world(tmp_path, story)


def test_agents_of_a_server_that_is_deleted_stop(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        rig, other = world.agent(), world.agent(name="other")
        await world.after(LOOK_S)
        await applied(world, server("s"), model("a", python="m:A", server="s"), model("b"))
        held = rig.held
        await world.scheduler.control.delete("Server", "s", force=True)
        await world.after(2.0)
        assert rig.agent.dismissed.is_set()
        assert ("a", 1) in held
        assert ("b", 1) in other.held
        assert not other.agent.dismissed.is_set()

    in_a_world(tmp_path, story)


# What manifests say of them


def test_servers_that_nobody_asked_for_are_shown(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.agent()
        world.agent()
        await world.after(LOOK_S)
        (shown,) = world.scheduler.control.list("Server")
        assert shown["metadata"]["name"] == "s"
        assert shown["spec"]["serverConfig"] == "fake"
        assert shown["spec"]["replicas"] == 2
        assert status(world, "Server", "s")[:2] == ("True", "Serving")

    in_a_world(tmp_path, story)


def test_a_manifest_says_how_many_agents_there_shall_be(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.scheduler.apply(server("s", replicas=2, minReplicas=1))
        assert status(world, "Server", "s")[1] == "WaitingForAgents"
        assert "0 of 2 agents are there" in status(world, "Server", "s")[2]
        world.agent()
        await world.after(LOOK_S)
        assert status(world, "Server", "s")[0] == "True"
        fewer = world.scheduler.condition("Server", "s", "ReplicasReady")
        assert fewer is not None
        assert "1 of 2" in fewer[2]
        world.agent()
        await world.after(LOOK_S)
        assert world.scheduler.condition("Server", "s", "ReplicasReady") is None

    in_a_world(tmp_path, story)


def test_agents_that_are_more_than_wanted_stand_by(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        first, second = world.agent(number=0), world.agent(number=1)
        await world.after(LOOK_S)
        await applied(world, server("s", replicas=1), model("a"), model("b"))
        assert second.held == []
        assert "stands by" in str(world.scheduler.control.explain("a"))

        await first.kill()
        await world.after(OPTIONS.grace_ms / 1000.0 + 2.0)
        assert second.held == [("a", 1), ("b", 1)]

        third = world.agent(number=0)
        await world.after(5.0)
        assert third.held == [("a", 1), ("b", 1)], "the first by number are those that are wanted"
        await world.scheduler.apply(server("s", replicas=2), model("c"))
        await world.after(5.0)
        assert second.held == [("c", 1)]

    in_a_world(tmp_path, story)


def test_a_manifest_says_what_agents_can_do_and_hold(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        rig = world.agent("python", memory_bytes=1000)
        await world.after(LOOK_S)
        await world.scheduler.apply(model("a", python="m:A", requirements=["gpu"], memory=600))
        await world.after(LOOK_S)
        assert "lacks 'gpu'" in status(world, "Model", "a")[2]
        await world.scheduler.apply(server("s", extraCapabilities=["gpu"], memory=500))
        await world.after(LOOK_S)
        assert "500 left of 500" in status(world, "Model", "a")[2]
        await world.scheduler.apply(server("s", extraCapabilities=["gpu"], memory=700))
        await world.after(LOOK_S)
        assert rig.held == [("a", 1)]

    in_a_world(tmp_path, story)


def test_an_agent_tells_its_own_room(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.agent(memory_bytes=1000)
        await world.after(LOOK_S)
        await world.scheduler.apply(model("a", python="m:A", memory=2000))
        await world.after(LOOK_S)
        assert "1000 left of 1000" in status(world, "Model", "a")[2]

    in_a_world(tmp_path, story)


def test_more_models_than_fit_are_put_out_by_the_agent(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.scheduler.apply(server("s", memory=1000, overcommitPercent=100))
        rig = world.agent()
        await world.after(LOOK_S)
        await applied(
            world, model("a", python="m:A", memory=600), model("b", python="m:A", memory=600)
        )
        assert len(rig.held) == 1, "the other was put out"
        for name in ("a", "b", "a"):
            assert (await world.scheduler.call(name)).tensors
            assert rig.held == [(name, 1)]

    in_a_world(tmp_path, story)


def test_a_manifest_of_another_kind_than_the_agents_that_come(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.scheduler.apply(server("s", serverConfig="triton"))
        rig = world.agent()
        await world.after(60.0)
        error = rig.following.exception()
        assert isinstance(error, ConflictError)
        assert "--server triton" in error.message

    in_a_world(tmp_path, story)


def test_an_agent_that_cannot_be_called_is_told_of(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        rig = world.agent()
        rig.reachable = False
        await world.after(LOOK_S)
        assert "nobody answers at" in status(world, "Server", "s")[2]
        rig.reachable = True
        await world.after(10.0)
        assert status(world, "Server", "s")[0] == "True"

    in_a_world(tmp_path, story)
