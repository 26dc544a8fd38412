"""Requests that are followed, on the real gateway in virtual time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from harness.gateway_world import Act, Caller, GatewayWorld
from harness.virtual_time import in_virtual_time
from penstock.core.clock import VirtualClock
from penstock.core.contracts.follower import Follower, Following, RequestSeen, VisitSeen
from penstock.core.errors import PenstockError
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.pipeline_gateway import GatewayLimits
from penstock.core.records import Absent, Body, Failed, Headers, Port
from penstock.testing.scripts import tensor

CHAIN = {"steps": [{"name": "a"}, {"name": "b", "inputs": ["a"]}], "output": {"steps": ["b"]}}
RETRIED = {
    "steps": [{"name": "a", "retries": 1, "retryBackoffMs": 4}],
    "output": {"steps": ["a"]},
}
SKIPPED = {
    "steps": [{"name": "b"}, {"name": "c", "inputs": ["b.outputs.z"]}],
    "output": {"steps": ["b", "c"], "stepsJoin": "outer"},
}
LOOP = {
    "allowCycles": True,
    "maxStepRevisits": 2,
    "steps": [{"name": "b", "inputs": ["p", "b.outputs.y"], "inputsJoinType": "any"}],
    "output": {"steps": ["b"]},
}
PARENT = {"steps": [{"name": "c", "pipeline": "p"}], "output": {"steps": ["c"]}}


class Listener(Following):
    """Writes down what it is told, and gives each visit a header that says which it is."""

    def __init__(self, notes: list[tuple[Any, ...]], identity: str, fails: str | None) -> None:
        self._notes = notes
        self._identity = identity
        self._fails = fails

    def _note(self, what: str, *about: Any) -> None:
        self._notes.append((what, *about))
        if what == self._fails:
            raise RuntimeError("a plug-in is broken")

    def visit_called(self, visit: VisitSeen, at_ms: float) -> Headers | None:
        self._note("called", visit.step, visit.model, visit.round, at_ms)
        return {"traceparent": f"{self._identity}/{visit.step}.{visit.round}"}

    def visit_retried(self, visit: VisitSeen, attempt: int, failed: Failed, at_ms: float) -> None:
        self._note("retried", visit.step, attempt, failed.code, at_ms)

    def visit_ended(self, visit: VisitSeen, body: Body, at_ms: float) -> None:
        what = body.cause if isinstance(body, Absent) else "value"
        self._note(
            "ended", visit.step, visit.round, body.code if isinstance(body, Failed) else what, at_ms
        )

    def answered(self, result: InferenceResponse | PenstockError, at_ms: float) -> None:
        code = result.code if isinstance(result, PenstockError) else "ok"
        self._note("answered", code, at_ms)

    def buried(self, failed: Failed, at_ms: float) -> None:
        self._note("buried", failed.code, at_ms)

    def closed(self, at_ms: float) -> None:
        self._note("closed", at_ms)


class Everybody(Follower):
    """Follows the requests that ``wants`` says yes to."""

    def __init__(
        self, wants: Callable[[RequestSeen], bool] = lambda seen: True, fails: str | None = None
    ) -> None:
        self.seen: list[RequestSeen] = []
        self.notes: list[tuple[Any, ...]] = []
        self._wants = wants
        self._fails = fails

    def follow(self, request: RequestSeen) -> Following | None:
        self.seen.append(request)
        if self._fails == "follow":
            raise RuntimeError("a plug-in is broken")
        if not self._wants(request):
            return None
        return Listener(self.notes, request.identity, self._fails)


def world(
    clock: VirtualClock,
    follower: Follower,
    *acts: Act,
    spec: dict[str, Any] = CHAIN,
    record: Any = "none",
    limits: GatewayLimits | None = None,
) -> GatewayWorld:
    """``a`` goes through these acts; ``b`` answers at once."""
    made = GatewayWorld(clock, limits or GatewayLimits(), most_per_model=256)
    made.follow_with(follower)
    made.model("a", acts or [Act("after", 10.0)])
    made.model("b", [Act("now")])
    made.pipeline("p", spec, record=record)
    return made


def notes_of(
    *acts: Act, spec: dict[str, Any] = CHAIN, record: Any = "none", **more: Any
) -> list[tuple[Any, ...]]:
    """What is told of one request."""
    follower = Everybody(**more)

    async def main(clock: VirtualClock) -> None:
        at = world(clock, follower, *acts, spec=spec, record=record)
        Caller(at).send("p")
        await at.gateway.drain()
        assert at.dataflow.open_passages == 0

    in_virtual_time(main)
    return follower.notes


@pytest.mark.parametrize("record", ["none", "boundary", "all"])
def test_every_visit_is_told_of(record: Any) -> None:
    assert notes_of(record=record) == [
        ("called", "a", "a", 0, 0.0),
        ("ended", "a", 0, "value", 10.0),
        ("called", "b", "b", 0, 10.0),
        ("ended", "b", 0, "value", 10.0),
        ("answered", "ok", 10.0),
        ("closed", 10.0),
    ]


def test_a_retry_is_told_of_with_what_failed() -> None:
    assert notes_of(Act("fails", 3.0), Act("now"), spec=RETRIED) == [
        ("called", "a", "a", 0, 0.0),
        ("retried", "a", 2, "overloaded", 3.0),
        ("ended", "a", 0, "value", 7.0),
        ("answered", "ok", 7.0),
        ("closed", 7.0),
    ]


def test_a_skipped_step_is_told_of_with_the_cause() -> None:
    assert notes_of(spec=SKIPPED)[2:] == [
        ("ended", "c", 0, "absent", 0.0),
        ("answered", "ok", 0.0),
        ("closed", 0.0),
    ]


def test_rounds_of_a_loop_are_told_apart() -> None:
    notes = notes_of(spec=LOOP)
    assert [note[:4] for note in notes if note[0] == "called"][:3] == [
        ("called", "b", "b", 0),
        ("called", "b", "b", 1),
        ("called", "b", "b", 2),
    ]
    assert ("answered", "ok", 0.0) in notes
    assert ("buried", "step-failed", 0.0) in notes, "it ran once too often"
    assert notes[-1] == ("closed", 0.0)


def test_failures_and_dead_letters_are_told_of() -> None:
    assert notes_of(Act("raises"), spec=CHAIN) == [
        ("called", "a", "a", 0, 0.0),
        ("ended", "a", 0, "overloaded", 0.0),
        ("ended", "b", 0, "overloaded", 0.0),
        ("answered", "overloaded", 0.0),
        ("closed", 0.0),
    ]
    silent = {"steps": [{"name": "a"}, {"name": "b"}], "output": {"steps": ["b"]}}
    assert ("buried", "overloaded", 3.0) in notes_of(Act("fails", 3.0), spec=silent)


@pytest.mark.parametrize("spec", [CHAIN, RETRIED, LOOP], ids=["chain", "retried", "loop"])
def test_the_calls_of_a_visit_carry_its_headers_beside_those_of_the_request(
    spec: dict[str, Any],
) -> None:
    async def main(clock: VirtualClock) -> None:
        at = world(clock, Everybody(), spec=spec)
        a = at.model("a", [Act("fails", 1.0), Act("now")])
        b = at.model("b", [Act("now")])
        caller = Caller(at)
        caller.send("p", headers={"x-request-id": "mine", "traceparent": "the caller's"})
        await at.gateway.drain()
        assert caller.ticket is not None
        called = [*a.headers, *b.headers]
        assert called
        for headers in called:
            assert headers["x-request-id"] == "mine"
            assert headers["traceparent"].startswith(f"{caller.ticket.identity}/")
        if spec is LOOP:
            rounds = [headers["traceparent"][-1] for headers in b.headers]
            assert rounds == ["0", "1", "2"]

    in_virtual_time(main)


@pytest.mark.parametrize("wanted", [True, False])
def test_a_child_is_followed_with_its_parent_alone(wanted: bool) -> None:
    async def main(clock: VirtualClock) -> None:
        follower = Everybody(wants=lambda seen: wanted)
        at = world(clock, follower)
        at.pipeline("parent", PARENT)
        Caller(at).send("parent")
        await at.gateway.drain()
        if not wanted:
            assert [seen.name for seen in follower.seen] == ["parent"]
            assert follower.notes == []
            return
        parent, child = follower.seen
        assert (parent.child, child.child) == (False, True)
        assert child.identity == f"{parent.identity}/c.0.1"
        assert child.headers["traceparent"] == f"{parent.identity}/c.0"

    in_virtual_time(main)


def test_a_model_alone_is_followed() -> None:
    async def main(clock: VirtualClock) -> None:
        follower = Everybody()
        at = world(clock, follower)
        at.alone("a")
        Caller(at).send("a.model")
        await at.gateway.drain()
        assert follower.seen[0].single_model
        assert [note[0] for note in follower.notes] == ["called", "ended", "answered", "closed"]

    in_virtual_time(main)


@pytest.mark.parametrize("record", ["none", "boundary", "all"])
@pytest.mark.parametrize("followed", [True, False])
def test_the_journal_keeps_what_it_keeps_without(record: Any, followed: bool) -> None:
    kept = {
        "none": [],
        "boundary": [Port(None, "inputs"), Port(None, "outputs")],
        "all": [
            Port(None, "inputs"),
            *(Port(step, side) for step in "ab" for side in ("inputs", "outputs")),
            Port(None, "outputs"),
        ],
    }[record]

    async def main(clock: VirtualClock) -> None:
        at = world(clock, Everybody(lambda seen: followed), record=record)
        request = InferenceRequest("7", (tensor("x"),))
        story = at.desk.story(at.gateway.resolve("p").accept(request, {}).identity)
        await at.gateway.drain()
        assert story.outcome == "ok"
        assert [record.port for record in story.records] == kept

    in_virtual_time(main)


def test_a_request_whose_turn_never_comes_is_closed_as_well() -> None:
    async def main(clock: VirtualClock) -> None:
        follower = Everybody()
        limits = GatewayLimits(in_flight=1, waiting=1)
        at = world(clock, follower, Act("after", 50.0), limits=limits)
        Caller(at).send("p")
        Caller(at).send("p", timeout_ms=5.0)
        await at.gateway.drain()
        assert follower.notes[1:3] == [("answered", "deadline", 5.0), ("closed", 5.0)]
        assert [note[0] for note in follower.notes[-2:]] == ["answered", "closed"]

    in_virtual_time(main)


@pytest.mark.parametrize("fails", ["follow", "called", "ended", "answered", "closed"])
def test_a_broken_follower_harms_nobody(fails: str, caplog: pytest.LogCaptureFixture) -> None:
    async def main(clock: VirtualClock) -> None:
        at = world(clock, Everybody(fails=fails))
        caller = Caller(at)
        caller.send("p")
        await at.gateway.drain()
        (reply,) = caller.replies
        assert isinstance(reply, InferenceResponse)

    in_virtual_time(main)
    assert "a plug-in is broken" in caplog.text


def test_without_followers_there_is_no_second_plan() -> None:
    async def main(clock: VirtualClock) -> None:
        at = GatewayWorld(clock, GatewayLimits(), most_per_model=256)
        at.model("a", [Act("now")])
        at.model("b", [Act("now")])
        at.pipeline("p", CHAIN)
        target: Any = at.gateway.resolve("p")
        assert target.deployment.plain
        assert target.deployment.plan.followed is None

    in_virtual_time(main)
