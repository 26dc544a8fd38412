"""What is found out about visits from the ports that were recorded."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from harness.gateway_world import Act, Caller, GatewayWorld
from harness.virtual_time import in_virtual_time
from penstock.core.clock import VirtualClock
from penstock.core.contracts.join import SourceState
from penstock.core.contracts.model import ModelCall, ModelInstance
from penstock.core.errors import NotReadyError
from penstock.core.journal.documents import whole
from penstock.core.journal.visits import Visit, visits_of
from penstock.core.pipeline_gateway import GatewayLimits
from penstock.core.plan import Recording
from penstock.core.records import Tensors
from penstock.testing.scripts import tensor

DIAMOND = {
    "steps": [
        {"name": "quick"},
        {"name": "slow"},
        {
            "name": "join",
            "model": "quick",
            "inputs": ["quick.outputs.y", "slow.outputs.y"],
            "tensorMap": {"quick.outputs.y": "a", "slow.outputs.y": "b"},
        },
    ],
    "output": {"steps": ["join"]},
}


def visits(
    spec: dict[str, Any],
    record: Recording = "all",
    until_ms: float | None = None,
    **acts: list[Act],
) -> dict[tuple[str | None, int], Visit]:
    """The visits of one request over models that act so, at its end or at a moment before."""

    async def main(clock: VirtualClock) -> dict[tuple[str | None, int], Visit]:
        at = GatewayWorld(clock, GatewayLimits(), most_per_model=256)
        at.model("quick", [Act("after", 3.0)])
        at.model("slow", [Act("after", 10.0)])
        for name, script in acts.items():
            at.model(name, script)
        at.pipeline("p", spec, record=record)
        caller = Caller(at)
        caller.send("p")
        if until_ms is None:
            await at.gateway.drain()
        else:
            import asyncio

            await asyncio.sleep(until_ms / 1000.0)
        assert caller.ticket is not None
        found = visits_of(at.desk.story(caller.ticket.identity))
        await at.gateway.drain()
        return {(each.step, each.round): each for each in found}

    return in_virtual_time(main)


def test_the_join_says_what_it_waited_for_and_who_ended_it() -> None:
    join = visits(DIAMOND)["join", 0].join
    assert (join.strategy, join.opened_ms, join.decided_ms) == ("inner", 3.0, 10.0)
    assert (join.waited_ms, join.ended_by) == (7.0, "slow.outputs.y")
    assert [(each.reference, each.state, each.at_ms) for each in join.sources] == [
        ("quick.outputs.y", SourceState.VALUE, 3.0),
        ("slow.outputs.y", SourceState.VALUE, 10.0),
    ]


def test_a_source_that_came_too_late_was_open() -> None:
    spec = {
        "steps": [*DIAMOND["steps"][:2], {**DIAMOND["steps"][2], "inputsJoinType": "any"}],  # type: ignore[index]  # a list
        "output": {"steps": ["join"]},
    }
    join = visits(spec)["join", 0].join
    assert (join.waited_ms, join.ended_by) == (0.0, "quick.outputs.y")
    late = join.sources[1]
    assert (late.state, late.at_ms) == (SourceState.OPEN, 10.0)


def test_a_window_that_ended_is_named() -> None:
    spec = {
        "steps": [
            *DIAMOND["steps"][:2],  # type: ignore[index]  # a list
            {**DIAMOND["steps"][2], "inputsJoinType": "outer", "joinWindowMs": 4},  # type: ignore[index]  # a list
        ],
        "output": {"steps": ["join"]},
    }
    join = visits(spec)["join", 0].join
    assert (join.strategy, join.decided_ms, join.ended_by) == ("outer", 7.0, "window")
    assert join.sources[1].state is SourceState.OPEN


def test_a_deadline_that_ended_it_is_named() -> None:
    found = visits(DIAMOND, slow=[Act("never")])
    assert found["join", 0].join.ended_by == "deadline"
    assert found["join", 0].join.sources[1].at_ms is not None


def test_triggers_are_told_apart() -> None:
    spec = {
        "steps": [
            {"name": "quick"},
            {"name": "slow"},
            {"name": "gated", "model": "quick", "triggers": ["slow"]},
        ],
        "output": {"steps": ["gated"]},
    }
    visit = visits(spec)["gated", 0]
    assert visit.join.ended_by is None or visit.join.sources[0].at_ms == 0.0
    assert visit.triggers is not None
    assert (visit.triggers.ended_by, visit.triggers.decided_ms) == ("slow.outputs", 10.0)


def test_what_still_waits_says_for_what() -> None:
    found = visits(DIAMOND, until_ms=5.0)
    join = found["join", 0]
    assert (join.inputs, join.join.decided_ms, join.join.opened_ms) == (None, None, 3.0)
    assert [each.state for each in join.join.sources] == [SourceState.VALUE, SourceState.OPEN]
    assert found[None, 0].join.opened_ms is None
    slow = found["slow", 0]
    assert slow.inputs is not None
    assert slow.outputs is None


def test_an_absent_tensor_of_a_value_is_absent() -> None:
    spec = {
        "steps": [
            {"name": "quick"},
            {"name": "never", "model": "quick", "inputs": ["quick.outputs.no"]},
        ],
        "output": {"steps": ["quick", "never"], "stepsJoin": "outer"},
    }
    (source,) = visits(spec)["never", 0].join.sources
    assert (source.state, source.reason) == (SourceState.ABSENT, "there was no tensor 'no'")


def test_nothing_is_known_of_visits_that_were_not_kept() -> None:
    assert visits(DIAMOND, record="boundary") == {}


class Flaky(ModelInstance):
    """Fails twice."""

    calls = 0

    def infer(self, call: ModelCall) -> Tensors | Awaitable[Tensors]:
        if call.attempt < 3:
            raise NotReadyError(f"not yet, {call.attempt}")
        return (tensor("y"),)


class Counter(ModelInstance):
    """Goes round three times."""

    def infer(self, call: ModelCall) -> Tensors:
        return (tensor("again"),) if call.round < 2 else (tensor("end"),)


def one_request(
    spec: dict[str, Any], set_up: Callable[[GatewayWorld], None]
) -> tuple[tuple[Visit, ...], dict[str, Any]]:
    async def main(clock: VirtualClock) -> tuple[tuple[Visit, ...], dict[str, Any]]:
        at = GatewayWorld(clock, GatewayLimits(), most_per_model=256)
        set_up(at)
        at.pipeline("p", spec, record="all")
        caller = Caller(at)
        caller.send("p")
        await at.gateway.drain()
        assert caller.ticket is not None
        story = at.desk.story(caller.ticket.identity)
        return visits_of(story), whole(story)

    return in_virtual_time(main)


def test_attempts_that_failed_are_told_with_their_reasons() -> None:
    spec = {
        "steps": [{"name": "flaky", "retries": 3, "retryBackoffMs": 20}],
        "output": {"steps": ["flaky"]},
    }
    (visit, _), document = one_request(spec, lambda at: at.models.publish("flaky", 4, Flaky()))
    assert [(each.attempt, each.at_ms) for each in visit.attempts] == [(1, 0.0), (2, 20.0)]
    assert visit.attempts[1].failure.reason == "not yet, 2"
    assert (visit.model, visit.version) == ("flaky", 4)
    shown = document["visits"][0]
    assert shown["state"] == "value"
    assert shown["failed_attempts"][0]["code"] == "not-ready"
    assert (shown["called_after_ms"], shown["took_ms"]) == (0.0, 60.0)


def test_rounds_of_a_loop_read_the_rounds_before() -> None:
    spec = {
        "allowCycles": True,
        "steps": [
            {"name": "count", "inputs": ["p", "count.outputs.again"], "inputsJoinType": "any"},
            {"name": "after", "model": "count", "inputs": ["count.outputs.end"]},
        ],
        "output": {"steps": ["count.outputs.end"]},
    }
    found, _ = one_request(spec, lambda at: at.models.publish("count", 1, Counter()))
    by_round = {each.round: each for each in found if each.step == "count"}
    assert set(by_round) == {0, 1, 2}
    sources = by_round[1].join.sources
    assert [(each.state, each.round) for each in sources] == [
        (SourceState.ABSENT, None),
        (SourceState.VALUE, 0),
    ]
    first = by_round[0].join.sources
    assert [(each.state, each.round) for each in first] == [
        (SourceState.VALUE, 0),
        (SourceState.ABSENT, None),
    ]
    reader = next(each for each in found if each.step == "after")
    assert reader.join.sources[0].round == 2
