"""Schedulers and agents as processes, killed and stopped in turn and together, under load."""

from __future__ import annotations

import json
import shutil
import signal
from contextlib import ExitStack
from pathlib import Path

import pytest

from harness.program import Program, program
from integration.agents.rig import agent, conditions, scheduler, serves, until_said
from integration.gateways.rig import (
    PORTS,
    Load,
    apply,
    chain,
    client_of,
    load,
    times,
    until,
    value_of,
    wait_for_log,
    write,
)
from penstock.core.errors import LostError, PenstockError
from penstock.servers.v2.endpoint import Protocol

OTHER_TIME = """
from penstock.core.clock import SystemClock

begin = SystemClock.__init__

def begin_elsewhere(self):
    begin(self)
    self._offset_ms += {hours} * 3600e3

SystemClock.__init__ = begin_elsewhere
"""
"""What Python runs at its start to believe that it is another time of the day."""


def loads(process: Program, name: str) -> int:
    """How often an agent has loaded a copy."""
    return process.logged().count(f"'{name}' is loaded")


def assert_lost(asking: Load) -> None:
    """Only what was under way on a process that was killed has failed, and says so."""
    assert len(asking.failures) <= asking.at_a_time
    for error in asking.failures:
        assert isinstance(error, LostError), error
        assert "broke during the call" in error.message or "broke before" in error.message


async def test_an_agent_is_killed_under_load(tmp_path: Path) -> None:
    write(tmp_path / "scheduler")
    with (
        scheduler(tmp_path / "scheduler") as there,
        agent(tmp_path / "two", there, "--number", "1") as two,
        ExitStack() as later,
    ):
        one = later.enter_context(agent(tmp_path / "one", there, "--number", "0"))
        await apply(
            there.grpc,
            tmp_path / "scheduler",
            times("a", 2, replicas=2),
            times("b", 3, replicas=2),
            chain("p", "a", "b"),
        )
        for name in ("a", "b"):
            await until_said(there.grpc, "Model", name, serves)
        async with client_of(there.grpc) as client, load(client, "p") as asking:
            await asking.sees(6.0)
            one.kill()
            await asking.goes_on(400)
            await until_said(there.grpc, "Model", "a", lambda said: "ReplicasReady" in said)
            lost = len(asking.failures)
            await asking.goes_on()
            again = later.enter_context(agent(tmp_path / "three", there, "--number", "0"))
            await until_said(there.grpc, "Model", "a", serves)
            await until_said(there.grpc, "Server", "inprocess", serves)
            await asking.goes_on()
            assert len(asking.failures) == lost, "those that were under way, and no others"
        assert_lost(asking)
        assert set(asking.values) == {6.0}
        for process in (again, two, there):
            process.stop()
        assert loads(again, "a_1") == loads(two, "a_1") == 1
        assert "ERROR" not in there.logged() + two.logged()


async def test_models_answer_on_their_agent_too(tmp_path: Path) -> None:
    write(tmp_path / "scheduler")
    with scheduler(tmp_path / "scheduler") as there, agent(tmp_path / "one", there) as one:
        await apply(there.grpc, tmp_path / "scheduler", times("a", 2))
        await until_said(there.grpc, "Model", "a", serves)
        rest = one.addresses["rest"].removeprefix("http://")
        places: dict[Protocol, str] = {"grpc": one.grpc, "rest": rest}
        for protocol, place in places.items():
            async with client_of(place, protocol) as client:
                assert await value_of(client, "a_1") == 2.0
                with pytest.raises(PenstockError, match="there is no model"):
                    await value_of(client, "a_2")


async def test_a_scheduler_is_killed_under_load_and_its_agents_go_on(tmp_path: Path) -> None:
    write(tmp_path / "scheduler")
    with scheduler(tmp_path / "scheduler") as there, agent(tmp_path / "one", there) as one:
        await apply(there.grpc, tmp_path / "scheduler", times("a", 2), chain("p", "a"))
        await until_said(there.grpc, "Pipeline", "p", serves)
        async with client_of(one.grpc) as client, load(client, "a_1") as asking:
            there.kill()
            await asking.goes_on()
            with scheduler(tmp_path / "scheduler", there) as back:
                await until_said(back.grpc, "Pipeline", "p", serves)
                async with client_of(back.grpc) as again:
                    assert await value_of(again, "p") == 2.0
                await asking.goes_on()
                # It was found, and neither loaded again nor unloaded when all has settled.
                await apply(back.grpc, tmp_path / "scheduler", times("c", 5))
                await until_said(back.grpc, "Model", "c", serves)
                back.stop()
            await asking.goes_on()
        assert asking.failures == []
        assert loads(one, "a_1") == 1
        assert "is unloaded" not in one.logged()
        one.stop()


async def test_both_are_killed_together_and_what_is_left_goes_on(tmp_path: Path) -> None:
    write(tmp_path / "scheduler")
    with (
        scheduler(tmp_path / "scheduler") as there,
        agent(tmp_path / "two", there, "--number", "1") as two,
        ExitStack() as later,
    ):
        one = later.enter_context(agent(tmp_path / "one", there, "--number", "0"))
        await apply(there.grpc, tmp_path / "scheduler", times("a", 2, replicas=2))
        await until_said(there.grpc, "Model", "a", serves)
        async with client_of(two.grpc) as client, load(client, "a_1") as asking:
            there.kill()
            one.kill()
            await asking.goes_on()
            back = later.enter_context(scheduler(tmp_path / "scheduler", there))
            await until_said(
                back.grpc,
                "Model",
                "a",
                lambda said: "1 of 2 replicas" in said.get("ReplicasReady", ""),
            )
            again = later.enter_context(agent(tmp_path / "one", back, "--number", "0"))
            await until_said(back.grpc, "Model", "a", serves)
            await asking.goes_on()
        assert asking.failures == []
        assert loads(two, "a_1") == 1
        for process in (again, two, back):
            process.stop()


async def test_a_gateway_goes_on_over_agents_that_come_and_go(tmp_path: Path) -> None:
    write(tmp_path / "scheduler")
    with (
        scheduler(tmp_path / "scheduler") as there,
        agent(tmp_path / "two", there, "--number", "1") as two,
        ExitStack() as later,
    ):
        one = later.enter_context(agent(tmp_path / "one", there, "--number", "0"))
        await apply(there.grpc, tmp_path / "scheduler", times("a", 2, replicas=2))
        await until_said(there.grpc, "Model", "a", serves)
        with program(
            tmp_path / "gateway", "run", "gateway", "--scheduler", there.grpc, *PORTS
        ) as gateway:
            gateway.ready()
            async with client_of(gateway.grpc) as client:
                await until(client, "a", lambda said: said == 2.0)
                async with load(client, "a") as asking:
                    there.kill()
                    await asking.goes_on()
                    back = later.enter_context(scheduler(tmp_path / "scheduler", there))
                    await until_said(back.grpc, "Model", "a", serves)
                    await asking.goes_on()
                    assert asking.failures == [], "without the scheduler nothing is lost"

                    one.stop()
                    await asking.goes_on()
                    assert asking.failures == [], "nor when an agent leaves in peace"

                    again = later.enter_context(agent(tmp_path / "one", back, "--number", "0"))
                    await until_said(back.grpc, "Model", "a", serves)
                    await wait_for_log(again, "'a_1' is loaded")
                    await asking.goes_on()
                    again.kill()
                    await asking.goes_on(400)
                assert_lost(asking)
            gateway.stop()
        two.stop()


async def test_an_agent_stops_under_load_and_nothing_is_lost(tmp_path: Path) -> None:
    write(tmp_path / "scheduler")
    with (
        scheduler(tmp_path / "scheduler") as there,
        agent(tmp_path / "one", there, "--number", "0") as one,
        agent(tmp_path / "two", there, "--number", "1") as two,
    ):
        await until_said(there.grpc, "Server", "inprocess", serves)
        await apply(there.grpc, tmp_path / "scheduler", times("a", 2))
        await until_said(there.grpc, "Model", "a", serves)
        holder, other = (one, two) if loads(one, "a_1") else (two, one)
        async with client_of(there.grpc) as client, load(client, "a") as asking:
            holder.stop()
            await asking.goes_on()
        assert asking.failures == []
        assert loads(other, "a_1") == 1
        assert "ERROR" not in there.logged()


async def test_two_agents_with_one_number(tmp_path: Path) -> None:
    write(tmp_path / "scheduler")
    with (
        scheduler(tmp_path / "scheduler") as there,
        agent(tmp_path / "one", there, "--number", "0") as one,
    ):
        await apply(there.grpc, tmp_path / "scheduler", times("a", 2))
        await until_said(there.grpc, "Model", "a", serves)
        async with client_of(there.grpc) as client, load(client, "a") as asking:
            with agent(tmp_path / "two", there, "--number", "0") as two:
                assert two.ended() == 1
                said = json.loads(two.logged().strip().splitlines()[-1])
                assert said["code"] == "conflict"
                assert "server 'inprocess' has a replica 0 already" in said["error"]
                assert "another --number, or none, or another --name" in said["error"]
            with agent(tmp_path / "three", there) as three:
                await wait_for_log(three, "server 'inprocess/1' is a replica")
            await asking.goes_on()
        assert asking.failures == []
        assert one.logged().count("is a replica of this scheduler's") == 1


async def test_a_scheduler_comes_back_with_an_old_store(tmp_path: Path) -> None:
    write(tmp_path / "scheduler")
    store = tmp_path / "scheduler" / "store.db"
    with ExitStack() as later:
        there = later.enter_context(scheduler(tmp_path / "scheduler"))
        await apply(there.grpc, tmp_path / "scheduler", times("a", 2), times("b", 3))
        there.stop()
        shutil.copy(store, tmp_path / "old.db")
        there = later.enter_context(scheduler(tmp_path / "scheduler", there))
        one = later.enter_context(agent(tmp_path / "one", there))
        await until_said(there.grpc, "Model", "a", serves)
        await apply(there.grpc, tmp_path / "scheduler", times("a", 5), times("c", 7))
        await until_said(there.grpc, "Model", "c", serves)
        await until_said(
            there.grpc, "Model", "a", lambda said: said.get("Ready") == "version 2 serves"
        )
        there.kill()
        for each in store.parent.glob("store.db*"):
            each.unlink()
        shutil.copy(tmp_path / "old.db", store)

        back = later.enter_context(scheduler(tmp_path / "scheduler", there))
        await until_said(back.grpc, "Model", "a", serves)
        await until_said(back.grpc, "Model", "b", serves)
        async with client_of(back.grpc) as client:
            assert await value_of(client, "a") == 2.0
            assert await value_of(client, "b") == 3.0
        assert loads(one, "b_1") == 1, "it was there"
        # What only the newer store knew of goes when all has settled.
        await wait_for_log(one, "'a_2' is unloaded")
        await wait_for_log(one, "'c_1' is unloaded")


@pytest.mark.parametrize("hours", [-3, 3])
async def test_an_agent_whose_clock_is_wrong(tmp_path: Path, hours: int) -> None:
    write(tmp_path / "scheduler")
    crooked = tmp_path / "crooked"
    crooked.mkdir()
    (crooked / "sitecustomize.py").write_text(OTHER_TIME.format(hours=hours))
    with (
        scheduler(tmp_path / "scheduler") as there,
        agent(tmp_path / "one", there, environment={"PYTHONPATH": str(crooked)}) as one,
    ):
        await apply(there.grpc, tmp_path / "scheduler", times("a", 2))
        await until_said(there.grpc, "Model", "a", serves)
        async with client_of(there.grpc) as client:
            for timeout_s in (2.0, 10.0):
                assert await value_of(client, "a", timeout_s) == 2.0
        one.stop()


async def test_an_agent_that_hangs_is_away_until_it_goes_on(tmp_path: Path) -> None:
    write(tmp_path / "scheduler")
    with (
        scheduler(tmp_path / "scheduler") as there,
        agent(tmp_path / "one", there, "--number", "0") as one,
        agent(tmp_path / "two", there, "--number", "1") as two,
    ):
        await until_said(there.grpc, "Server", "inprocess", serves)
        await apply(there.grpc, tmp_path / "scheduler", times("a", 2))
        await until_said(there.grpc, "Model", "a", serves)
        holder, other = (one, two) if loads(one, "a_1") else (two, one)
        holder.signal(signal.SIGSTOP)
        await wait_for_log(other, "'a_1' is loaded")
        said = await until_said(
            there.grpc, "Server", "inprocess", lambda said: "ReplicasReady" in said
        )
        assert "1 of 2 agents are there" in said["ReplicasReady"]
        assert "has said nothing for 3 s" in said["ReplicasReady"]
        holder.signal(signal.SIGCONT)
        await until_said(there.grpc, "Server", "inprocess", serves)
        async with client_of(there.grpc) as client:
            assert await value_of(client, "a") == 2.0
        for process in (one, two, there):
            process.stop()


async def test_who_is_no_scheduler_says_so(tmp_path: Path) -> None:
    with (
        program(tmp_path / "up", "up", *PORTS) as there,
        agent(tmp_path / "one", there) as one,
    ):
        assert one.ended() == 1
        assert "is no scheduler; start one with penstock run scheduler" in one.logged()


async def test_models_are_gone_when_the_only_agent_is(tmp_path: Path) -> None:
    """Never ready for what is not loaded, also right after a restart."""
    write(tmp_path / "scheduler")
    with ExitStack() as later:
        there = later.enter_context(scheduler(tmp_path / "scheduler"))
        one = later.enter_context(agent(tmp_path / "one", there))
        await apply(there.grpc, tmp_path / "scheduler", times("a", 2))
        await until_said(there.grpc, "Model", "a", serves)
        one.kill()
        there.kill()
        back = later.enter_context(scheduler(tmp_path / "scheduler", there))
        assert (await conditions(back.grpc, "Model", "a"))["Ready"].startswith("no")
        async with client_of(back.grpc) as client:
            with pytest.raises(PenstockError, match="a"):
                await value_of(client, "a")
