"""Requests that are remembered, on the real gateway in virtual time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from harness.gateway_world import Act, Caller, GatewayWorld
from harness.virtual_time import in_virtual_time
from penstock.core.clock import VirtualClock
from penstock.core.errors import NotFoundError, NotReadyError, OverloadedError
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.journal import Story
from penstock.core.pipeline_gateway import GatewayLimits
from penstock.testing.scripts import tensor

CHAIN = {"steps": [{"name": "a"}, {"name": "b", "inputs": ["a"]}], "output": {"steps": ["b"]}}
SILENT = {"steps": [{"name": "a"}]}
REQUEST = InferenceRequest("7", (tensor("x"),))


def world(clock: VirtualClock, limits: GatewayLimits | None = None) -> GatewayWorld:
    """A model that takes 10 ms, and one that answers at once."""
    made = GatewayWorld(clock, limits or GatewayLimits(), most_per_model=256)
    made.model("a", [Act("after", 10.0)])
    made.model("b", [Act("now")])
    return made


def accepted(at: GatewayWorld, name: str) -> Story:
    identity = at.gateway.resolve(name).accept(REQUEST, {"x-request-id": "mine"}).identity
    return at.desk.story(identity)


def test_visits_that_shared_a_call_say_so() -> None:
    async def main(clock: VirtualClock) -> None:
        at = world(clock)
        spec = {
            "steps": [{"name": "a", "batch": {"size": 8, "windowMs": 5}}],
            "output": {"steps": ["a"]},
        }
        at.pipeline("p", spec, "all")
        stories = [accepted(at, "p") for _ in range(3)]
        await at.gateway.drain()
        for story in stories:
            assert {str(each.port): each.shared_by for each in story.records} == {
                "inputs": 1,
                "a.inputs": 1,
                "a.outputs": 3,
                "outputs": 1,
            }
        (step,) = at.metrics.pipelines["p", False].steps.values()
        assert step.calls.total == 1
        assert step.batches is not None
        assert sum(step.batches.counts) == 1

    in_virtual_time(main)


def ports(story: Story) -> list[tuple[str, float]]:
    return [(str(record.port), record.at_ms) for record in story.records]


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (
            "all",
            [
                ("inputs", 0.0),
                ("a.inputs", 0.0),
                ("a.outputs", 10.0),
                ("b.inputs", 10.0),
                ("b.outputs", 10.0),
                ("outputs", 10.0),
            ],
        ),
        ("boundary", [("inputs", 0.0), ("outputs", 10.0)]),
        ("none", []),
    ],
)
def test_ports_are_kept_as_the_pipeline_says(
    record: Any, expected: list[tuple[str, float]]
) -> None:
    async def main(clock: VirtualClock) -> None:
        at = world(clock)
        at.pipeline("p", CHAIN, record=record)
        caller = Caller(at)
        caller.send("p")
        await at.gateway.drain()
        assert caller.ticket is not None
        if record == "none":
            with pytest.raises(NotFoundError, match="nothing is known of request"):
                at.desk.story(caller.ticket.identity)
        else:
            story = at.desk.story(caller.ticket.identity)
            assert ports(story) == expected
            assert story.result is caller.replies[0]
            assert (story.answered_ms, story.ended_ms) == (10.0, 10.0)
        # What nobody waits for is always remembered, its ports as the pipeline says.
        story = accepted(at, "p")
        assert story.outcome is None
        await at.gateway.drain()
        assert [port for port, _ in ports(story)] == [port for port, _ in expected]
        assert isinstance(story.result, InferenceResponse)
        assert story.result.id == "7"

    in_virtual_time(main)


def test_pipeline_without_output_is_for_requests_that_nobody_waits_for() -> None:
    async def main(clock: VirtualClock) -> None:
        at = world(clock)
        at.pipeline("p", SILENT)
        story = accepted(at, "p")
        assert story.outcome is None
        await at.gateway.drain()
        assert isinstance(story.result, InferenceResponse)
        assert story.result.tensors == ()
        assert story.ended_ms == 10.0
        assert at.metrics.pipelines["p", False].answers == {"ok": 1}

    in_virtual_time(main)


@pytest.mark.parametrize("spec", [CHAIN, SILENT])
def test_failure_that_nobody_waits_for_is_one_dead_letter(spec: dict[str, Any]) -> None:
    async def main(clock: VirtualClock) -> None:
        at = world(clock)
        at.model("a", [Act("fails", 3.0), Act("now")])
        at.pipeline("p", spec)
        story = accepted(at, "p")
        await at.gateway.drain()
        assert story.outcome == "overloaded"
        (letter,) = at.desk.letters()
        assert at.metrics.pipelines["p", False].dead_letters == 1
        assert (letter["id"], letter["code"], letter["step"]) == (story.identity, "overloaded", "a")
        again = at.desk.story(at.desk.send_again(letter["number"]))
        await at.gateway.drain()
        assert again.outcome == "ok"
        assert again.headers["penstock-origin"] == story.identity
        assert at.desk.letters() == []

    in_virtual_time(main)


def test_no_output_is_no_dead_letter() -> None:
    async def main(clock: VirtualClock) -> None:
        at = world(clock)
        at.pipeline("p", {"steps": [{"name": "a"}], "output": {"steps": ["a.outputs.never"]}})
        story = accepted(at, "p")
        await at.gateway.drain()
        assert story.outcome == "no-output"
        assert at.desk.letters() == []

    in_virtual_time(main)


def test_it_has_a_deadline_of_its_own() -> None:
    async def main(clock: VirtualClock) -> None:
        limits = GatewayLimits(deadline_ms=5.0, async_deadline_ms=200.0)
        at = world(clock, limits)
        at.model("a", [Act("never")])
        at.pipeline("p", CHAIN)
        at.pipeline("q", {**CHAIN, "input": {"deadlineMs": 50}})
        longer, shorter = accepted(at, "p"), accepted(at, "q")
        await at.gateway.drain()
        assert longer.outcome == shorter.outcome == "deadline"
        assert longer.answered_ms == pytest.approx(200.0)
        assert shorter.answered_ms == pytest.approx(50.0)
        assert len(at.desk.letters()) == 2

    in_virtual_time(main)


def test_intake_is_bounded_for_it_as_well() -> None:
    async def main(clock: VirtualClock) -> None:
        at = world(clock, GatewayLimits(in_flight=1, waiting=1))
        at.pipeline("p", CHAIN)
        first, waits = accepted(at, "p"), accepted(at, "p")
        with pytest.raises(OverloadedError, match="1 requests are in flight and 1 wait"):
            accepted(at, "p")
        await at.gateway.drain()
        assert (first.answered_ms, waits.answered_ms) == (10.0, 20.0)
        at.gateway.close_intake()
        with pytest.raises(NotReadyError, match="stopping"):
            accepted(at, "p")

    in_virtual_time(main)


def test_one_whose_turn_does_not_come_ends_and_is_buried() -> None:
    async def main(clock: VirtualClock) -> None:
        at = world(clock, GatewayLimits(in_flight=1, waiting=1, async_deadline_ms=30.0))
        at.model("a", [Act("after", 100.0)])
        at.pipeline("p", {**CHAIN, "input": {"deadlineMs": 1000}})
        at.pipeline("q", CHAIN)
        accepted(at, "p")
        story = accepted(at, "q")
        await asyncio.sleep(0.05)
        assert (story.outcome, story.ended_ms) == ("deadline", 30.0)
        assert [letter["id"] for letter in at.desk.letters()] == [story.identity]
        await at.gateway.drain()

    in_virtual_time(main)


def test_rounds_of_loops_are_told_apart() -> None:
    spec = {
        "allowCycles": True,
        "steps": [{"name": "b", "inputs": ["p", "b"], "inputsJoinType": "any"}],
        "maxStepRevisits": 2,
        "output": {"steps": ["b.outputs.never"]},
    }

    async def main(clock: VirtualClock) -> None:
        at = world(clock)
        at.pipeline("p", spec, record="all")
        story = accepted(at, "p")
        await at.gateway.drain()
        rounds = [record.round for record in story.records if str(record.port) == "b.outputs"]
        assert rounds == [0, 1, 2, 3]
        assert story.outcome == "step-failed"

    in_virtual_time(main)
