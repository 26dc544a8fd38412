"""Answers that name the steps they were made without, on the real gateway in virtual time."""

from __future__ import annotations

from typing import Any

import pytest

from harness.gateway_world import Act, Caller, GatewayWorld
from harness.virtual_time import in_virtual_time
from penstock.core.clock import VirtualClock
from penstock.core.contracts.follower import Follower
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.pipeline_gateway import GatewayLimits
from penstock.testing.scripts import tensor
from unit.gateway.test_followed import Everybody

OUTER: dict[str, Any] = {
    "steps": [{"name": "a"}, {"name": "b"}, {"name": "c"}],
    "output": {"steps": ["a", "b", "c"], "stepsJoin": "outer", "joinWindowMs": "auto"},
}
PARENT = {"steps": [{"name": "d", "pipeline": "p"}], "output": {"steps": ["d"]}}


def world(clock: VirtualClock, follower: Follower | None = None) -> GatewayWorld:
    made = GatewayWorld(clock, GatewayLimits(), most_per_model=256)
    if follower is not None:
        made.follow_with(follower)
    made.model("a", [Act("now")])
    made.model("b", [Act("never")])
    made.model("c", [Act("after", 5000.0)])
    made.pipeline("p", OUTER, record="boundary")
    made.pipeline("parent", PARENT, record="boundary")
    return made


async def asked(at: GatewayWorld, name: str, timeout_ms: float) -> tuple[Any, list[str]]:
    caller = Caller(at)
    caller.send(name, timeout_ms)
    await at.gateway.drain()
    (reply,) = caller.replies
    assert isinstance(reply, InferenceResponse)
    assert caller.ticket is not None
    missing: list[str] = at.desk.inspect(caller.ticket.identity)["missing"]
    return reply.parameters.get("penstock-missing"), missing


def test_answer_and_story_name_what_was_too_late() -> None:
    async def main(clock: VirtualClock) -> None:
        at = world(clock)
        assert await asked(at, "p", 1000.0) == ("b, c", ["b", "c"])
        assert clock.now_ms() == 1000.0
        assert await asked(at, "p", 6000.0) == ("b", ["b"])

    in_virtual_time(main)


def test_of_a_pipeline_that_is_a_step_too() -> None:
    async def main(clock: VirtualClock) -> None:
        at = world(clock)
        assert await asked(at, "parent", 1000.0) == ("d/b, d/c", ["d/b", "d/c"])

    in_virtual_time(main)


@pytest.mark.parametrize("children", [True, False])
def test_of_a_step_of_a_request_that_is_followed_too(*, children: bool) -> None:
    """Its visits have headers of their own, and what they go without is the request's all the
    same; also where the one who follows leaves the children out."""

    async def main(clock: VirtualClock) -> None:
        follower = Everybody(lambda seen: children or not seen.child)
        at = world(clock, follower)
        assert await asked(at, "parent", 1000.0) == ("d/b, d/c", ["d/b", "d/c"])
        assert [seen.name for seen in follower.seen] == ["parent", "p"]

    in_virtual_time(main)


@pytest.mark.parametrize("follower", [None, Everybody()])
def test_of_a_request_that_nobody_waits_for_too(follower: Follower | None) -> None:
    async def main(clock: VirtualClock) -> None:
        at = world(clock, follower)
        at.model("b", [Act("after", 599_999.0)])
        at.pipeline("p", {**OUTER, "output": {**OUTER["output"], "joinWindowMs": 1000}})
        request = InferenceRequest("7", (tensor("x"),))
        ticket = at.gateway.resolve("parent").accept(request, {})
        await at.gateway.drain()
        result = at.desk.story(ticket.identity).result
        assert isinstance(result, InferenceResponse)
        assert result.parameters["penstock-missing"] == "d/b, d/c"

    in_virtual_time(main)


def test_nothing_is_named_where_nothing_is_missing() -> None:
    async def main(clock: VirtualClock) -> None:
        at = world(clock)
        at.model("b", [Act("now")])
        assert await asked(at, "p", 6000.0) == (None, [])

    in_virtual_time(main)


def test_calls_that_are_given_up_count_among_the_usual_times() -> None:
    async def main(clock: VirtualClock) -> None:
        at = world(clock)
        for _ in range(10):
            await asked(at, "p", 1000.0)
        counters = at.metrics.pipelines["p", False].steps
        usual = {step: each.recent and each.recent.usual_ms for (step, _), each in counters.items()}
        assert usual == {"a": 0.0, "b": 1000.0, "c": 1000.0}
        assert counters["b", "b"].calls.total == 0, "only attempts that ended are counted"

    in_virtual_time(main)
