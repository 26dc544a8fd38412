"""Pipelines that read others and keep the order of their answers: intake pauses there as well."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.gateway_world import Act, Caller, GatewayWorld
from harness.virtual_time import in_virtual_time
from penstock.core.clock import VirtualClock
from penstock.core.errors import DeadlineError
from penstock.core.inference import InferenceResponse
from penstock.core.journal import Story
from penstock.core.pipeline_gateway import GatewayLimits

SOURCE = {"steps": [{"name": "now"}], "output": {"steps": ["now"]}}


def reader(most_held: int, **section: Any) -> dict[str, Any]:
    return {
        "input": {"externalInputs": ["src"], **section},
        "steps": [{"name": "a"}],
        "output": {"steps": ["a"], "order": "partition", "maxHeld": most_held},
    }


class World:
    """A pipeline whose every answer begins a passage of the pipeline ``p``."""

    def __init__(self, clock: VirtualClock, *acts: Act, in_flight: int = 100) -> None:
        limits = GatewayLimits(in_flight=in_flight, waiting=100)
        self.gateway_world = GatewayWorld(clock, limits, most_per_model=256)
        self.gateway_world.model("now", [Act("now")])
        self.gateway_world.model("a", acts)
        self.gateway_world.pipeline("src", SOURCE, "boundary")
        self.sent: list[Caller] = []

    def reads(self, spec: dict[str, Any]) -> None:
        self.gateway_world.pipeline("p", spec, "boundary")

    def send(self, name: str = "src") -> Caller:
        caller = Caller(self.gateway_world)
        self.sent.append(caller)
        caller.send(name)
        return caller

    async def end(self) -> None:
        await self.gateway_world.gateway.drain()
        assert self.gateway_world.dataflow.open_passages == 0
        assert not self.gateway_world.dataflow.engine.lines._lines

    def stories(self) -> list[Story]:
        desk = self.gateway_world.desk
        return [desk.story(each.ticket.identity, "p") for each in self.sent if each.ticket]

    def calls(self) -> int:
        calls = [each for each in self.gateway_world.log if each.startswith("call ")]
        return len(calls) - len(self.sent)


def test_passages_that_others_begin_wait_for_room() -> None:
    async def main(clock: VirtualClock) -> None:
        at = World(clock, Act("after", 30.0), Act("after", 1.0))
        at.reads(reader(2))
        for _ in range(6):
            assert isinstance(at.send().replies[0], InferenceResponse), "their source goes on"
        await asyncio.sleep(0.010)
        assert at.calls() == 3, "one is the first, and two may be held"
        await at.end()
        answered = [story.answered_ms for story in at.stories()]
        assert answered == [30.0, 30.0, 30.0, 31.0, 31.0, 31.0]
        assert all(isinstance(story.result, InferenceResponse) for story in at.stories())

    in_virtual_time(main)


def test_who_calls_such_a_pipeline_waits_behind_them() -> None:
    async def main(clock: VirtualClock) -> None:
        at = World(clock, Act("after", 30.0), Act("after", 1.0))
        at.reads(reader(1))
        for _ in range(3):
            at.send()
        caller = at.send("p")
        await at.end()
        assert isinstance(caller.replies[0], InferenceResponse)
        *others, last = [story.answered_ms or 0.0 for story in at.stories()]
        assert max(others) <= last

    in_virtual_time(main)


def test_who_waits_for_room_waits_no_longer_than_its_deadline() -> None:
    async def main(clock: VirtualClock) -> None:
        at = World(clock, Act("after", 30.0), Act("after", 9.0))
        at.reads(reader(1, deadlineMs=35))
        for _ in range(2):
            at.send()
        await asyncio.sleep(0.010)
        for _ in range(2):
            at.send()
        at.gateway_world.model("a", [Act("never")])
        await at.end()
        *answered, third, fourth = at.stories()
        assert [isinstance(each.result, InferenceResponse) for each in answered] == [True, True]
        assert isinstance(third.result, DeadlineError)
        assert isinstance(fourth.result, DeadlineError)
        assert [str(each.port) for each in fourth.records] == ["inputs", "outputs"]
        assert (third.answered_ms, fourth.answered_ms) == (45.0, 45.0)

    in_virtual_time(main)


def test_those_that_wait_are_in_flight_so_that_the_intake_of_their_source_pauses() -> None:
    async def main(clock: VirtualClock) -> None:
        at = World(clock, Act("after", 30.0), in_flight=4)
        at.reads(reader(1))
        for _ in range(6):
            at.send()
        assert [len(each.replies) for each in at.sent] == [1, 1, 1, 1, 0, 0]
        await at.end()
        assert all(isinstance(each.replies[0], InferenceResponse) for each in at.sent)

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
SENDS = st.lists(
    st.tuples(st.sampled_from([0.0, 0.0, 1.0, 5.0]), st.sampled_from(["src", "p"])), max_size=12
)


@pytest.mark.hunt
@settings(max_examples=300, deadline=None)
@given(
    sends=SENDS,
    acts=ACTS,
    most_held=st.integers(1, 4),
    deadline_ms=st.sampled_from([7, 20, 600_000]),
)
def test_each_ends_once_and_as_it_came_in(
    sends: list[tuple[float, str]], acts: list[Act], most_held: int, deadline_ms: int
) -> None:
    async def main(clock: VirtualClock) -> None:
        at = World(clock, *acts)
        at.reads(reader(most_held, deadlineMs=deadline_ms))
        lines = at.gateway_world.dataflow.engine.lines
        for wait_ms, name in sends:
            await asyncio.sleep(wait_ms / 1000.0)
            at.send(name)
            assert all(line.behind <= most_held for line in lines._lines.values())
        await at.end()
        given = [
            (story.answered_ms, number)
            for number, story in enumerate(at.stories())
            if not isinstance(story.result, DeadlineError) and sends[number][1] == "src"
        ]
        assert given == sorted(given)
        assert all(story.result is not None for story in at.stories())

    in_virtual_time(main)
