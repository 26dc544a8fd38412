"""Passages that records of other pipelines begin: how their input is joined, or ends otherwise."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.core.engine import (
    Answer,
    Call,
    Closed,
    DeadLetter,
    Effects,
    Emit,
    Engine,
    ExternalPassage,
)
from penstock.core.records import Absent, Body, Failed
from penstock.testing.scripts import named, tensor
from unit.engine.loops import looped
from unit.engine.running import CHAIN, compiled

BAD = Failed("overloaded", "no", "their step")
NOTHING = Absent("it was skipped over there")


def brought(*names: str, token: str = "") -> Body:
    return tuple(tensor(name, token or name) for name in names)


class Joining:
    """Passages of one plan over pipelines ``m`` and ``n``, driven by hand."""

    def __init__(self, spec: dict[str, Any], *, most: int = 10, **section: Any) -> None:
        reads = {"externalInputs": ["m", "n"], **section}
        self.plan = compiled({**spec, "input": reads})
        self.engine = Engine(lambda: 0.5, most)
        self.out: Effects = []

    def gather(
        self, identity: str = "id", now_ms: float = 0.0, deadline_ms: float = 90_000.0
    ) -> ExternalPassage:
        passage = ExternalPassage(self.plan, identity, now_ms, deadline_ms)
        self.engine.gatherings.begin(passage, self.out)
        return passage

    def bring(self, passage: ExternalPassage, pipeline: str, body: Body, now_ms: float) -> None:
        (feed,) = [feed for port, feed in self.plan.external.items() if port.pipeline == pipeline]
        self.engine.gatherings.bring(passage, feed, body, now_ms, self.out)

    def tick(self, now_ms: float) -> None:
        self.engine.tick(now_ms, self.out)

    @property
    def calls(self) -> list[Call]:
        return [each for each in self.out if isinstance(each, Call)]

    @property
    def answer(self) -> Body:
        (answer,) = [each for each in self.out if isinstance(each, Answer)]
        return answer.body

    @property
    def inputs(self) -> list[tuple[str, float, Body]]:
        """Inputs of passages as they were written, with when."""
        return [
            (each.passage.identity, each.at_ms, each.body)
            for each in self.out
            if isinstance(each, Emit) and str(each.port) == "inputs"
        ]

    @property
    def dead_letters(self) -> list[Failed]:
        return [each.failure for each in self.out if isinstance(each, DeadLetter)]


def test_request_begins_when_its_input_is_joined() -> None:
    at = Joining(CHAIN)
    passage = at.gather()
    at.bring(passage, "n", brought("r"), 1.0)
    assert (at.engine.open_passages, len(at.engine.gatherings), at.out) == (0, 1, [])
    at.bring(passage, "m", brought("l"), 5.0)
    assert (at.engine.open_passages, len(at.engine.gatherings)) == (1, 0)
    assert at.inputs == [("id", 5.0, brought("l", "r"))]
    (call,) = at.calls
    assert named(call.tensors) == [("l", "l"), ("r", "r")]
    assert (call.issued_ms, call.deadline_ms) == (5.0, 90_000.0)


def test_what_comes_once_the_input_is_decided_changes_nothing() -> None:
    at = Joining(CHAIN, joinType="any")
    passage = at.gather()
    at.bring(passage, "m", brought("l"), 1.0)
    at.bring(passage, "n", brought("r"), 2.0)
    at.bring(passage, "m", BAD, 3.0)
    assert at.inputs == [("id", 1.0, brought("l"))]
    assert len(at.calls) == 1


@pytest.mark.parametrize("first", ["m", "n"])
def test_window_of_the_input_begins_with_the_first_record(first: str) -> None:
    at = Joining(CHAIN, joinWindowMs=50)
    passage = at.gather(now_ms=10.0)
    at.bring(passage, first, brought("x"), 10.0)
    at.tick(59.9)
    assert at.out == []
    at.tick(60.0)
    late = {"m": "n", "n": "m"}[first]
    reason = f"no input: {late}.outputs did not come before the window ended"
    assert at.inputs == [("id", 60.0, Absent(reason, "join-expired"))]
    assert at.calls == []
    assert at.answer == Absent("no output: b.outputs is absent", "absent")
    assert at.engine.open_passages == 0


def test_input_waits_a_minute_by_default() -> None:
    at = Joining(CHAIN)
    at.bring(at.gather(), "m", brought("x"), 0.0)
    at.tick(59_999.0)
    assert at.out == []
    at.tick(60_000.0)
    assert isinstance(at.answer, Absent)


def test_absence_over_there_is_an_input_that_is_absent() -> None:
    at = Joining(CHAIN)
    at.bring(at.gather(), "n", NOTHING, 3.0)
    assert at.inputs == [("id", 3.0, Absent("no input: n.outputs is absent", "absent"))]
    skipped = [
        each.body for each in at.out if isinstance(each, Emit) and str(each.port) == "a.outputs"
    ]
    assert skipped == [Absent("step 'a' was skipped: p.inputs is absent", "absent")]
    assert at.dead_letters == []


@pytest.mark.parametrize("output", [True, False])
def test_failure_over_there_fails_the_request_and_is_not_buried_here(output: bool) -> None:
    at = Joining(CHAIN if output else {"steps": CHAIN["steps"]})
    passage = at.gather()
    at.bring(passage, "m", BAD, 2.0)
    assert at.out == []
    at.bring(passage, "n", brought("r"), 3.0)
    assert at.inputs == [("id", 3.0, BAD)]
    if output:
        assert at.answer == BAD
    assert passage.foreign is BAD
    assert at.dead_letters == []
    assert isinstance(at.out[-1], Closed)


@pytest.mark.parametrize("output", [True, False])
def test_two_tensors_of_one_name_fail_the_request(output: bool) -> None:
    at = Joining(CHAIN if output else {"steps": CHAIN["steps"]})
    passage = at.gather()
    at.bring(passage, "m", brought("w", "x"), 1.0)
    at.bring(passage, "n", brought("x"), 2.0)
    failed = Failed(
        "invalid-request",
        "two sources bring a tensor 'x' into pipeline 'p'; give one of them another name with "
        "tensorMap",
    )
    assert at.inputs == [("id", 2.0, failed)]
    assert passage.foreign is None
    assert at.calls == []
    # Whoever waits for the answer is told; where nobody can, it is buried.
    assert at.dead_letters == ([] if output else [failed])


@pytest.mark.parametrize(
    ("come", "before"),
    [
        ([], ""),
        (["m"], " before n.outputs, t.outputs came"),
        (["n"], " before m.outputs, t.outputs came"),
        (["t"], " before m.outputs, n.outputs came"),
        (["m", "n"], " before t.outputs came"),
    ],
    ids=" ".join,
)
def test_deadline_says_what_the_input_waited_for(come: list[str], before: str) -> None:
    at = Joining(CHAIN, externalTriggers=["t"])
    passage = at.gather(deadline_ms=100.0)
    for pipeline in come:
        at.bring(passage, pipeline, brought(pipeline), 1.0)
    at.tick(100.0)
    failed = Failed("deadline", f"the deadline of 100 ms passed{before}")
    assert at.inputs == [("id", 100.0, failed)]
    assert at.answer == failed
    assert passage.waits_for() == ()
    assert (at.engine.open_passages, len(at.engine.gatherings)) == (0, 0)


def test_deadline_names_who_was_at_work_once_the_input_is_there() -> None:
    at = Joining(CHAIN, joinType="any")
    passage = at.gather(deadline_ms=100.0)
    at.bring(passage, "m", brought("l"), 1.0)
    at.tick(100.0)
    assert at.answer == Failed(
        "deadline", "the deadline of 100 ms passed while 'a' was at work", "a"
    )


def test_caller_of_nothing_yet_may_be_given_up_while_the_input_is_joined() -> None:
    at = Joining({"steps": CHAIN["steps"]})
    passage = at.gather()
    at.bring(passage, "m", brought("l"), 1.0)
    at.engine.cancel(passage, 2.0, at.out)
    (inputs,) = at.inputs
    assert isinstance(inputs[2], Failed)
    assert inputs[2].code == "cancelled"
    assert (at.engine.open_passages, len(at.engine.gatherings)) == (0, 0)


@pytest.mark.parametrize("kind", ["inner", "outer"])
def test_at_the_bound_the_oldest_input_ends_as_at_the_end_of_its_window(kind: str) -> None:
    at = Joining(CHAIN, most=2, joinType=kind)
    passages = []
    for number in range(3):
        now_ms = float(number)
        passages.append(at.gather(str(number), now_ms))
        at.bring(passages[-1], "m", brought("l"), now_ms)
    reason = "no input: n.outputs did not come before the window ended"
    ended = brought("l") if kind == "outer" else Absent(reason, "join-expired")
    assert at.inputs == [("0", 2.0, ended)]
    assert [each for each in passages if each.inputs is None] == passages[1:]
    assert [call.issued_ms for call in at.calls] == ([2.0] if kind == "outer" else [])


@pytest.mark.parametrize("trigger", [brought("t"), NOTHING, BAD], ids=["value", "absent", "failed"])
def test_external_triggers_gate_the_input(trigger: Body) -> None:
    at = Joining(CHAIN, externalTriggers=["t"])
    passage = at.gather()
    at.bring(passage, "m", brought("l"), 1.0)
    at.bring(passage, "t", trigger, 2.0)
    at.bring(passage, "n", brought("r"), 3.0)
    ((_, at_ms, body),) = at.inputs
    if isinstance(trigger, Absent):
        assert (at_ms, body) == (2.0, Absent("no input: t.outputs is absent", "absent"))
    else:
        assert (at_ms, body) == (3.0, trigger if isinstance(trigger, Failed) else brought("l", "r"))


def test_loop_behind_such_an_input_begins_with_it() -> None:
    spec = looped(
        [
            {"name": "a", "inputs": ["p", "b.outputs.x"], "inputsJoinType": "any"},
            {"name": "b", "inputs": ["a", "c"], "inputsJoinType": "outer"},
            {"name": "c", "inputs": ["b.outputs.y"], "inputsJoinType": "any"},
            {"name": "d", "inputs": ["b.outputs.z"]},
        ],
        ["d"],
    )
    at = Joining(spec, joinType="any")
    passage = at.gather()
    at.bring(passage, "m", brought("l"), 4.0)
    assert [(call.step, call.round) for call in at.calls] == [("a", 0)]
    reason = "step 'c' was skipped: no value comes from inside the loop in its first round"
    assert [
        (each.at_ms, each.body)
        for each in at.out
        if isinstance(each, Emit) and str(each.port) == "c.outputs"
    ] == [(4.0, Absent(reason))]


def test_what_was_due_is_done_before_what_comes_at_that_time() -> None:
    at = Joining(CHAIN, joinType="outer", joinWindowMs=10)
    first = at.gather("first")
    at.bring(first, "m", brought("l"), 0.0)
    at.gather("second", 10.0)
    assert at.inputs == [("first", 10.0, brought("l"))]
    third = at.gather("third", 11.0)
    at.bring(third, "m", brought("l"), 11.0)
    at.bring(third, "n", brought("r"), 21.0)
    assert at.inputs[1:] == [("third", 21.0, brought("l"))]


def test_loop_behind_such_an_input_has_it_in_every_round() -> None:
    spec = looped(
        [
            {"name": "a", "inputs": ["p", "b.outputs.x"], "inputsJoinType": "any"},
            {"name": "b", "inputs": ["a", "p.inputs.l"]},
        ],
        ["b.outputs.end"],
    )
    at = Joining(spec, joinType="any")
    passage = at.gather()
    at.bring(passage, "m", brought("l"), 4.0)
    made = {"a": (tensor("y"),), "b": (tensor("x"),)}
    for number in range(3):
        for step in ("a", "b"):
            call = at.calls[-1]
            assert (call.step, call.round) == (step, number)
            at.engine.done(call, made[step], 5.0, at.out)
    assert named(at.calls[3].tensors) == [("y", "y"), ("l", "l")]


def test_input_that_still_waits_for_room_is_written_when_its_time_is_over() -> None:
    """Two have their places in the order, one of which waits for the other's answer."""
    spec = {**CHAIN, "output": {"steps": ["b"], "order": "partition", "maxHeld": 1}}
    at = Joining(spec, joinType="any")
    for number, deadline_ms in enumerate((1000.0, 1000.0, 50.0)):
        passage = at.gather(f"r{number}", float(number), deadline_ms)
        at.bring(passage, "m", brought("l"), float(number))
    assert [name for name, _, _ in at.inputs] == ["r0", "r1"]
    at.tick(50.0)
    assert at.inputs[2:] == [("r2", 50.0, brought("l"))]
    assert [call.passage.identity for call in at.calls] == ["r0", "r1"]


def test_input_that_waited_for_room_is_written_when_there_is_some() -> None:
    spec = {
        "steps": [{"name": "a"}],
        "output": {"steps": ["a"], "order": "partition", "maxHeld": 1},
    }
    at = Joining(spec, joinType="any")
    for number in range(3):
        passage = at.gather(f"r{number}", float(number))
        at.bring(passage, "m", brought("l"), float(number))
    at.engine.done(at.calls[0], (tensor("y"),), 7.0, at.out)
    assert at.inputs[2:] == [("r2", 7.0, brought("l"))]
    at.tick(7.0)
    assert [call.passage.identity for call in at.calls] == ["r0", "r1", "r2"]
