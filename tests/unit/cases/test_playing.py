"""Cases that are played: what was recorded comes again, whatever had happened."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest

from harness.builtin import builtin_entry_points
from harness.gateway_world import Act, GatewayWorld
from harness.virtual_time import in_virtual_time
from penstock.core.cases import Case, CaseExporter, read_case, write_case
from penstock.core.cases.player import PlayOptions, play
from penstock.core.clock import VirtualClock
from penstock.core.config import Config
from penstock.core.contracts.model import ModelCall, ModelInstance
from penstock.core.errors import InvalidRequestError, NotReadyError
from penstock.core.inference import InferenceRequest
from penstock.core.journal.documents import whole
from penstock.core.pipeline_gateway import GatewayLimits
from penstock.core.plan import Recording
from penstock.core.plugins.manager import assemble
from penstock.core.plugins.plugins import Plugins
from penstock.core.records import Tensors
from penstock.core.tensors import Tensor
from penstock.testing.scripts import tensor

REQUEST = InferenceRequest("7", (Tensor("x", "INT32", (2,), bytes(range(8))),))
LIMITS = GatewayLimits(deadline_ms=100.0)


class Scripted(ModelInstance):
    """Loops three times, fails twice before it answers, or is off and on with absence."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self._kind = kind

    def infer(self, call: ModelCall) -> Tensors | Awaitable[Tensors]:
        if self._kind == "loop":
            return (tensor("again"),) if call.round < 2 else (tensor("end"),)
        if self._kind == "nothing":
            return ()
        if call.attempt < 3:
            raise NotReadyError(f"not yet, {call.attempt}")
        return (tensor("y"),)


@pytest.fixture(scope="module")
def plugins() -> Plugins:
    return assemble(Config(), entry_points=builtin_entry_points())


def recorded(
    spec: dict[str, Any], record: Recording = "all", cancel_ms: float | None = None
) -> Case:
    """A request over models that take 3, 10 and no milliseconds, never answer, fail, and more."""

    async def main(clock: VirtualClock) -> Case:
        at = GatewayWorld(clock, LIMITS, most_per_model=256)
        at.model("quick", [Act("after", 3.0)])
        at.model("slow", [Act("after", 10.0)])
        at.model("now", [Act("now")])
        at.model("never", [Act("never")])
        at.model("broken", [Act("fails", 5.0)])
        for kind in ("loop", "nothing", "flaky"):
            at.models.publish(kind, 1, Scripted(kind))
        at.pipeline("inner", {"steps": [{"name": "quick"}], "output": {"steps": ["quick"]}}, "all")
        at.pipeline("p", spec, record=record)
        ticket = at.gateway.resolve("p").submit(
            REQUEST, {"x-request-id": "m"}, None, lambda _: None
        )
        if cancel_ms is not None:
            await asyncio.sleep(cancel_ms / 1000.0)
            ticket.cancel()
        await at.gateway.drain()
        story = at.desk.story(ticket.identity)
        exporter = CaseExporter(lambda kind, name: None, {}, {})
        return read_case(write_case(exporter.case(story, [])), "p.penstock")

    return in_virtual_time(main)


def steps(*written: dict[str, Any], output: Any = None, **more: Any) -> dict[str, Any]:
    return {"steps": list(written), "output": output or {"steps": [written[-1]["name"]]}, **more}


SPECS = {
    "chain": steps({"name": "quick"}, {"name": "now", "inputs": ["quick"]}),
    "diamond": steps(
        {"name": "quick"},
        {"name": "slow"},
        {
            "name": "join",
            "model": "now",
            "inputs": ["quick.outputs.y", "slow.outputs.y"],
            "tensorMap": {"quick.outputs.y": "a", "slow.outputs.y": "b"},
        },
    ),
    "any": steps(
        {"name": "quick"},
        {"name": "slow"},
        {"name": "join", "model": "now", "inputs": ["quick", "slow"], "inputsJoinType": "any"},
    ),
    "window": steps(
        {"name": "quick"},
        {"name": "never"},
        {
            "name": "join",
            "model": "now",
            "inputs": ["quick", "never"],
            "inputsJoinType": "outer",
            "joinWindowMs": 20,
        },
    ),
    "a time of the join's own": steps(
        {"name": "quick"},
        {"name": "slow"},
        {"name": "never"},
        {
            "name": "join",
            "model": "now",
            "inputs": ["quick.outputs.y", "slow.outputs.y", "never.outputs.y"],
            "tensorMap": {"quick.outputs.y": "a", "slow.outputs.y": "b", "never.outputs.y": "c"},
            "inputsJoinType": "quorum(3, withinMs=30)",
        },
    ),
    "deadline": steps({"name": "quick"}, {"name": "never", "inputs": ["quick"]}),
    "timeout": steps({"name": "never", "timeoutMs": 20, "onError": "absent"}, {"name": "quick"}),
    "failure": steps({"name": "broken"}, {"name": "now", "inputs": ["broken"]}),
    "failure as absence": steps(
        {"name": "broken", "onError": "absent"},
        {"name": "quick"},
        output={"steps": ["broken", "quick"], "stepsJoin": "outer"},
    ),
    "retries": steps({"name": "flaky", "retries": 3, "retryBackoffMs": 5}),
    "nothing": steps({"name": "nothing"}, {"name": "quick", "inputs": ["nothing"]}),
    "loop": steps(
        {"name": "loop", "inputs": ["p", "loop.outputs.again"], "inputsJoinType": "any"},
        output={"steps": ["loop.outputs.end"]},
        allowCycles=True,
    ),
    "triggers": steps({"name": "slow"}, {"name": "quick", "triggers": ["slow"]}),
    "child": steps({"name": "child", "pipeline": "inner"}),
}


@pytest.mark.parametrize("name", SPECS)
async def test_played_back_everything_comes_as_it_was(name: str, plugins: Plugins) -> None:
    case = await asyncio.to_thread(recorded, SPECS[name])
    played = await play(case, plugins, PlayOptions("recorded"))
    assert list(played.differences) == []
    assert played.answer_is_the_same
    before, after = whole(case.story), whole(played.story)
    assert after["outcome"] == before["outcome"]
    if name != "retries":  # when the next attempt begins is not recorded
        for story in (before, after):
            for each in story["records"]:
                each["reason"] = None  # of a failure as absence it is told twice
        assert after["records"] == before["records"]
        assert after["took_ms"] == before["took_ms"]


async def test_a_caller_who_went_away_goes_away_again(plugins: Plugins) -> None:
    case = await asyncio.to_thread(recorded, SPECS["diamond"], "all", 5.0)
    played = await play(case, plugins, PlayOptions("recorded"))
    assert list(played.differences) == []
    assert whole(played.story)["outcome"] == "cancelled"


@pytest.mark.parametrize(
    ("options", "real"),
    [
        (PlayOptions("recorded"), set()),
        (PlayOptions(), {"quick", "slow", "join"}),
        (PlayOptions(from_step="slow"), {"slow", "join"}),
        (PlayOptions(from_step="join"), {"join"}),
    ],
)
async def test_steps_that_follow_are_called_as_well(
    options: PlayOptions, real: set[str], plugins: Plugins
) -> None:
    from penstock.core.cases.player import real_steps
    from penstock.core.plan.compiler import compile_pipeline
    from penstock.core.resources import Pipeline

    pipeline = Pipeline.model_validate({"metadata": {"name": "p"}, "spec": SPECS["diamond"]})
    plan = compile_pipeline(pipeline, 1, plugins.joins, record="all")
    assert real_steps(plan, options) == real


async def test_an_unknown_step_is_refused_with_the_nearest(plugins: Plugins) -> None:
    case = await asyncio.to_thread(recorded, SPECS["diamond"])
    with pytest.raises(InvalidRequestError, match="has no step 'slwo'; did you mean 'slow'"):
        await play(case, plugins, PlayOptions(from_step="slwo"))


async def test_what_was_not_kept_cannot_be_played_back(plugins: Plugins) -> None:
    case = await asyncio.to_thread(recorded, SPECS["diamond"], "boundary")
    assert case.missing[0] == (
        "the ports of its steps: pipeline 'p' has record: boundary; all keeps them"
    )
    with pytest.raises(InvalidRequestError, match=r"record: boundary.*--models real"):
        await play(case, plugins, PlayOptions("recorded"))


async def test_a_model_without_a_manifest_is_named(plugins: Plugins) -> None:
    case = await asyncio.to_thread(recorded, SPECS["chain"])
    assert "the manifest of model 'quick': there is none any more" in case.missing
    with pytest.raises(InvalidRequestError, match=r"no manifest of model 'quick'.*recorded"):
        await play(case, plugins, PlayOptions())
