"""The order of answers, sentence by sentence, and against the rule written down naively."""

from __future__ import annotations

from typing import Any, NamedTuple
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.core.contracts.transport import Ownership
from penstock.core.engine import Answer, Call, Effects, Emit, Engine, Passage, Resumed, Turn
from penstock.core.plan import Plan
from penstock.core.records import Absent, Body, Failed, Tensors
from penstock.core.simulation import Outcome, Simulation
from penstock.testing.scripts import Reaction, tensor
from unit.engine.running import compiled

GOOD: Tensors = (tensor("y"),)


def ordered(order: str = "partition", **more: Any) -> dict[str, Any]:
    output = {"steps": ["a"], "order": order, "maxHeld": more.pop("maxHeld", None)}
    return {"steps": [{"name": "a"}], "output": output, **more}


class Driven:
    """Requests straight into the engine; calls come back when the test says so."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.engine = Engine(lambda: 0.5)
        self.plan = compiled(spec)
        self.calls: dict[str, Call] = {}
        self.passages: dict[str, Passage] = {}
        self.told: list[tuple[str, str]] = []
        self.details: dict[str, tuple[str, ...]] = {}
        self.resumed: list[str] = []

    def open(
        self,
        name: str,
        key: bytes = b"",
        deadline_ms: float = 100.0,
        plan: Plan | None = None,
        ownership: Ownership | None = None,
    ) -> None:
        plan = plan or self.plan
        if key:
            passage = Passage(plan, name, 0.0, deadline_ms, key=key, ownership=ownership)
        else:
            passage = Passage(plan, name, 0.0, deadline_ms, ownership=ownership)
        self.passages[name] = passage
        out: Effects = []
        self.engine.open(passage, (tensor("x"),), out)
        self.carry_out(out, 0.0)

    def refuse(self, name: str, deadline_ms: float = 100.0) -> None:
        passage = Passage(self.plan, name, 0.0, deadline_ms)
        out: Effects = []
        self.engine.refuse(passage, Failed("invalid-request", "it is not to be run"), out)
        self.carry_out(out, 0.0)

    def done(self, name: str, outcome: Tensors | Failed = GOOD, now_ms: float = 1.0) -> None:
        out: Effects = []
        self.engine.done(self.calls[name], outcome, now_ms, out)
        self.carry_out(out, now_ms)

    def cancel(self, name: str) -> None:
        out: Effects = []
        self.engine.cancel(self.passages[name], 1.0, out)
        self.carry_out(out, 1.0)

    def tick(self, now_ms: float) -> None:
        out: Effects = []
        self.engine.tick(now_ms, out)
        self.carry_out(out, now_ms)

    def carry_out(self, out: Effects, now_ms: float) -> None:
        for effect in out:
            if isinstance(effect, Call):
                self.calls[effect.passage.identity] = effect
            elif isinstance(effect, Turn):
                self.engine.turn(effect.lane, now_ms, out)
            elif isinstance(effect, Resumed):
                self.resumed.append(effect.passage.identity)
            elif isinstance(effect, Answer):
                self.told.append((effect.passage.identity, how(effect.body)))
                self.details[effect.passage.identity] = effect.details

    @property
    def answered(self) -> list[str]:
        return [name for name, _ in self.told]


def how(body: Body) -> str:
    if isinstance(body, Failed):
        return body.code
    return "absent" if isinstance(body, Absent) else "value"


def test_answers_keep_the_order_of_intake() -> None:
    driven = Driven(ordered())
    for name in "abc":
        driven.open(name)
    driven.done("c")
    driven.done("b")
    assert driven.answered == []
    assert driven.engine.open_passages == 3
    driven.done("a")
    assert driven.answered == ["a", "b", "c"]
    assert driven.engine.open_passages == 0


def test_answers_come_as_they_get_ready_without_an_order() -> None:
    driven = Driven({"steps": [{"name": "a"}], "output": {"steps": ["a"]}})
    driven.open("a")
    driven.open("b")
    driven.done("b")
    assert driven.answered == ["b"]


def test_order_of_keys_is_kept_for_each_key_alone() -> None:
    driven = Driven(ordered("key"))
    for name, key in (("a1", b"a"), ("b1", b"b"), ("a2", b"a"), ("b2", b"b")):
        driven.open(name, key)
    for name in ("a2", "b1", "b2", "a1"):
        driven.done(name)
    assert driven.answered == ["b1", "b2", "a1", "a2"]


def test_key_of_a_request_is_its_identity_when_none_is_written() -> None:
    driven = Driven(ordered("key"))
    driven.open("a")
    driven.open("b")
    driven.done("b")
    assert driven.answered == ["b"]


def test_order_of_partitions_is_kept_for_each_partition_alone() -> None:
    driven = Driven(ordered(dataflow={"partitions": 2}))
    names = [f"r{i}" for i in range(8)]
    for name in names:
        driven.open(name)
    for name in reversed(names):
        driven.done(name)
    for partition in (0, 1):
        mine = [name for name in names if crc32(name.encode()) % 2 == partition]
        assert len(mine) > 1
        assert [name for name in driven.answered if name in mine] == mine


def test_skipped_and_failed_requests_keep_their_place_as_markers() -> None:
    driven = Driven(ordered())
    for name in "abcd":
        driven.open(name)
    driven.done("b", ())
    driven.done("c", Failed("step-failed", "no"))
    driven.done("d")
    assert driven.answered == []
    driven.done("a")
    assert driven.told == [("a", "value"), ("b", "absent"), ("c", "step-failed"), ("d", "value")]


def test_request_that_is_cancelled_gives_its_place_up() -> None:
    driven = Driven(ordered())
    for name in "abcd":
        driven.open(name)
    driven.done("b")
    driven.done("c")
    driven.cancel("c")
    assert driven.told == [("c", "cancelled")]
    driven.cancel("a")
    assert driven.answered == ["c", "a", "b"]
    driven.done("d")
    assert driven.answered == ["c", "a", "b", "d"]
    assert driven.engine.open_passages == 0


def test_request_past_its_deadline_gives_its_place_up_and_says_why() -> None:
    simulation = Simulation(
        lambda call: Reaction(50.0 if call.passage.identity == "r0" else 1.0, lambda c: GOOD)
    )
    plan = compiled(ordered())
    first, second, third = (
        simulation.begin(plan, (tensor("x"),), at_ms=7.0, deadline_ms=ms, identity=f"r{i}")
        for i, ms in enumerate((100.0, 20.0, 100.0))
    )
    simulation.run()
    assert second.answer == Failed(
        "deadline",
        "the deadline of 20 ms passed while the answer was held back for those of requests that "
        "came before",
    )
    assert [each.answered_ms for each in (first, second, third)] == [57.0, 27.0, 57.0]
    assert [each.at("outputs") for each in (first, second, third)] == [57.0, 27.0, 57.0]
    assert second.dead_letters == []


def test_failure_that_is_held_back_past_the_deadline_is_told() -> None:
    driven = Driven(ordered())
    driven.open("a", deadline_ms=100.0)
    driven.open("b", deadline_ms=10.0)
    driven.done("b", Failed("step-failed", "no"))
    driven.tick(10.0)
    assert driven.told == [("b", "step-failed")]


def test_stream_of_the_output_has_the_same_order() -> None:
    out: Effects = []
    engine, plan = Engine(lambda: 0.5), compiled(ordered())
    for name in "ab":
        engine.open(Passage(plan, name, 0.0, 100.0), (tensor("x"),), out)
    calls = [effect for effect in out if isinstance(effect, Call)]
    engine.done(calls[1], GOOD, 1.0, out)
    engine.done(calls[0], GOOD, 2.0, out)
    for effect in out:
        if isinstance(effect, Turn):
            engine.turn(effect.lane, 2.0, out)
    written = [
        (each.passage.identity, each.at_ms)
        for each in out
        if isinstance(each, Emit) and str(each.port) == "outputs"
    ]
    assert written == [("a", 2.0), ("b", 2.0)]


def test_who_enters_while_answers_are_given_does_not_overtake_them() -> None:
    """As a caller who sends the next request from within the reply."""
    driven = Driven(ordered())
    for name in "abc":
        driven.open(name)
    driven.done("b")
    driven.done("c")
    out: Effects = []
    driven.engine.done(driven.calls["a"], GOOD, 1.0, out)
    late = False
    for effect in out:
        if not isinstance(effect, Turn):
            driven.carry_out([effect], 1.0)
        if isinstance(effect, Answer) and not late:
            late = True
            driven.open("d")
            driven.done("d")
        if isinstance(effect, Turn):
            driven.engine.turn(effect.lane, 1.0, out)
    assert driven.answered == ["a", "b", "c", "d"]


def test_versions_of_a_pipeline_keep_one_order() -> None:
    driven = Driven(ordered())
    driven.open("a")
    driven.open("b", plan=compiled(ordered()))
    driven.done("b")
    assert driven.answered == []
    driven.done("a")
    assert driven.answered == ["a", "b"]


def test_no_more_may_enter_than_could_be_held_back() -> None:
    driven = Driven(ordered(maxHeld=2))
    line = driven.plan.line_of(b"")
    for name in "abc":
        assert not driven.engine.lines.is_full(driven.plan, line)
        driven.open(name)
    assert driven.engine.lines.is_full(driven.plan, line)
    driven.done("b")
    assert driven.resumed == []
    driven.done("a")
    assert driven.resumed == ["a"]
    assert not driven.engine.lines.is_full(driven.plan, line)


def test_room_is_told_of_when_somebody_in_the_middle_leaves() -> None:
    driven = Driven(ordered(maxHeld=1))
    driven.open("a")
    driven.open("b")
    assert driven.engine.lines.is_full(driven.plan, driven.plan.line_of(b""))
    driven.cancel("b")
    assert driven.resumed == ["b"]


def test_thousand_answers_are_held_back_when_nothing_is_written() -> None:
    order = compiled(ordered()).order
    assert order is not None
    assert (order.max_held, order.partitions) == (1000, 1)


class Coming(NamedTuple):
    """One request of the comparison: all in milliseconds, after its start where that is meant."""

    at: int
    takes: int
    deadline: int
    cancel: int | None
    key: bytes
    outcome: str


COMING = st.lists(
    st.builds(
        Coming,
        at=st.integers(0, 30),
        takes=st.integers(0, 30),
        deadline=st.sampled_from([5, 20, 1000]),
        cancel=st.none() | st.none() | st.integers(0, 30),
        key=st.sampled_from([b"k", b"l"]),
        outcome=st.sampled_from(["value", "value", "absent", "step-failed"]),
    ),
    max_size=9,
)


def moments(number: int, each: Coming) -> tuple[float, float, float]:
    """When one comes, is ready and is over; no two at one moment."""
    at = each.at + number * 0.01
    over = at + each.deadline + 0.003
    if each.cancel is not None:
        over = min(over, at + each.cancel + 0.005)
    return at, at + each.takes + 0.001, over


def expected(coming: list[Coming], *, by_key: bool) -> dict[int, tuple[float, str]]:
    """An answer is given when it is ready and all before it in its lane are gone."""
    ends: dict[int, tuple[float, str]] = {}
    gone: dict[bytes, float] = {}
    for number in sorted(range(len(coming)), key=lambda i: moments(i, coming[i])[0]):
        each = coming[number]
        lane = each.key if by_key else b""
        _, ready, over = moments(number, each)
        given = max(ready, gone.get(lane, 0.0))
        if given < over:
            ends[number] = given, each.outcome
        elif each.cancel is not None and each.cancel < each.deadline:
            ends[number] = over, "cancelled"
        else:
            # A failure that is held back is told for want of the time to hold it longer.
            failed = ready < over and each.outcome == "step-failed"
            ends[number] = over, "step-failed" if failed else "deadline"
        gone[lane] = max(gone.get(lane, 0.0), ends[number][0])
    return {number: (round(at, 3), what) for number, (at, what) in ends.items()}


@pytest.mark.hunt
@settings(max_examples=500, deadline=None)
@given(COMING, st.booleans())
def test_engine_keeps_the_order_that_is_written(coming: list[Coming], by_key: bool) -> None:
    def react(call: Call) -> Reaction:
        each = coming[int(call.passage.identity)]
        if each.outcome == "step-failed":
            return Reaction(each.takes + 0.001, Failed("step-failed", "no"))
        made = GOOD if each.outcome == "value" else ()
        return Reaction(each.takes + 0.001, lambda c: made)

    plan = compiled(ordered("key" if by_key else "partition"))
    simulation = Simulation(react)
    outcomes: dict[int, Outcome] = {}
    for number, each in enumerate(coming):
        at = moments(number, each)[0]
        outcomes[number] = simulation.begin(
            plan,
            (tensor("x"),),
            at_ms=at,
            deadline_ms=each.deadline + 0.003,
            cancel_ms=None if each.cancel is None else at + each.cancel + 0.005,
            identity=str(number),
            key=each.key,
        )
    simulation.run()
    assert simulation.engine.open_passages == 0
    got = {
        number: (round(each.answered_ms, 3), how(each.answer)) for number, each in outcomes.items()
    }
    assert got == expected(coming, by_key=by_key)


def test_what_is_due_when_an_answer_has_been_given_is_done_before_the_next() -> None:
    out: Effects = []
    engine, plan = Engine(lambda: 0.5), compiled(ordered())
    for name, deadline_ms in (("a", 100.0), ("b", 100.0), ("c", 10.0)):
        engine.open(Passage(plan, name, 0.0, deadline_ms), (tensor("x"),), out)
    calls = [effect for effect in out if isinstance(effect, Call)]
    engine.done(calls[1], GOOD, 1.0, out)
    engine.done(calls[0], GOOD, 2.0, out)
    (turn,) = [effect for effect in out if isinstance(effect, Turn)]
    engine.turn(turn.lane, 10.0, out)
    told = [(each.passage.identity, how(each.body)) for each in out if isinstance(each, Answer)]
    assert told == [("a", "value"), ("c", "deadline"), ("b", "value")]


def test_a_request_that_cannot_run_has_its_place() -> None:
    driven = Driven(ordered("partition"))
    driven.open("one")
    driven.refuse("two")
    driven.open("three")
    driven.done("three")
    assert driven.told == []
    driven.done("one")
    assert driven.told == [("one", "value"), ("two", "invalid-request"), ("three", "value")]
    assert driven.engine.open_passages == 0


def test_a_request_that_cannot_run_fails_at_its_deadline_as_it_would_have() -> None:
    driven = Driven(ordered("partition"))
    driven.open("one", deadline_ms=1000.0)
    driven.refuse("two", deadline_ms=50.0)
    driven.tick(60.0)
    assert driven.told == [("two", "invalid-request")]
    driven.done("one", now_ms=70.0)
    assert driven.answered == ["two", "one"]
    assert driven.engine.open_passages == 0


def test_a_partition_that_is_owned_is_the_line() -> None:
    driven = Driven(ordered("partition"))
    first = Ownership("g", "s", 0, 1)
    other = Ownership("g", "s", 1, 1)
    driven.open("one", key=b"k", ownership=first)
    driven.open("two", key=b"k", ownership=other)
    driven.open("three", key=b"q", ownership=first)
    driven.done("three")
    driven.done("two")
    assert driven.answered == ["two"]
    driven.done("one")
    assert driven.answered == ["two", "one", "three"]


def test_room_is_what_may_be_held_less_who_could_be() -> None:
    driven = Driven(ordered("partition", maxHeld=3))
    line = driven.plan.line_of(b"")
    assert driven.engine.lines.room_in(driven.plan, line) == 3
    for name in ("one", "two", "three"):
        driven.open(name)
    assert driven.engine.lines.room_in(driven.plan, line) == 1
    driven.open("four")
    assert driven.engine.lines.room_in(driven.plan, line) == 0
    driven.done("one")
    assert len(driven.resumed) == 1
    assert driven.engine.lines.room_in(driven.plan, line) == 1


def test_answers_say_why_there_is_none_also_when_they_were_held_back() -> None:
    driven = Driven(ordered())
    for name in ("first", "held", "late"):
        driven.open(name, deadline_ms=5.0 if name == "late" else 100.0)
    driven.refuse("refused")
    for name in ("held", "late", "first"):
        driven.done(name, ())
        if name == "late":
            driven.tick(5.0)
    why = ("a.outputs: step 'a' put out nothing",)
    assert driven.told == [
        ("late", "deadline"),
        ("first", "absent"),
        ("held", "absent"),
        ("refused", "invalid-request"),
    ]
    assert driven.details == {"late": (), "first": why, "held": why, "refused": ()}


def test_request_is_open_while_a_step_is_at_work_also_when_its_answer_was_held_back() -> None:
    spec = {
        "steps": [{"name": "a"}, {"name": "b"}],
        "output": {"steps": ["a"], "order": "partition"},
    }
    engine, plan = Engine(lambda: 0.5), compiled(spec)
    calls: dict[tuple[str, str], Call] = {}

    def carry_out(out: Effects) -> None:
        for effect in out:
            if isinstance(effect, Call):
                calls[effect.passage.identity, effect.step] = effect
            elif isinstance(effect, Turn):
                engine.turn(effect.lane, 1.0, out)

    def done(identity: str, step: str) -> None:
        out: Effects = []
        engine.done(calls[identity, step], GOOD, 1.0, out)
        carry_out(out)

    for identity in ("one", "two"):
        out: Effects = []
        engine.open(Passage(plan, identity, 0.0, 100.0), (tensor("x"),), out)
        carry_out(out)
    done("two", "a")
    done("one", "b")
    done("one", "a")
    assert engine.open_passages == 1
    done("two", "b")
    assert engine.open_passages == 0
