"""Pipelines that read others, sentence by sentence, on the real gateway in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

import pytest

from harness.gateway_world import Caller, GatewayWorld
from harness.virtual_time import in_virtual_time
from penstock.core.clock import VirtualClock
from penstock.core.contracts.follower import Follower, Following, RequestSeen, VisitSeen
from penstock.core.contracts.inquiries import EVERYTHING
from penstock.core.contracts.model import ModelCall, ModelInstance
from penstock.core.errors import (
    CancelledRequestError,
    NotFoundError,
    PenstockError,
    StepFailedError,
)
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.journal import Story
from penstock.core.journal.tap import Tap, TapRecord, Wanted
from penstock.core.pipeline_gateway import GatewayLimits
from penstock.core.plan import Recording
from penstock.core.records import Absent, Body, Failed, Headers, Tensors
from penstock.testing.scripts import tensor


class Model(ModelInstance):
    """Takes its time, and then puts out tensors of these names; tokens say what came in."""

    def __init__(self, names: str, after_ms: float = 0.0, fails: str = "") -> None:
        super().__init__()
        self.names = names.split()
        self.after_ms = after_ms
        self.fails = fails
        self.calls: list[Tensors] = []
        self.identities: list[str] = []

    def infer(self, call: ModelCall) -> Tensors | Awaitable[Tensors]:
        self.calls.append(call.tensors)
        self.identities.append(call.origin.identity)
        return self._later(call) if self.after_ms else self._outcome(call)

    async def _later(self, call: ModelCall) -> Tensors:
        await asyncio.sleep(self.after_ms / 1000.0)
        return self._outcome(call)

    def _outcome(self, call: ModelCall) -> Tensors:
        if self.fails:
            raise StepFailedError(self.fails)
        made_of = ",".join(token(each) for each in call.tensors)
        return tuple(tensor(name, f"{call.step}.{name}({made_of})") for name in self.names)


def token(of: Any) -> str:
    return str(of.parameters["token"])


class World(GatewayWorld):
    """The pipeline ``src`` of the step a, and whoever reads it."""

    def __init__(self, clock: VirtualClock, limits: GatewayLimits, open_joins: int) -> None:
        super().__init__(clock, limits, most_per_model=256, most_open_joins=open_joins)
        self.instances: dict[str, Model] = {}
        for name in "abcd":
            self.put(name, Model("y"))
        self.pipeline("src", chain("a"))

    def pipeline(self, name: str, spec: dict[str, Any], record: Recording = "boundary") -> None:
        super().pipeline(name, spec, record)

    def put(self, name: str, model: Model) -> Model:
        self.models.publish(name, 1, model)
        self.instances[name] = model
        return model

    def reads(self, name: str, step: str, *inputs: str, **section: Any) -> None:
        """Serve a pipeline of one step that reads others."""
        spec = chain(step) | {"input": {"externalInputs": inputs, **section}}
        self.pipeline(name, spec)

    async def ask(self, name: str = "src") -> str:
        """Send a request, let everything end, and return its identity."""
        caller = Caller(self)
        caller.send(name)
        await self.gateway.drain()
        assert caller.ticket is not None
        return caller.ticket.identity

    def story(self, identity: str, pipeline: str) -> Story:
        return self.desk.story(identity, pipeline)

    def port(self, identity: str, pipeline: str, port: str) -> Body:
        (body,) = [
            each.body for each in self.story(identity, pipeline).records if str(each.port) == port
        ]
        return body

    def answer(self, identity: str, pipeline: str) -> list[str]:
        result = self.story(identity, pipeline).result
        assert isinstance(result, InferenceResponse), result
        return [token(each) for each in result.tensors]

    def letters(self) -> list[tuple[str, str, str | None]]:
        return [(each["pipeline"], each["code"], each["step"]) for each in self.desk.letters()]


def chain(step: str, **more: Any) -> dict[str, Any]:
    return {"steps": [{"name": step}], "output": {"steps": [step]}, **more}


def world(
    test: Callable[[World], Coroutine[Any, Any, None]],
    limits: GatewayLimits | None = None,
    open_joins: int = 100,
) -> None:
    """Run a test in a world of its own, and see that nothing of it is left."""

    async def main(clock: VirtualClock) -> None:
        at = World(clock, limits or GatewayLimits(), open_joins)
        await test(at)
        await at.gateway.drain()
        at.gateway.close_intake()
        engine = at.dataflow.engine
        assert (engine.open_passages, len(engine.gatherings)) == (0, 0)
        assert all(not reader.open for reader in readers_of(at).values())
        assert all(each.in_flight == 0 for each in at.metrics.pipelines.values())

    in_virtual_time(main)


def readers_of(at: GatewayWorld) -> Mapping[str, Any]:
    return at.gateway._admission.readers._by_name


# How a passage begins ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reference", "token"),
    [
        ("src", "c.y(a.y(x))"),
        ("src.outputs.y", "c.y(a.y(x))"),
        ("src.inputs", "c.y(x)"),
        ("src.inputs.x", "c.y(x)"),
        ("src.step.a", "c.y(a.y(x))"),
        ("src.step.a.inputs", "c.y(x)"),
        ("src.step.a.outputs.y", "c.y(a.y(x))"),
    ],
)
def test_every_port_begins_a_passage_of_the_same_identity(reference: str, token: str) -> None:
    async def test(at: World) -> None:
        at.reads("r", "c", reference)
        identity = await at.ask()
        assert at.answer(identity, "r") == [token]
        assert at.instances["c"].identities == [identity]
        assert at.metrics.pipelines["r", False].answers == {"ok": 1}

    world(test)


def test_tensors_are_renamed_on_their_way_into_the_input() -> None:
    async def test(at: World) -> None:
        at.reads("r", "c", "src.outputs.y", tensorMap={"src.outputs.y": "z"})
        identity = await at.ask()
        inputs = at.port(identity, "r", "inputs")
        assert not isinstance(inputs, Absent | Failed)
        assert [each.name for each in inputs] == ["z"]

    world(test)


def test_joins_match_by_identity() -> None:
    async def test(at: World) -> None:
        at.put("a", Model("y", after_ms=7.0))
        at.reads("r", "c", "src.inputs", "src.step.a")
        first, second = Caller(at), Caller(at)
        first.send("src")
        await asyncio.sleep(0.003)
        second.send("src")
        await at.gateway.drain()
        assert [[token(each) for each in call] for call in at.instances["c"].calls] == [
            ["x", "a.y(x)"],
            ["x", "a.y(x)"],
        ]
        assert first.ticket is not None
        assert second.ticket is not None
        assert at.instances["c"].identities == [first.ticket.identity, second.ticket.identity]
        story = at.story(second.ticket.identity, "r")
        assert (story.opened_ms, story.answered_ms) == (3.0, 10.0)

    world(test)


def test_a_reader_of_a_reader() -> None:
    async def test(at: World) -> None:
        at.reads("r", "c", "src", tensorMap={})
        renamed = {"r.step.c.outputs.y": "z"}
        at.reads("s", "d", "r.step.c.outputs", "src.inputs", "r.inputs.y", tensorMap=renamed)
        identity = await at.ask()
        assert at.answer(identity, "s") == ["d.y(c.y(a.y(x)),x,a.y(x))"]

    world(test)


def test_children_are_read_like_calls() -> None:
    async def test(at: World) -> None:
        at.reads("r", "c", "src")
        at.pipeline("parent", {"steps": [{"name": "k", "pipeline": "src"}]} | output("k"))
        identity = await at.ask("parent")
        # Its caller's records are kept by nobody, its child's are read.
        child = at.instances["c"].identities
        assert child == [f"{identity or ''}/k.0.1"]
        assert at.answer(child[0], "r") == ["c.y(a.y(x))"]

    world(test)


def output(*steps: str) -> dict[str, Any]:
    return {"output": {"steps": steps}}


def test_parameters_headers_and_id_are_those_of_the_request() -> None:
    async def test(at: World) -> None:
        at.reads("r", "c", "src")
        request = InferenceRequest("mine", (tensor("x"),), {"priority": 1})
        target = at.gateway.resolve("src")
        ticket = target.submit(request, {"x-request-id": "abc"}, None, lambda _: None)
        story = at.story(ticket.identity, "r")
        assert dict(story.headers) == {"x-request-id": "abc"}
        assert (story.request.id, story.request.parameters) == ("mine", {"priority": 1})
        assert isinstance(story.result, InferenceResponse)
        assert story.result.id == "mine"

    world(test)


# Triggers and calls -----------------------------------------------------------------------------


def test_triggers_gate_and_their_data_is_not_passed_on() -> None:
    async def test(at: World) -> None:
        at.put("a", Model("y go", after_ms=5.0))
        at.reads("r", "c", "src.inputs", externalTriggers=["src.outputs.go"])
        identity = await at.ask()
        assert at.answer(identity, "r") == ["c.y(x)"]
        assert at.story(identity, "r").records[0].at_ms == 5.0
        at.put("a", Model("y"))
        identity = await at.ask()
        assert at.port(identity, "r", "inputs") == Absent("no input: src.outputs.go is absent")

    world(test)


def test_triggers_join_by_their_own_strategy() -> None:
    async def test(at: World) -> None:
        at.put("a", Model("y"))
        at.reads(
            "r",
            "c",
            "src.inputs",
            externalTriggers=["src.outputs.no", "src.outputs.y"],
            triggersJoinType="any",
        )
        assert at.answer(await at.ask(), "r") == ["c.y(x)"]

    world(test)


def test_called_directly_nothing_of_others_is_waited_for() -> None:
    async def test(at: World) -> None:
        at.reads("r", "c", "src.outputs.never", externalTriggers=["src.outputs.neither"])
        caller = Caller(at)
        caller.send("r")
        (reply,) = caller.replies
        assert isinstance(reply, InferenceResponse)
        assert [token(each) for each in reply.tensors] == ["c.y(x)"]

    world(test)


# Markers ----------------------------------------------------------------------------------------


def test_absence_comes_as_such() -> None:
    async def test(at: World) -> None:
        at.put("a", Model(""))
        at.reads("r", "c", "src")
        at.reads("s", "d", "r")
        identity = await at.ask()
        said = "no input: src.outputs is absent"
        assert at.port(identity, "r", "inputs") == Absent(said)
        assert at.story(identity, "r").outcome == "no-output"
        assert at.port(identity, "s", "inputs") == Absent("no input: r.outputs is absent")
        assert at.instances["c"].calls == []
        assert at.letters() == []

    world(test)


def test_a_failure_is_passed_on_and_not_buried_twice() -> None:
    async def test(at: World) -> None:
        at.put("a", Model("y", fails="it broke"))
        at.reads("r", "c", "src")
        at.reads("s", "d", "r")
        at.pipeline("quiet", {"steps": [{"name": "d"}], "input": {"externalInputs": ["src"]}})
        identity = await at.ask()
        for reader in ("r", "s", "quiet"):
            result = at.story(identity, reader).result
            assert isinstance(result, StepFailedError), reader
            assert (result.message, result.step) == ("it broke", "src.step.a")
        assert at.letters() == [], "the caller of src was told"
        ticket = at.gateway.resolve("src").accept(InferenceRequest(None, (tensor("x"),)), {})
        assert at.story(ticket.identity, "s").outcome == "step-failed"
        assert at.letters() == [("src", "step-failed", "a")], "nobody was told: once"

    world(test)


def test_failures_of_its_own_are_dead_letters_that_can_be_sent_again() -> None:
    async def test(at: World) -> None:
        at.put("c", Model("y", fails="it broke"))
        at.reads("r", "c", "src")
        identity = await at.ask()
        assert at.letters() == [("r", "step-failed", "c")]
        (letter,) = at.desk.letters()
        assert letter["id"] == identity
        assert [each["name"] for each in letter["inputs"]] == ["y"]
        at.put("c", Model("y"))
        again = at.desk.send_again(letter["number"])
        assert at.answer(again, "r") == ["c.y(a.y(x))"]
        assert at.letters() == []

    world(test)


def test_an_outer_join_does_without_what_is_absent() -> None:
    async def test(at: World) -> None:
        at.put("a", Model("", after_ms=4.0))
        at.reads("r", "c", "src.inputs", "src.outputs", joinType="outer")
        assert at.answer(await at.ask(), "r") == ["c.y(x)"]

    world(test)


def test_two_tensors_of_one_name_fail_that_request() -> None:
    async def test(at: World) -> None:
        at.pipeline("two", {"steps": [{"name": "a"}, {"name": "b"}]} | output("a", "b"))
        at.reads("r", "c", "two")
        identity = await at.ask("two")
        result = at.story(identity, "r").result
        assert result is not None
        assert not isinstance(result, InferenceResponse)
        assert (result.code, result.message) == (
            "invalid-request",
            "two sources bring a tensor 'y' into pipeline 'r'; give one of them another name with "
            "tensorMap",
        )
        assert at.letters() == [("r", "invalid-request", None)]

    world(test)


# Windows, deadlines and bounds -------------------------------------------------------------------


def lonely(at: World, **section: Any) -> None:
    """``r`` reads src, and another pipeline that will not hear of the request."""
    at.pipeline("other", chain("b"))
    at.reads("r", "c", "src.inputs.x", "other.outputs.y", **section)


@pytest.mark.parametrize(("section", "at_ms"), [({}, 60_000.0), ({"joinWindowMs": 70}, 70.0)])
def test_a_join_ends_with_its_window(section: dict[str, Any], at_ms: float) -> None:
    async def test(at: World) -> None:
        lonely(at, **section)
        identity = await at.ask()
        said = "no input: other.outputs.y did not come before the window ended"
        assert at.port(identity, "r", "inputs") == Absent(said, "join-expired")
        assert at.story(identity, "r").answered_ms == at_ms
        assert at.story(identity, "r").outcome == "no-output"

    world(test)


def test_outer_takes_what_came_within_the_window() -> None:
    async def test(at: World) -> None:
        lonely(at, joinType="outer", joinWindowMs=40)
        identity = await at.ask()
        assert at.answer(identity, "r") == ["c.y(x)"]
        assert at.story(identity, "r").answered_ms == 40.0

    world(test)


def test_its_deadline_is_its_own() -> None:
    async def test(at: World) -> None:
        at.put("c", Model("y", after_ms=90_000.0))
        at.reads("long", "c", "src")
        at.reads("short", "c", "src", deadlineMs=50)
        identity = await at.ask()
        long, short = at.story(identity, "long"), at.story(identity, "short")
        assert (long.deadline_ms, long.outcome, long.answered_ms) == (600_000.0, "ok", 90_000.0)
        assert (short.deadline_ms, short.outcome, short.answered_ms) == (50.0, "deadline", 50.0)
        assert at.letters() == [("short", "deadline", "c")]

    world(test)


def test_the_deadline_counts_from_the_first_record_also_while_joining() -> None:
    async def test(at: World) -> None:
        at.put("a", Model("y", after_ms=30.0))
        at.pipeline("none", chain("b"))
        for name, more in (("r", {}), ("quiet", {"output": None})):
            spec = chain("c") | {
                "input": {"externalInputs": ["src", "none.outputs.y"], "deadlineMs": 20}
                | {"tensorMap": {"none.outputs.y": "z"}}
            }
            at.pipeline(name, spec | more)
        identity = await at.ask()
        for name in ("r", "quiet"):
            result = at.story(identity, name).result
            assert result is not None
            assert not isinstance(result, InferenceResponse)
            assert result.message == "the deadline of 20 ms passed before none.outputs.y came"
            assert at.story(identity, name).answered_ms == 50.0
        assert sorted(at.letters()) == [("quiet", "deadline", None), ("r", "deadline", None)]

    world(test)


def test_at_the_bound_the_oldest_join_ends_as_at_the_end_of_its_window() -> None:
    async def test(at: World) -> None:
        lonely(at, joinType="outer")
        sent = []
        for _ in range(5):
            caller = Caller(at)
            caller.send("src")
            assert caller.ticket is not None
            sent.append(caller.ticket.identity)
            await asyncio.sleep(0.001)
        assert len(at.dataflow.engine.gatherings) == 2
        ended = [at.story(identity, "r").answered_ms for identity in sent]
        assert ended == [2.0, 3.0, 4.0, None, None]
        assert at.answer(sent[0], "r") == ["c.y(x)"]

    world(test, open_joins=2)


def test_joins_that_wait_hold_no_place_of_the_intake() -> None:
    async def test(at: World) -> None:
        lonely(at)
        for _ in range(10):
            caller = Caller(at)
            caller.send("src")
            assert isinstance(caller.replies[0], InferenceResponse)
        assert len(at.dataflow.engine.gatherings) == 10

    world(test, GatewayLimits(in_flight=1, waiting=0))


def test_when_the_intake_is_closed_nobody_waits_for_what_cannot_come() -> None:
    async def test(at: World) -> None:
        lonely(at, joinType="outer")
        caller = Caller(at)
        caller.send("src")
        at.gateway.close_intake()
        await at.gateway.drain()
        assert at.clock.now_ms() == 0.0
        assert caller.ticket is not None
        assert at.answer(caller.ticket.identity, "r") == ["c.y(x)"]

    world(test)


# Callers that go away ---------------------------------------------------------------------------


@pytest.mark.parametrize("read", [True, False])
def test_a_caller_that_leaves_cancels_only_what_nobody_reads(read: bool) -> None:
    async def test(at: World) -> None:
        at.put("a", Model("y", after_ms=10.0))
        if read:
            at.reads("r", "c", "src.step.a")
        caller = Caller(at)
        caller.send("src")
        caller.cancel()
        caller.cancel()
        (reply,) = caller.replies
        assert isinstance(reply, CancelledRequestError)
        await at.gateway.drain()
        assert caller.ticket is not None
        identity = caller.ticket.identity
        assert at.desk.story(identity).outcome == ("ok" if read else "cancelled")
        if read:
            assert at.answer(identity, "r") == ["c.y(a.y(x))"]
        assert len(caller.replies) == 1

    world(test)


def test_what_fails_when_the_caller_has_left_is_a_dead_letter() -> None:
    async def test(at: World) -> None:
        at.put("a", Model("y", after_ms=10.0, fails="it broke"))
        at.reads("r", "c", "src.inputs")
        caller = Caller(at)
        caller.send("src")
        caller.cancel()
        await at.gateway.drain()
        assert at.letters() == [("src", "step-failed", "a")]

    world(test)


def test_a_parent_that_is_given_up_leaves_a_child_that_is_read() -> None:
    async def test(at: World) -> None:
        at.put("a", Model("y", after_ms=10.0))
        at.reads("r", "c", "src")
        at.pipeline("parent", {"steps": [{"name": "k", "pipeline": "src"}]} | output("k"))
        caller = Caller(at)
        caller.send("parent")
        caller.cancel()
        await at.gateway.drain()
        assert isinstance(caller.replies[0], CancelledRequestError)
        assert caller.ticket is not None
        assert at.answer(f"{caller.ticket.identity}/k.0.1", "r") == ["c.y(a.y(x))"]

    world(test)


# Versions ---------------------------------------------------------------------------------------


def test_a_new_version_takes_new_identities_and_the_old_one_finishes() -> None:
    async def test(at: World) -> None:
        at.put("a", Model("y", after_ms=10.0))
        at.reads("r", "c", "src.inputs", "src.step.a")
        first, second = Caller(at), Caller(at)
        first.send("src")
        at.reads("r", "d", "src.step.a")
        await asyncio.sleep(0.001)
        second.send("src")
        await at.gateway.drained("pipeline", "r", 1)
        await at.gateway.drain()
        assert first.ticket is not None
        assert second.ticket is not None
        old, new = (at.story(each.ticket.identity, "r") for each in (first, second) if each.ticket)
        assert (old.version, new.version) == (1, 2)
        assert at.answer(old.identity, "r") == ["c.y(x,a.y(x))"]
        assert at.answer(new.identity, "r") == ["d.y(a.y(x))"]

    world(test)


def test_a_reader_that_is_deleted_finishes_and_then_goes() -> None:
    async def test(at: World) -> None:
        at.put("a", Model("y", after_ms=10.0))
        at.reads("r", "c", "src.inputs", "src.step.a")
        first, second = Caller(at), Caller(at)
        first.send("src")
        at.remove("r")
        second.send("src")
        await at.gateway.drained("pipeline", "r", 1)
        assert at.clock.now_ms() == 10.0
        assert first.ticket is not None
        assert second.ticket is not None
        assert at.answer(first.ticket.identity, "r") == ["c.y(x,a.y(x))"]
        with pytest.raises(NotFoundError, match=r"in pipeline 'r': it is known in 'src'"):
            at.story(second.ticket.identity, "r")
        assert readers_of(at) == {}

    world(test)


def test_a_version_that_reads_nothing_takes_the_place_of_one_that_did() -> None:
    async def test(at: World) -> None:
        at.reads("r", "c", "src")
        at.pipeline("r", chain("c"))
        await at.ask()
        assert at.instances["c"].calls == []
        assert readers_of(at) == {}

    world(test)


def test_what_comes_when_a_passage_has_ended_begins_no_other() -> None:
    async def test(at: World) -> None:
        at.put("a", Model("y", after_ms=10.0))
        at.reads("r", "c", "src.inputs", "src.step.a", joinType="any")
        await at.ask()
        assert at.instances["c"].calls == [(tensor("x"),)]

    world(test)


@pytest.mark.parametrize(("remembered", "calls"), [(3, 3), (2, 6)])
def test_only_the_last_ended_requests_are_remembered(remembered: int, calls: int) -> None:
    async def test(at: World) -> None:
        at.put("a", Model("y", after_ms=10.0))
        at.reads("r", "c", "src.inputs", "src.step.a", joinType="any")
        for _ in range(3):
            Caller(at).send("src")
        await at.gateway.drain()
        # One that is forgotten begins again, and pushes out another.
        assert len(at.instances["c"].calls) == calls

    world(test, GatewayLimits(dedup_requests=remembered))


# What is kept -----------------------------------------------------------------------------------


def test_a_port_that_is_read_is_kept_and_others_are_not() -> None:
    async def test(at: World) -> None:
        spec = {"steps": [{"name": "a"}, {"name": "b", "inputs": ["a"]}], **output("b")}
        at.pipeline("src", spec)
        at.reads("r", "c", "src.step.a.outputs.y")
        identity = await at.ask()
        kept = [str(each.port) for each in at.desk.story(identity).records]
        assert kept == ["inputs", "a.outputs", "outputs"]
        at.remove("r")
        at.pipeline("src", spec)
        kept = [str(each.port) for each in at.desk.story(await at.ask()).records]
        assert kept == ["inputs", "outputs"]

    world(test)


def test_the_journal_shows_all_passages_of_a_request() -> None:
    async def test(at: World) -> None:
        at.reads("r", "c", "src")
        at.reads("s", "d", "r")
        at.pipeline("src", chain("a"))
        identity = await at.ask()
        shown = at.desk.inspect(identity)
        assert shown["pipeline"] == "src"
        assert [each["pipeline"] for each in shown["readers"]] == ["r", "s"]
        assert [each["external"] for each in (shown, *shown["readers"])] == [False, True, True]
        assert at.desk.story(identity).pipeline == "src"
        assert at.desk.story(identity, "s").pipeline == "s"
        assert [each["pipeline"] for each in at.desk.find(EVERYTHING)] == ["s", "r", "src"]

    world(test)


# Matching by key --------------------------------------------------------------------------------


def test_by_key() -> None:
    """Until ``input.key`` names another, the key of a request is its identity."""

    async def test(at: World) -> None:
        at.reads("r", "c", "src.inputs", "src.step.a", match="key")
        identity = await at.ask()
        assert at.answer(identity, "r") == ["c.y(x,a.y(x))"]

    world(test)


# Followed ---------------------------------------------------------------------------------------


class Steps(Following):
    """Remembers the steps that were called."""

    def __init__(self) -> None:
        self.called: list[str] = []

    def visit_called(self, visit: VisitSeen, at_ms: float) -> None:
        self.called.append(visit.step)

    def visit_retried(self, visit: VisitSeen, attempt: int, failed: Failed, at_ms: float) -> None:
        """Nothing."""

    def visit_ended(self, visit: VisitSeen, body: Body, at_ms: float) -> None:
        """Nothing."""

    def answered(self, result: InferenceResponse | PenstockError, at_ms: float) -> None:
        """Nothing."""

    def buried(self, failed: Failed, at_ms: float) -> None:
        """Nothing."""

    def closed(self, at_ms: float) -> None:
        """Nothing."""


class Everybody(Follower):
    """Follows every request."""

    def __init__(self) -> None:
        self.steps = Steps()

    def follow(self, request: RequestSeen) -> Following:
        return self.steps


class Spy(Follower):
    """Follows all pipelines but one, and gives records the name of the visit that they are of."""

    def __init__(self, unwanted: str = "") -> None:
        self.seen: list[RequestSeen] = []
        self.came: list[str] = []
        self._unwanted = unwanted

    def follow(self, request: RequestSeen) -> Following | None:
        self.seen.append(request)
        return None if request.name == self._unwanted else SpyOnOne(self, request.name)


class SpyOnOne(Steps):
    def __init__(self, spy: Spy, name: str) -> None:
        super().__init__()
        self._spy = spy
        self._name = name

    def record_read(self, visit: VisitSeen | None) -> Headers:
        return {"span": f"{self._name} {None if visit is None else visit.step}"}

    def record_came(self, headers: Headers) -> None:
        self._spy.came.append(headers["span"])


def test_what_a_request_brings_about_is_followed_with_it() -> None:
    async def test(at: World) -> None:
        follower = Spy()
        at.follow_with(follower)
        at.pipeline("src", chain("a"))
        at.reads("r", "c", "src.step.a")
        at.reads("again", "c", "r.inputs")
        at.gateway.follow(Tap(Wanted("again", None)))
        identity = await at.ask()
        assert [(each.name, each.begun_by) for each in follower.seen] == [
            ("src", ""),
            ("r", "src.step.a.outputs"),
            ("again", "r.inputs"),
        ]
        assert {each.identity for each in follower.seen} == {identity}
        assert [each.headers.get("span") for each in follower.seen] == [None, "src a", "r None"]
        assert follower.came == ["src a", "r None"]
        assert at.story(identity, "again").outcome == "ok"

    world(test)


@pytest.mark.parametrize("unwanted", ["src", "r"])
def test_what_a_request_brings_about_that_nobody_follows_is_not_followed(unwanted: str) -> None:
    async def test(at: World) -> None:
        follower = Spy(unwanted)
        at.follow_with(follower)
        at.pipeline("src", chain("a"))
        at.reads("r", "c", "src")
        at.reads("again", "c", "r")
        identity = await at.ask()
        asked = [each.name for each in follower.seen]
        assert asked == (["src"] if unwanted == "src" else ["src", "r"])
        assert at.story(identity, "again").outcome == "ok"

    world(test)


@pytest.mark.parametrize("reference", ["src.step.a.inputs", "src.step.a", "src"])
def test_a_request_that_is_followed_is_read_all_the_same(reference: str) -> None:
    async def test(at: World) -> None:
        follower = Everybody()
        at.follow_with(follower)
        at.pipeline("src", chain("a"))
        at.reads("r", "c", reference)
        identity = await at.ask()
        assert at.story(identity, "r").outcome == "ok"
        kept = [str(each.port) for each in at.desk.story(identity).records]
        assert len(kept) == (2 if reference == "src" else 3)
        assert follower.steps.called == ["a", "c"]

    world(test)


def test_a_reader_can_be_tapped() -> None:
    async def test(at: World) -> None:
        at.reads("r", "c", "src.step.a")
        tap = Tap(Wanted("r", None))
        at.gateway.follow(tap)
        identity = await at.ask()
        told = await tap.next()
        assert isinstance(told, TapRecord)
        assert (told.identity, told.name, str(told.port)) == (identity, "r", "inputs")
        assert at.answer(identity, "r") == ["c.y(a.y(x))"]
        kept = [str(each.port) for each in at.story(identity, "r").records]
        assert kept == ["inputs", "outputs"], "who looks has nothing kept"
        at.gateway.unfollow(tap)

    world(test)
