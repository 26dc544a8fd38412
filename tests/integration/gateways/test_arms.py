"""What a gateway counts concludes experiments, and outlives a scheduler that is killed."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, Final

from harness.program import program
from integration.gateways.rig import (
    PATIENCE_S,
    PORTS,
    Load,
    apply,
    client_of,
    get,
    load,
    remote,
    server,
    times,
    until,
    write,
)
from penstock.core.client.control import ControlClient
from penstock.core.client.remote_server import RemoteServer
from penstock.servers.v2 import V2Client

FAILS = "kind: Model\nmetadata: {name: fails}\nspec: {python: 'models:Fails'}\n"
RUN = ("run", "gateway", "--scheduler")

GUARDS: Final = {
    "fails": ("maxErrorRate: 0.2", "arm 'fails': 100.0% of "),
    "late": ("maxLatencyMs: {p95: 50}", "spec.guard.maxLatencyMs.p95 is 50"),
    "high": ("metric: {name: y, max: 10}", "spec.guard.metric.max is 10"),
}
"""What of each arm is beyond which bound, and words of the sentence that says so."""


def trial(arm: str, bound: str) -> str:
    """An experiment that the arm loses."""
    return (
        f"kind: Experiment\nmetadata: {{name: trial-{arm}}}\nspec:\n"
        f"  candidates: [{{name: old, weight: 50}}, {{name: {arm}, weight: 50}}]\n"
        "  metrics: [{name: y, measure: tensor-mean}]\n"
        f"  guard: {{{bound}, minRequests: 50}}\n"
        "  rollout: {steps: [{weight: 30, minRequests: 100000}, {weight: 100}]}\n"
    )


STEPS = """\
kind: Experiment
metadata: {name: steps}
spec:
  candidates: [{name: old, weight: 100}, {name: high, weight: 0}]
  rollout:
    steps: [{weight: 30, minRequests: 20}, {weight: 60, minRequests: 1000000}, {weight: 100}]
"""


async def condition(place: str, experiment: str, type: str, words: str = "") -> str:
    """Wait for a condition with these words; its sentence."""
    async with ControlClient(RemoteServer.at(place)) as control:
        await control.reach(PATIENCE_S)
        async with asyncio.timeout(PATIENCE_S):
            async for event in control.watch("Experiment", 0):
                metadata, status = event.resource["metadata"], event.resource["status"]
                for each in status["conditions"]:
                    found = (metadata["name"], each["type"]) == (experiment, type)
                    if found and words in each["message"]:
                        return str(each["message"])
    raise AssertionError("the server has stopped")


async def loses(client: V2Client, place: str, arm: str) -> None:
    """Ask until the arm has lost."""
    async with load(client, f"trial-{arm}.experiment") as asking:
        said = await condition(place, f"trial-{arm}", "Settled")
        assert GUARDS[arm][1] in said
        assert f"arm '{arm}'" in said
        assert "it has ended" in await condition(place, f"trial-{arm}", "RollingOut")
    codes = {error.code for error in asking.failures}
    assert codes == ({"step-failed"} if arm == "fails" else set())


async def counted(rest: str, requests: int) -> dict[str, Any]:
    """Wait for a report of so many requests."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            _, text = await get(f"{rest}/v1/experiments/steps/report")
            report: dict[str, Any] = json.loads(text)
            if sum(arm["requests"] for arm in report["arms"]) >= requests:
                return report
            await asyncio.sleep(0.1)


async def test_arms_conclude_and_nothing_of_it_goes_with_the_scheduler(tmp_path: Path) -> None:
    """The models are on a server elsewhere, so that only the scheduler is missing meanwhile."""
    late = times("late", 2).replace("by: 2", "by: 2, s: 0.1")
    models = write(tmp_path / "models", times("old", 2), times("high", 50), late, FAILS)
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
        remotes = [remote(name, "far") for name in ("old", *GUARDS)]
        trials = [trial(arm, bound) for arm, (bound, _) in GUARDS.items()]
        documents = (server("far", far.grpc, "far"), *remotes, *trials, STEPS)
        await apply(scheduler.grpc, folder, *documents)
        gateway.ready()
        async with client_of(gateway.grpc) as client:
            for name in (*[f"trial-{arm}" for arm in GUARDS], "steps"):
                await until(client, f"{name}.experiment", lambda said: isinstance(said, float))
            steps = Load(client, "steps.experiment")
            await asyncio.gather(*[loses(client, scheduler.grpc, arm) for arm in GUARDS])
            await condition(scheduler.grpc, "steps", "RollingOut", "step 2 of 3")
            await steps.goes_on(100)
            scheduler.kill()
            await steps.goes_on()
            await steps.stop()
            assert (steps.failures, set(steps.values)) == ([], {2.0, 50.0})
            with program(folder, *up, scheduler.grpc_port) as again:
                again.ready()
                for arm, (_, words) in GUARDS.items():
                    assert words in await condition(again.grpc, f"trial-{arm}", "Settled")
                async with load(client, "trial-fails.experiment") as asking:
                    await asking.goes_on()
                assert (asking.failures, set(asking.values)) == ([], {2.0})
                assert "step 2 of 3" in await condition(again.grpc, "steps", "RollingOut")
                # With what came shortly before the end of the other, and while there was none.
                asked = steps.answers + 1
                report = await counted(again.addresses["rest"], asked)
                assert sum(arm["requests"] for arm in report["arms"]) == asked
                assert [arm["share"] for arm in report["arms"]] == [40.0, 60.0]
                gateway.stop()
                again.stop()
        far.stop()
