"""Gateways as processes of their own, while schedulers and servers come and go under load."""

from __future__ import annotations

from pathlib import Path

from harness.program import program
from integration.gateways.rig import (
    PORTS,
    apply,
    chain,
    client_of,
    load,
    times,
    until,
    write,
)

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
