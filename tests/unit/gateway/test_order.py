"""Pipelines that keep the order of their answers, on the real gateway in virtual time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.gateway_world import Act, Caller, GatewayWorld
from harness.virtual_time import in_virtual_time
from penstock.core.clock import VirtualClock
from penstock.core.errors import DeadlineError, OverloadedError
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.pipeline_gateway import GatewayLimits
from penstock.testing.scripts import tensor


def ordered(model: str = "a", **output: Any) -> dict[str, Any]:
    return {
        "steps": [{"name": "s", "model": model}],
        "output": {"steps": ["s"], "order": "partition", **output},
    }


def world(clock: VirtualClock, *acts: Act, limits: GatewayLimits | None = None) -> GatewayWorld:
    made = GatewayWorld(clock, limits or GatewayLimits(), most_per_model=256)
    made.model("a", acts)
    return made


class Sender:
    """Callers of one pipeline, and the order in which they were answered."""

    def __init__(self, at: GatewayWorld) -> None:
        self.world = at
        self.callers: list[Caller] = []
        self.answered: list[int] = []

    def send(self, timeout_ms: float | None = None, then: int = 0) -> Caller:
        """``then`` more are sent from within the reply."""
        number = len(self.callers)

        def replied(caller: Caller) -> None:
            self.answered.append(number)
            for _ in range(then):
                self.send(timeout_ms)

        caller = Caller(self.world, replied)
        self.callers.append(caller)
        caller.send("p", timeout_ms)
        return caller

    def reply(self, number: int) -> object:
        (reply,) = self.callers[number].replies
        return reply


def test_callers_are_answered_in_the_order_in_which_they_came() -> None:
    async def main(clock: VirtualClock) -> None:
        at = world(clock, Act("after", 30.0), Act("after", 1.0), Act("now"))
        at.pipeline("p", ordered())
        sender = Sender(at)
        for _ in range(4):
            sender.send()
        assert sender.answered == []
        await at.gateway.drain()
        assert sender.answered == [0, 1, 2, 3]
        assert all(isinstance(sender.reply(i), InferenceResponse) for i in range(4))

    in_virtual_time(main)


def test_who_sends_from_within_a_reply_comes_last() -> None:
    async def main(clock: VirtualClock) -> None:
        at = world(clock, Act("after", 30.0), Act("now"))
        at.pipeline("p", ordered())
        sender = Sender(at)
        sender.send(then=2)
        sender.send(then=1)
        sender.send()
        await at.gateway.drain()
        assert sender.answered == [0, 1, 2, 3, 4, 5]

    in_virtual_time(main)


def test_results_and_records_of_requests_that_nobody_waits_for_keep_the_order() -> None:
    async def main(clock: VirtualClock) -> None:
        at = world(clock, Act("after", 30.0), Act("after", 1.0))
        at.pipeline("p", ordered(), "boundary")
        request = InferenceRequest("7", (tensor("x"),))
        tickets = [at.gateway.resolve("p").accept(request, {}) for _ in range(3)]
        first, *others = [at.desk.story(ticket.identity) for ticket in tickets]
        await asyncio.sleep(0.010)
        assert all(story.result is None for story in (first, *others))
        await at.gateway.drain()
        assert [story.answered_ms for story in (first, *others)] == [first.answered_ms] * 3
        assert [[str(each.port) for each in story.records] for story in others] == [
            ["inputs", "outputs"]
        ] * 2
        assert others[0].records[1].at_ms == first.records[1].at_ms

    in_virtual_time(main)


def test_intake_pauses_while_enough_may_be_held_back() -> None:
    async def main(clock: VirtualClock) -> None:
        at = world(clock, Act("after", 30.0), Act("after", 1.0))
        at.pipeline("p", ordered(maxHeld=2))
        sender = Sender(at)
        for _ in range(6):
            sender.send()
        await asyncio.sleep(0.010)
        assert at.dataflow.open_passages == 3
        await at.gateway.drain()
        assert sender.answered == list(range(6))
        assert all(isinstance(sender.reply(i), InferenceResponse) for i in range(6))

    in_virtual_time(main)


def test_other_partitions_and_pipelines_go_on() -> None:
    async def main(clock: VirtualClock) -> None:
        at = world(clock, Act("after", 30.0), Act("after", 1.0))
        at.model("b", [Act("now")])
        at.pipeline("p", ordered(maxHeld=1))
        at.pipeline("q", ordered("b", maxHeld=1))
        at.pipeline("r", {"steps": [{"name": "b"}], "output": {"steps": ["b"]}})
        sender = Sender(at)
        for _ in range(4):
            sender.send()
        for name in ("q", "r"):
            other = Caller(at)
            other.send(name)
            assert len(other.replies) == 1
        await at.gateway.drain()
        assert sender.answered == [0, 1, 2, 3]

    in_virtual_time(main)


def test_who_waits_for_room_has_the_patience_of_its_deadline() -> None:
    async def main(clock: VirtualClock) -> None:
        at = world(clock, Act("after", 30.0))
        at.pipeline("p", ordered(maxHeld=1))
        sender = Sender(at)
        for timeout_ms in (None, None, 10.0, None):
            sender.send(timeout_ms)
        await at.gateway.drain()
        assert sender.answered == [2, 0, 1, 3]
        error = sender.reply(2)
        assert isinstance(error, DeadlineError)
        assert error.message == (
            "the deadline of 10 ms passed while the request waited for its turn; pipeline 'p' "
            "keeps the order of its answers, and waits for earlier ones"
        )

    in_virtual_time(main)


def test_too_many_that_wait_for_room_are_refused() -> None:
    async def main(clock: VirtualClock) -> None:
        at = world(clock, Act("after", 30.0), limits=GatewayLimits(waiting=1))
        at.pipeline("p", ordered(maxHeld=1))
        sender = Sender(at)
        for _ in range(4):
            sender.send()
        error = sender.reply(3)
        assert isinstance(error, OverloadedError)
        assert error.message == (
            "pipeline 'p' keeps the order of its answers, and 1 wait for room in such orders; "
            "send the request again later, or raise output.maxHeld"
        )
        await at.gateway.drain()
        assert sender.answered == [3, 0, 1, 2]

    in_virtual_time(main)


def test_who_waits_for_room_and_leaves_is_forgotten() -> None:
    async def main(clock: VirtualClock) -> None:
        at = world(clock, Act("after", 30.0))
        at.pipeline("p", ordered(maxHeld=1))
        sender = Sender(at)
        callers = [sender.send() for _ in range(4)]
        callers[2].cancel()
        await at.gateway.drain()
        assert sender.answered == [2, 0, 1, 3]
        assert at.log.count(f"call {callers[2].ticket and callers[2].ticket.identity}") == 0

    in_virtual_time(main)


@pytest.mark.parametrize("in_flight", [3, 100])
def test_steps_that_are_such_a_pipeline_wait_as_well(in_flight: int) -> None:
    async def main(clock: VirtualClock) -> None:
        limits = GatewayLimits(in_flight=in_flight)
        at = world(clock, Act("after", 30.0), Act("after", 1.0), limits=limits)
        at.pipeline("child", ordered(maxHeld=1))
        spec = {"steps": [{"name": "c", "pipeline": "child"}], "output": {"steps": ["c"]}}
        at.pipeline("p", spec)
        sender = Sender(at)
        for _ in range(5):
            sender.send()
        await at.gateway.drain()
        assert sender.answered == [0, 1, 2, 3, 4]
        assert all(isinstance(sender.reply(i), InferenceResponse) for i in range(5))

    in_virtual_time(main)


ACTS = st.lists(
    st.builds(
        Act,
        st.sampled_from(["now", "after", "raises", "fails"]),
        st.integers(0, 12).map(float),
    ),
    min_size=1,
    max_size=6,
)
SENDS = st.lists(st.tuples(st.sampled_from([0.0, 0.0, 1.0, 5.0]), st.integers(0, 2)), max_size=12)


@pytest.mark.hunt
@settings(max_examples=300, deadline=None)
@given(
    sends=SENDS,
    acts=ACTS,
    most_held=st.integers(1, 4),
    in_flight=st.sampled_from([1, 3, 50]),
)
def test_whoever_is_answered_is_answered_in_order(
    sends: list[tuple[float, int]], acts: list[Act], most_held: int, in_flight: int
) -> None:
    async def main(clock: VirtualClock) -> None:
        at = world(clock, *acts, limits=GatewayLimits(in_flight=in_flight, waiting=100))
        at.pipeline("p", ordered(maxHeld=most_held))
        sender = Sender(at)
        for wait_ms, then in sends:
            await asyncio.sleep(wait_ms / 1000.0)
            assert at.dataflow.open_passages <= min(in_flight, most_held + 1)
            sender.send(then=then)
        await at.gateway.drain()
        assert sender.answered == list(range(len(sender.callers)))

    in_virtual_time(main)
