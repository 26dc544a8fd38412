"""A gateway over a scheduler and its agents: everything in processes of its own, under load."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.program import Program, program
from integration.agents.rig import agent, scheduler, serves, until_said
from integration.gateways.rig import PORTS, apply, chain, client_of, load, times, until, write
from penstock.core.errors import LostError


@contextmanager
def gateway(folder: Path, follows: Program) -> Iterator[Program]:
    """A gateway that knows what its scheduler serves."""
    words = ("run", "gateway", "--scheduler", follows.grpc, *PORTS)
    with program(folder, *words) as started:
        started.ready()
        yield started


async def test_versions_roll_over_agents_while_schedulers_come_and_go(tmp_path: Path) -> None:
    write(tmp_path / "scheduler")
    with (
        scheduler(tmp_path / "scheduler") as there,
        agent(tmp_path / "one", there, "--number", "0") as one,
        agent(tmp_path / "two", there, "--number", "1") as two,
        gateway(tmp_path / "gateway", there) as front,
    ):
        folder = tmp_path / "scheduler"
        await apply(
            there.grpc, folder, times("a", 1, replicas=2), times("b", 1), chain("p", "a", "b")
        )
        async with client_of(front.grpc) as client:
            await until(client, "p", lambda said: said == 1.0)
            async with load(client, "p") as asking:
                for by in range(2, 5):
                    await apply(there.grpc, folder, times("a", by, replicas=2), times("b", by))
                    await asking.sees(by * by)
                there.kill()
                await asking.goes_on()
                with scheduler(folder, there) as back:
                    await until_said(back.grpc, "Pipeline", "p", serves)
                    await asking.goes_on()
                    await apply(back.grpc, folder, times("b", 10))
                    await asking.sees(40.0)
                    await asking.goes_on()
                    assert asking.failures == []
                    # An agent that stops has its models move first, and the gateway told.
                    two.stop()
                    await asking.goes_on()
                    assert asking.failures == []
                    front.stop()
        assert "'a_1' is unloaded" in one.logged()
        assert "'a_2' is unloaded" in one.logged()
        assert "ERROR" not in front.logged() + one.logged() + two.logged()


async def test_an_agent_is_killed_and_a_gateway_loses_what_it_had_there(tmp_path: Path) -> None:
    write(tmp_path / "scheduler")
    with (
        scheduler(tmp_path / "scheduler") as there,
        agent(tmp_path / "one", there, "--number", "0") as one,
        agent(tmp_path / "two", there, "--number", "1"),
        gateway(tmp_path / "gateway", there) as front,
    ):
        folder = tmp_path / "scheduler"
        await apply(there.grpc, folder, times("a", 2, replicas=2), chain("p", "a"))
        await until_said(there.grpc, "Model", "a", serves)
        async with client_of(front.grpc) as client:
            await until(client, "p", lambda said: said == 2.0)
            async with load(client, "p") as asking:
                one.kill()
                await asking.goes_on(400)
                lost = list(asking.failures)
                await until_said(there.grpc, "Model", "a", lambda said: "ReplicasReady" in said)
                await asking.goes_on()
                assert asking.failures == lost, "those that were under way, and no others"
        assert len(lost) <= asking.at_a_time
        for error in lost:
            assert isinstance(error, LostError), error
            assert "step 'a'" in error.message


async def test_agents_that_share_their_processes_are_called_from_everywhere(tmp_path: Path) -> None:
    folder = tmp_path / "scheduler"
    write(folder)
    with (
        program(folder, "run", "scheduler", "agent", *PORTS) as there,
        program(
            tmp_path / "both", "run", "agent", "gateway", "--scheduler", there.grpc, *PORTS
        ) as both,
    ):
        both.ready()
        await apply(there.grpc, folder, times("a", 2, replicas=2), times("b", 3), chain("p", "a"))
        with gateway(tmp_path / "gateway", there) as front:
            async with (
                client_of(front.grpc) as far,
                client_of(both.grpc) as near,
                client_of(there.grpc) as nearest,
            ):
                for client in (far, near, nearest):
                    await until(client, "p", lambda said: said == 2.0)
                    await until(client, "b", lambda said: said == 3.0)
                async with load(far, "p") as one, load(near, "p") as other:
                    for by in (5, 6):
                        await apply(there.grpc, folder, times("a", by, replicas=2))
                        await one.sees(by)
                        await other.sees(by)
                    # Models that it has go elsewhere first, as far as there is room for them.
                    await other.stop()
                    both.stop()
                    await one.goes_on()
                    assert one.failures == other.failures == []
        for each in (there, both):
            assert "'a_2' is loaded" in each.logged()
            assert "ERROR" not in each.logged()


async def test_a_step_with_retries_goes_to_another_agent_when_one_is_killed(tmp_path: Path) -> None:
    write(tmp_path / "scheduler")
    with (
        scheduler(tmp_path / "scheduler") as there,
        agent(tmp_path / "one", there, "--number", "0") as one,
        agent(tmp_path / "two", there, "--number", "1"),
        gateway(tmp_path / "gateway", there) as front,
    ):
        folder = tmp_path / "scheduler"
        again = chain("p", "a").replace("{name: a}", "{name: a, retries: 2}")
        await apply(there.grpc, folder, times("a", 2, replicas=2), again)
        await until_said(there.grpc, "Model", "a", serves)
        async with client_of(front.grpc) as client:
            await until(client, "p", lambda said: said == 2.0)
            async with load(client, "p") as asking:
                one.kill()
                await asking.goes_on(400)
        assert asking.failures == []
        assert set(asking.values) == {2.0}
