"""Gateways as processes of their own, while schedulers and servers come and go under load."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.program import program
from integration.gateways.rig import (
    PORTS,
    apply,
    chain,
    client_of,
    get,
    load,
    remote,
    server,
    times,
    until,
    value_of,
    wait_for_log,
    write,
)
from penstock.core.errors import NotReadyError, UnsupportedError

VERSIONS = 8


async def test_versions_roll_under_load_and_nothing_is_dropped(tmp_path: Path) -> None:
    """The models are in the scheduler's own process, and really unloaded there."""
    manifests = write(tmp_path / "scheduler", times("a", 1), times("b", 1), chain("p", "a", "b"))
    with (
        program(tmp_path / "scheduler", "up", *PORTS, manifests) as scheduler,
        program(
            tmp_path / "gateway", "run", "gateway", "--scheduler", scheduler.grpc, *PORTS
        ) as gateway,
    ):
        scheduler.ready()
        gateway.ready()
        async with client_of(gateway.grpc) as client:
            await until(client, "p", lambda said: said == 1.0)
            async with load(client, "p") as asking, load(client, "a") as alone:
                for by in range(2, VERSIONS + 2):
                    await apply(
                        scheduler.grpc, tmp_path / "scheduler", times("a", by), times("b", by)
                    )
                    await asking.sees(by * by)
                    await alone.sees(by)
                await asking.goes_on()
            assert asking.failures == alone.failures == []
        gateway.stop()
        scheduler.stop()
        log = scheduler.logged()
        for version in range(1, VERSIONS + 1):
            assert f"model 'a', version {version} is unloaded" in log
        assert "ERROR" not in log + gateway.logged()


async def test_a_scheduler_is_killed_under_load_and_nobody_notices(tmp_path: Path) -> None:
    """Over two servers. The scheduler that takes its place knows nothing at first, then less than
    everything, and what works goes on working until it is settled."""
    write(tmp_path / "one", times("a", 2))
    write(tmp_path / "two", times("b", 3), times("c", 5))
    scheduler_folder = tmp_path / "scheduler"
    with (
        program(tmp_path / "one", "up", *PORTS, tmp_path / "one" / "manifests.yaml") as one,
        program(tmp_path / "two", "up", *PORTS, tmp_path / "two" / "manifests.yaml") as two,
    ):
        one.ready()
        two.ready()
        servers = (server("one", one.grpc, "one"), server("two", two.grpc, "two"))
        models = (remote("a", "one"), remote("b", "two"))
        manifests = write(scheduler_folder, *servers, *models, chain("p", "a", "b"))
        with (
            program(scheduler_folder, "up", *PORTS, manifests) as scheduler,
            program(
                tmp_path / "gateway", "run", "gateway", "--scheduler", scheduler.grpc, *PORTS
            ) as gateway,
        ):
            scheduler.ready()
            gateway.ready()
            async with client_of(gateway.grpc) as client:
                await until(client, "p", lambda said: said == 6.0)
                async with load(client, "p") as asking:
                    scheduler.kill()
                    await asking.goes_on()
                    again = ("--grpc-port", scheduler.grpc_port, "--rest-port", "0")
                    with program(scheduler_folder, "up", *again) as successor:
                        await wait_for_log(gateway, "following the scheduler", times=2)
                        await asking.goes_on()
                        await apply(successor.grpc, scheduler_folder, *servers, models[0])
                        await asking.goes_on()
                        other = remote("b", "two", parameters="{remoteModel: c}")
                        await apply(successor.grpc, scheduler_folder, other, chain("p", "a", "b"))
                        await asking.sees(10.0)
                        await asking.goes_on()
                        assert asking.failures == []
                        successor.stop()
                    await asking.goes_on()
                assert asking.failures == []
            gateway.stop()
            assert "ERROR" not in gateway.logged()


async def test_what_a_settled_scheduler_does_not_have_is_gone(tmp_path: Path) -> None:
    manifests = write(tmp_path / "scheduler", times("a", 2))
    (tmp_path / "scheduler" / "penstock.yaml").write_text("scheduler: {settleMs: 300}\n")
    with (
        program(tmp_path / "scheduler", "up", *PORTS, manifests) as scheduler,
        program(
            tmp_path / "gateway", "run", "gateway", "--scheduler", scheduler.grpc, *PORTS
        ) as gateway,
    ):
        scheduler.ready()
        gateway.ready()
        async with client_of(gateway.grpc) as client:
            await until(client, "a", lambda said: said == 2.0)
            scheduler.kill()
            again = ("--grpc-port", scheduler.grpc_port, "--rest-port", "0")
            with program(tmp_path / "scheduler", "up", *again):
                gone = await until(client, "a", lambda said: "there is no model" in str(said))
    assert isinstance(gone, NotReadyError)


async def test_a_gateway_that_starts_without_its_scheduler_serves(tmp_path: Path) -> None:
    write(tmp_path / "one", times("a", 2))
    with program(tmp_path / "one", "up", *PORTS, tmp_path / "one" / "manifests.yaml") as one:
        one.ready()
        documents = (server("one", one.grpc, "one"), remote("a", "one"), chain("p", "a"))
        manifests = write(tmp_path / "scheduler", *documents)
        folder = tmp_path / "gateway"
        with program(tmp_path / "scheduler", "up", *PORTS, manifests) as scheduler:
            words = (
                "run", "gateway", "--scheduler", scheduler.grpc, "--routes-file", "routes", *PORTS
            )  # fmt: skip
            scheduler.ready()
            with program(folder, *words) as gateway:
                gateway.ready()
                async with client_of(gateway.grpc) as client:
                    await until(client, "p", lambda said: said == 2.0)
                gateway.stop()  # what has just come is written at the end
        with program(folder, *words) as gateway:
            gateway.ready()
            async with client_of(gateway.grpc) as client:
                assert await value_of(client, "p") == 2.0
                assert await client.server_ready()
            gateway.kill()
        routes = folder / "routes"
        routes.write_bytes(routes.read_bytes()[:-1] + b"?")
        with program(folder, *words) as gateway:
            async with client_of(gateway.grpc) as client:
                assert not await client.server_ready()
                with pytest.raises(NotReadyError, match="is starting"):
                    await value_of(client, "p")
            assert "cannot be used (it is damaged)" in gateway.logged()


async def test_calls_that_could_not_be_sent_go_to_another_copy(tmp_path: Path) -> None:
    """A server is killed while the scheduler is away: what it had is lost, and no more."""
    write(tmp_path / "one", times("a", 2))
    write(tmp_path / "two", times("a", 2))
    with (
        program(tmp_path / "one", "up", *PORTS, tmp_path / "one" / "manifests.yaml") as one,
        program(tmp_path / "two", "up", *PORTS, tmp_path / "two" / "manifests.yaml") as two,
    ):
        one.ready()
        two.ready()
        servers = (server("one", one.grpc, "far"), server("two", two.grpc, "far"))
        manifests = write(
            tmp_path / "scheduler", *servers, remote("a", "far", replicas=2), chain("p", "a")
        )
        with (
            program(tmp_path / "scheduler", "up", *PORTS, manifests) as scheduler,
            program(
                tmp_path / "gateway", "run", "gateway", "--scheduler", scheduler.grpc, *PORTS
            ) as gateway,
        ):
            scheduler.ready()
            gateway.ready()
            async with client_of(gateway.grpc) as client:
                await until(client, "p", lambda said: said == 2.0)
                scheduler.kill()
                async with load(client, "p") as asking:
                    one.kill()
                    await asking.goes_on()
                    lost = list(asking.failures)
                    await asking.goes_on()
                    assert asking.failures == lost, "only what was under way there is lost"
                assert len(lost) <= asking.at_a_time
                for error in lost:
                    assert error.code == "lost"
                    assert "step 'a'" in error.message
                    assert one.grpc in error.message


async def test_the_deadline_is_passed_on(tmp_path: Path) -> None:
    told = "kind: Model\nmetadata: {name: told}\nspec: {python: 'models:Told'}\n"
    manifests = write(tmp_path / "scheduler", told, chain("p", "told"))
    with (
        program(tmp_path / "scheduler", "up", *PORTS, manifests) as scheduler,
        program(
            tmp_path / "gateway", "run", "gateway", "--scheduler", scheduler.grpc, *PORTS
        ) as gateway,
    ):
        scheduler.ready()
        gateway.ready()
        async with client_of(gateway.grpc) as client:
            await until(client, "p", lambda said: isinstance(said, float))
            left_ms = await value_of(client, "p", timeout_s=7.0)
            assert 0.0 < left_ms <= 7100.0  # gRPC rounds up


async def test_what_belongs_to_the_scheduler_is_sent_there(tmp_path: Path) -> None:
    manifests = write(tmp_path / "scheduler", times("a", 2))
    with (
        program(tmp_path / "scheduler", "up", *PORTS, manifests) as scheduler,
        program(
            tmp_path / "gateway", "run", "gateway", "--scheduler", scheduler.grpc, *PORTS
        ) as gateway,
    ):
        gateway.ready()
        said = rf"which follows the scheduler at {scheduler.grpc}; .*--server {scheduler.grpc}"
        with pytest.raises(UnsupportedError, match=said):
            await apply(gateway.grpc, tmp_path / "scheduler", times("a", 3))
        status, body = await get(f"{gateway.addresses['rest']}/v1/resources")
        assert status == 501
        assert re.search(said, body)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "nothing says which scheduler to follow; give its gRPC address with --scheduler"),
        (("--scheduler", "somewhere"), "'somewhere' has no port; write HOST:PORT"),
    ],
)
def test_a_gateway_has_to_know_its_scheduler(
    tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    with (
        pytest.raises(AssertionError, match=re.escape(said)),
        program(tmp_path / "gateway", "run", "gateway", *words, *PORTS),
    ):
        pass


async def test_a_gateway_that_knows_nothing_yet_says_of_nothing_that_it_is_not_there(
    tmp_path: Path,
) -> None:
    nobody = "127.0.0.1:1"
    with program(tmp_path / "gateway", "run", "gateway", "--scheduler", nobody, *PORTS) as gateway:
        status, body = await get(f"{gateway.addresses['rest']}/v2/pipelines/p/ready")
        assert status == 503, body
        async with client_of(gateway.grpc) as client:
            with pytest.raises(NotReadyError, match="is starting"):
                await value_of(client, "p")
