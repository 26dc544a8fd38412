"""An arm that fails is rolled back under load, by what a gateway counts, and stays so."""

from __future__ import annotations

from pathlib import Path

from harness.program import program
from integration.gateways.rig import (
    PATIENCE_S,
    PORTS,
    apply,
    client_of,
    load,
    remote,
    server,
    times,
    until,
    write,
)
from penstock.core.client.control import ControlClient
from penstock.core.client.remote_server import RemoteServer

FAILS = "kind: Model\nmetadata: {name: new}\nspec: {python: 'models:Fails'}\n"
RUN = ("run", "gateway", "--scheduler")
TRIAL = """\
kind: Experiment
metadata: {name: trial}
spec:
  candidates: [{name: old, weight: 50}, {name: new, weight: 50}]
  guard: {maxErrorRate: 0.2, minRequests: 50}
  rollout: {steps: [{weight: 30, minRequests: 100000}, {weight: 100}]}
"""


async def conditions(place: str) -> dict[str, str]:
    """The sentences of the conditions of the experiment."""
    async with ControlClient(RemoteServer.at(place)) as control:
        await control.reach(PATIENCE_S)
        document = await control.get("Experiment", "trial")
    return {each["type"]: each["message"] for each in document["status"]["conditions"]}


async def rolled_back(place: str) -> None:
    """Wait until it is."""
    async with ControlClient(RemoteServer.at(place)) as control:
        await control.reach(PATIENCE_S)
        async for event in control.watch("Experiment", 0):
            if any(each["type"] == "Settled" for each in event.resource["status"]["conditions"]):
                return


async def test_a_failing_arm_is_rolled_back_and_stays_so_when_the_scheduler_is_killed(
    tmp_path: Path,
) -> None:
    """The models are on a server elsewhere, so that only the scheduler is missing meanwhile."""
    models = write(tmp_path / "models", times("old", 2), FAILS)
    folder = tmp_path / "scheduler"
    folder.mkdir()
    (folder / "penstock.yaml").write_text("scheduler: {database: penstock.db}\n")
    up = ("up", "-c", "penstock.yaml", "--rest-port", "0", "--grpc-port")
    with (
        program(tmp_path / "models", "up", *PORTS, models) as far,
        program(folder, *up, "0") as scheduler,
        program(tmp_path / "gateway", *RUN, scheduler.grpc, *PORTS) as gateway,
    ):
        far.ready()
        documents = (server("far", far.grpc, "far"), remote("old", "far"), remote("new", "far"))
        await apply(scheduler.grpc, folder, *documents, TRIAL)
        gateway.ready()
        async with client_of(gateway.grpc) as client:
            await until(client, "trial.experiment", lambda said: said == 2.0)
            async with load(client, "trial.experiment") as asking:
                await rolled_back(scheduler.grpc)
                said = await conditions(scheduler.grpc)
                assert "arm 'new': 100.0% of " in said["Settled"]
                assert "it has ended" in said["RollingOut"]
                scheduler.kill()
                await asking.goes_on()
            assert {error.code for error in asking.failures} == {"step-failed"}
            assert set(asking.values) == {2.0}
            with program(folder, *up, scheduler.grpc_port) as again:
                again.ready()
                assert "arm 'new': 100.0% of " in (await conditions(again.grpc))["Settled"]
                async with load(client, "trial.experiment") as asking:
                    await asking.goes_on()
                assert asking.failures == []
                gateway.stop()
                again.stop()
        far.stop()
