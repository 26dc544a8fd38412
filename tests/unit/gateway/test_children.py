"""Pipelines as steps of others, on the real gateway in virtual time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from harness.gateway_world import Act, Caller, GatewayWorld
from harness.virtual_time import in_virtual_time
from penstock.core.clock import VirtualClock
from penstock.core.errors import (
    CancelledRequestError,
    DeadlineError,
    NoOutputError,
    NotReadyError,
    OverloadedError,
    PenstockError,
)
from penstock.core.inference import InferenceResponse
from penstock.core.pipeline_gateway import GatewayLimits

INNER = {"steps": [{"name": "a"}, {"name": "b", "inputs": ["a"]}], "output": {"steps": ["b"]}}
OUTER = {
    "steps": [{"name": "first"}, {"name": "c", "pipeline": "inner", "inputs": ["first"]}],
    "output": {"steps": ["c"]},
}


def world(clock: VirtualClock, *acts: Act, limits: GatewayLimits | None = None) -> GatewayWorld:
    """``a`` of the inner pipeline goes through these acts; the others answer at once."""
    made = GatewayWorld(clock, limits or GatewayLimits(), most_per_model=256)
    for name in ("first", "b"):
        made.model(name, [Act("now")])
    made.model("a", acts or [Act("after", 10.0)])
    made.pipeline("inner", INNER, record="all")
    made.pipeline("outer", OUTER, record="all")
    return made


async def asked(at: GatewayWorld, timeout_ms: float | None = None) -> Caller:
    caller = Caller(at)
    caller.send("outer", timeout_ms)
    await at.gateway.drain()
    return caller


def error_of_one(caller: Caller) -> PenstockError:
    (reply,) = caller.replies
    assert isinstance(reply, PenstockError)
    return reply


@pytest.mark.parametrize("way", ["now", "after"])
def test_child_is_a_request_of_its_own(way: Any) -> None:
    async def main(clock: VirtualClock) -> None:
        at = world(clock, Act(way, 10.0))
        caller = await asked(at)
        (reply,) = caller.replies
        assert isinstance(reply, InferenceResponse)
        assert caller.ticket is not None
        parent = at.desk.story(caller.ticket.identity)
        child = at.desk.story(f"{parent.identity}/c.0.1")
        assert (child.pipeline, child.outcome, child.asynchronous) == ("inner", "ok", False)
        assert child.deadline_ms == parent.deadline_ms
        assert [str(record.port) for record in child.records][0::5] == ["inputs", "outputs"]
        assert at.metrics.pipelines["inner", False].answers == {"ok": 1}
        assert at.dataflow.open_passages == 0

    in_virtual_time(main)


def test_failure_of_a_child_names_the_step_within() -> None:
    async def main(clock: VirtualClock) -> None:
        at = world(clock, Act("fails", 3.0))
        error = error_of_one(await asked(at))
        assert isinstance(error, OverloadedError)
        assert (error.step, error.message) == ("c/a", "a model failed")
        assert at.desk.letters() == [], "the caller was told"

    in_virtual_time(main)


def test_no_output_of_a_child_is_absence() -> None:
    async def main(clock: VirtualClock) -> None:
        at = world(clock)
        at.pipeline("inner", {"steps": [{"name": "a"}], "output": {"steps": ["a.outputs.z"]}})
        error = error_of_one(await asked(at))
        assert isinstance(error, NoOutputError)
        assert error.details == ("c.outputs: step 'c' put out nothing",)

    in_virtual_time(main)


def test_each_try_is_a_child() -> None:
    spec = {
        "steps": [{"name": "c", "pipeline": "inner", "retries": 1, "retryBackoffMs": 4}],
        "output": {"steps": ["c"]},
    }

    async def main(clock: VirtualClock) -> None:
        at = world(clock, Act("fails", 3.0), Act("now"))
        at.pipeline("outer", spec, record="all")
        caller = await asked(at)
        (reply,) = caller.replies
        assert isinstance(reply, InferenceResponse)
        assert caller.ticket is not None
        outcomes = [
            at.desk.story(f"{caller.ticket.identity}/c.0.{number}").outcome for number in (1, 2)
        ]
        assert outcomes == ["overloaded", "ok"]

    in_virtual_time(main)


def test_deadline_of_the_parent_is_that_of_the_child() -> None:
    async def main(clock: VirtualClock) -> None:
        at = world(clock, Act("never"))
        error = error_of_one(await asked(at, 20.0))
        assert isinstance(error, DeadlineError)
        assert clock.now_ms() == pytest.approx(20.0, abs=0.1)
        assert at.dataflow.open_passages == 0

    in_virtual_time(main)


def test_attempt_that_is_given_up_gives_its_child_up() -> None:
    spec = {
        "steps": [{"name": "c", "pipeline": "inner", "timeoutMs": 5, "onError": "absent"}],
        "output": {"steps": ["c"]},
    }

    async def main(clock: VirtualClock) -> None:
        at = world(clock, Act("never"))
        at.pipeline("outer", spec)
        assert isinstance(error_of_one(await asked(at)), NoOutputError)
        assert clock.now_ms() == pytest.approx(5.0, abs=0.1)
        assert [event for event in at.log if event.startswith("call")] == [at.log[0]]

    in_virtual_time(main)


def test_caller_that_leaves_gives_the_child_up() -> None:
    async def main(clock: VirtualClock) -> None:
        at = world(clock)
        caller = Caller(at)
        caller.send("outer")
        await asyncio.sleep(0.005)
        caller.cancel()
        await at.gateway.drain()
        assert isinstance(error_of_one(caller), CancelledRequestError)
        assert caller.ticket is not None
        child = at.desk.story(f"{caller.ticket.identity}/c.0.1")
        assert child.outcome == "cancelled"
        # The step behind it in the child was not called any more.
        assert child.ended_ms == pytest.approx(5.0, abs=0.1)

    in_virtual_time(main)


def test_children_do_not_wait_for_a_place_that_their_parents_hold() -> None:
    async def main(clock: VirtualClock) -> None:
        at = world(clock, limits=GatewayLimits(in_flight=2, waiting=10))
        callers = [Caller(at) for _ in range(6)]
        for caller in callers:
            caller.send("outer")
        await at.gateway.drain()
        assert all(isinstance(caller.replies[0], InferenceResponse) for caller in callers)

    in_virtual_time(main)


def test_child_that_goes_finishes_and_leaves_its_parent_not_ready() -> None:
    async def main(clock: VirtualClock) -> None:
        at = world(clock)
        before = Caller(at)
        before.send("outer")
        await asyncio.sleep(0.005)
        at.remove("inner")
        after = Caller(at)
        after.send("outer")
        await at.gateway.drain()
        assert isinstance(before.replies[0], InferenceResponse)
        error = error_of_one(after)
        assert isinstance(error, NotReadyError)
        assert (error.step, error.message) == (
            "c",
            "pipeline 'inner' is not ready: it was deleted",
        )

    in_virtual_time(main)


def test_new_version_of_a_child_is_called_by_requests_to_come() -> None:
    async def main(clock: VirtualClock) -> None:
        at = world(clock)
        old = Caller(at)
        old.send("outer")
        await asyncio.sleep(0.005)
        at.pipeline("inner", {"steps": [{"name": "b"}], "output": {"steps": ["b"]}}, record="all")
        new = Caller(at)
        new.send("outer")
        assert len(new.replies) == 1
        assert old.replies == []
        await at.gateway.drained("pipeline", "inner", 1)
        assert len(old.replies) == 1
        versions = [at.desk.story(f"{_identity(each)}/c.0.1").version for each in (old, new)]
        assert versions == [1, 2]

    in_virtual_time(main)


def _identity(caller: Caller) -> str:
    assert caller.ticket is not None
    return caller.ticket.identity


def test_loop_calls_a_child_in_each_round() -> None:
    spec = {
        "allowCycles": True,
        "maxStepRevisits": 2,
        "steps": [
            {"name": "c", "pipeline": "inner", "inputs": ["outer", "c"], "inputsJoinType": "any"}
        ],
        "output": {"steps": ["c.outputs.never"]},
    }

    async def main(clock: VirtualClock) -> None:
        at = world(clock, Act("now"))
        at.pipeline("outer", spec)
        caller = await asked(at)
        for number in range(3):
            assert at.desk.story(f"{_identity(caller)}/c.{number}.1").outcome == "ok"
        assert error_of_one(caller).code == "step-failed"

    in_virtual_time(main)


def test_depth_of_nesting_is_that_of_the_pipelines() -> None:
    async def main(clock: VirtualClock) -> None:
        at = world(clock, Act("now"))
        below = "inner"
        for number in range(20):
            name = f"level{number}"
            at.pipeline(
                name,
                {"steps": [{"name": "s", "pipeline": below}], "output": {"steps": ["s"]}},
            )
            below = name
        caller = Caller(at)
        caller.send(below)
        (reply,) = caller.replies
        assert isinstance(reply, InferenceResponse)
        at.model("a", [Act("raises")])
        failing = Caller(at)
        failing.send(below)
        assert error_of_one(failing).step == "s/" * 20 + "a"

    in_virtual_time(main)
