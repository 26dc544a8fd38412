"""Batching, sentence by sentence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from penstock.core.clock import VirtualClock
from penstock.core.contracts.model import ModelCall
from penstock.core.engine import Call, Effects, Emit, Engine, Passage, SharedCall
from penstock.core.engine.batches import misfit
from penstock.core.model import CallContext
from penstock.core.plan import Plan
from penstock.core.plan.compiler import compile_pipeline
from penstock.core.records import Absent, Body, Failed, Parameters, Tensors
from penstock.core.resources import Pipeline
from penstock.core.simulation import Outcome, Simulation
from penstock.core.tensors import Tensor
from penstock.testing.joins import Joins
from penstock.testing.scripts import NEVER, Reaction
from unit.engine.running import compiled


def batching(size: int = 8, window_ms: int = 5, **more: Any) -> dict[str, Any]:
    step = {"name": "a", "batch": {"size": size, "windowMs": window_ms}, **more}
    return {"steps": [step], "output": {"steps": ["a"]}}


def rows(*values: int, name: str = "x", parameters: Parameters | None = None) -> Tensor:
    contents = np.array(values, dtype="<i4").tobytes()
    return Tensor(name, "INT32", (len(values),), contents, parameters)


class World:
    """Requests through one plan, and the calls that were made for them."""

    def __init__(
        self,
        spec: dict[str, Any],
        react: Callable[[Call], Reaction] = lambda call: Reaction(1.0, doubled),
    ) -> None:
        self.plan = compiled(spec)
        self.calls: list[tuple[float, list[str], list[int]]] = []
        self.seen: list[Call] = []
        self._react = react
        self.simulation = Simulation(self._called)
        self.outcomes: list[Outcome] = []

    def _called(self, call: Call) -> Reaction:
        self.seen.append(call)
        at_ms = self.simulation.clock.now_ms()
        self.calls.append((at_ms, list(call.origin.identities), call.tensors[0].array.tolist()))
        return self._react(call)

    def send(self, *tensors: Tensor, **more: Any) -> Outcome:
        name = f"r{len(self.outcomes)}"
        outcome = self.simulation.begin(self.plan, tensors, identity=name, **more)
        self.outcomes.append(outcome)
        return outcome

    def run(self) -> list[Body]:
        self.simulation.run()
        assert self.simulation.engine.open_passages == 0
        return [outcome.answer for outcome in self.outcomes]


def doubled(call: Call) -> Tensors:
    return tuple(Tensor.from_numpy("y", each.array * 2) for each in call.tensors)


def values(body: Body) -> list[int]:
    assert not isinstance(body, Absent | Failed), body
    found: list[int] = body[0].array.tolist()
    return found


def test_visits_within_the_window_share_a_call_and_each_gets_its_rows() -> None:
    world = World(batching())
    world.send(rows(1, 2))
    world.send(rows(3), at_ms=4.0)
    world.send(rows(4), at_ms=5.5)
    assert [values(body) for body in world.run()] == [[2, 4], [6], [8]]
    assert world.calls == [(5.0, ["r0", "r1"], [1, 2, 3]), (10.5, ["r2"], [4])]


def test_window_is_five_milliseconds_when_none_is_written() -> None:
    spec = batching()
    spec["steps"][0]["batch"] = {"size": 8}
    world = World(spec)
    world.send(rows(1))
    world.run()
    assert world.calls[0][0] == 5.0


def test_full_call_is_made_at_once_even_while_the_model_is_busy() -> None:
    world = World(batching(2, 50), lambda call: Reaction(100.0, doubled))
    for at_ms in (0.0, 1.0, 2.0, 3.0):
        world.send(rows(1), at_ms=at_ms)
    world.run()
    assert [at_ms for at_ms, _, _ in world.calls] == [1.0, 3.0]


def test_rows_count_and_not_requests() -> None:
    world = World(batching(4))
    world.send(rows(1, 2, 3))
    world.send(rows(4, 5))
    world.send(rows(6, 7))
    world.run()
    assert [given for _, _, given in world.calls] == [[1, 2, 3], [4, 5, 6, 7]]


def test_bigger_one_goes_alone_and_at_once() -> None:
    world = World(batching(2))
    world.send(rows(1))
    world.send(rows(2, 3, 4), at_ms=1.0)
    world.send(rows(5), at_ms=2.0)
    assert [values(body) for body in world.run()] == [[2], [4, 6, 8], [10]]
    assert world.calls == [(1.0, ["r1"], [2, 3, 4]), (2.0, ["r0", "r2"], [1, 5])]


def test_window_never_takes_more_than_half_of_the_shortest_time_left() -> None:
    world = World(batching(8, 100))
    world.send(rows(1))
    world.send(rows(2), at_ms=10.0, deadline_ms=40.0)
    world.run()
    assert world.calls == [(30.0, ["r0", "r1"], [1, 2])]


@pytest.mark.parametrize(
    "other",
    [
        (rows(2, name="z"),),
        (Tensor("x", "INT64", (1,), bytes(8)),),
        (Tensor("x", "INT32", (1, 1), bytes(4)),),
        (Tensor("x", "INT32", (), bytes(4)),),
        (rows(2), rows(2, name="z")),
        (rows(2), rows(2, 3, name="z")),
        (rows(2, parameters={"scale": 1}),),
    ],
    ids=["name", "datatype", "axes", "no-axis", "one-more", "uneven", "tensor-parameters"],
)
def test_visits_share_a_call_only_if_their_tensors_agree(other: Tensors) -> None:
    world = World(batching(), lambda call: Reaction(1.0, lambda c: c.tensors[:1]))
    world.send(rows(1))
    world.send(*other)
    world.send(rows(3))
    world.run()
    assert sorted(identities for _, identities, _ in world.calls) == [["r0", "r2"], ["r1"]]


def test_tensors_of_one_visit_are_joined_each_with_its_own() -> None:
    world = World(batching(), lambda call: Reaction(1.0, lambda c: c.tensors))
    for value in (1, 2):
        world.send(rows(value), rows(-value, name="z"))
    first, second = world.run()
    assert isinstance(first, tuple)
    assert isinstance(second, tuple)
    assert [each.array.tolist() for each in (*first, *second)] == [[1], [-1], [2], [-2]]


class Driven:
    """Requests with parameters and headers, straight into the engine; nothing answers."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.engine = Engine(lambda: 0.5)
        self.plan = compiled(spec)
        self.out: Effects = []

    def open(
        self, identity: str, now_ms: float, *, deadline_ms: float = 100.0, **more: Any
    ) -> None:
        passage = Passage(
            self.plan, identity, now_ms, now_ms + deadline_ms, f"id-{identity}", **more
        )
        self.engine.open(passage, (rows(1),), self.out)

    def calls(self, at_ms: float) -> list[Call]:
        self.engine.tick(at_ms, self.out)
        return [effect for effect in self.out if isinstance(effect, Call)]


@pytest.mark.parametrize("different", [1, True, 1.0, "1", None])
def test_request_parameters_agree_in_a_shared_call(different: object) -> None:
    driven = Driven(batching())
    driven.open("r0", 0.0, parameters={"p": 2})
    driven.open("r1", 0.0, parameters={} if different is None else {"p": different})
    driven.open("r2", 0.0, parameters={"p": 2})
    driven.open("r3", 0.0, parameters={} if different is None else {"p": different})
    found = {call.origin.identities: call.origin.parameters for call in driven.calls(5.0)}
    assert found[("r0", "r2")] == {"p": 2}
    assert set(found) == {("r0", "r2"), ("r1", "r3")}


def test_true_and_one_are_not_the_same_parameter() -> None:
    driven = Driven(batching())
    for number, value in enumerate((1, True, 1.0, 1, True)):
        driven.open(f"r{number}", 0.0, parameters={"p": value})
    found = [call.origin.identities for call in driven.calls(5.0)]
    assert sorted(found) == [("r0", "r3"), ("r1", "r4"), ("r2",)]


def test_shared_call_carries_no_id_the_identities_and_the_shortest_time_left() -> None:
    driven = Driven(batching())
    driven.open("r0", 0.0, headers={"x-tenant": "t", "traceparent": "1"})
    driven.open("r1", 1.0, deadline_ms=50.0, headers={"x-tenant": "t", "traceparent": "2"})
    (call,) = driven.calls(5.0)
    context = CallContext(call, VirtualClock(11.0))
    assert context.request_id is None
    assert context.identities == ("r0", "r1")
    assert context.identity == "r0,r1"
    assert context.headers == {"x-tenant": "t"}
    assert context.time_left_ms() == 40.0
    assert (context.step, context.round, context.attempt) == ("a", 0, 1)


def test_call_for_one_is_as_any_other() -> None:
    driven = Driven(batching())
    driven.open("r0", 0.0)
    (call,) = driven.calls(5.0)
    assert not isinstance(call, SharedCall)
    context = CallContext(call, VirtualClock())
    assert (context.request_id, context.identities) == ("id-r0", ("r0",))


def test_what_a_shared_call_leaves_out_is_absent_for_all() -> None:
    world = World(batching(), lambda call: Reaction(1.0, lambda c: ()))
    world.send(rows(1))
    world.send(rows(2))
    world.run()
    for outcome in world.outcomes:
        assert outcome.port("a.outputs") == Absent("step 'a' put out nothing", "left-out")


def bad(*poison: int) -> Callable[[Call], Reaction]:
    """A model that fails on some values, whatever else it is given."""

    def react(call: Call) -> Reaction:
        if set(poison) & set(call.tensors[0].array.tolist()):
            return Reaction(1.0, Failed("step-failed", "I cannot", None, False))
        return Reaction(1.0, doubled)

    return react


def test_after_an_error_of_the_model_visits_are_tried_singly_once() -> None:
    world = World(batching(), bad(2))
    for value in (1, 2, 3):
        world.send(rows(value))
    first, second, third = world.run()
    assert (values(first), values(third)) == ([2], [6])
    assert second == Failed("step-failed", "I cannot", "a")
    assert [at_ms for at_ms, _, _ in world.calls] == [5.0, 6.0, 6.0, 6.0]


@pytest.mark.parametrize("code", ["deadline", "lost", "not-ready", "overloaded"])
def test_they_are_not_after_a_timeout_or_a_lost_server(code: str) -> None:
    failed = Failed(code, "no", None, True)
    world = World(batching(), lambda call: Reaction(1.0, failed))
    for value in (1, 2):
        world.send(rows(value))
    assert world.run() == [failed._replace(step="a", retriable=False)] * 2
    assert len(world.calls) == 1


def test_visits_that_are_tried_again_share_a_call_again() -> None:
    def react(call: Call) -> Reaction:
        if call.attempt == 1:
            return Reaction(1.0, Failed("overloaded", "later", None, True))
        return Reaction(1.0, doubled)

    world = World(batching(retries=1, retryBackoffMs=10), react)
    for value in (1, 2):
        world.send(rows(value))
    assert [values(body) for body in world.run()] == [[2], [4]]
    assert [at_ms for at_ms, _, _ in world.calls] == [5.0, 21.0]
    assert [call.attempt for call in world.seen] == [1, 2]


def test_timeout_counts_from_the_call_and_not_from_the_wait() -> None:
    world = World(batching(window_ms=20, timeoutMs=10), lambda call: Reaction(9.0, doubled))
    world.send(rows(1))
    assert values(world.run()[0]) == [2]
    assert world.seen[0].deadline_ms == 30.0


@pytest.mark.parametrize(("left_ms", "until_ms"), [(500.0, 25.0), (22.0, 22.0)])
def test_shared_call_is_told_of_the_shortest_time_left(left_ms: float, until_ms: float) -> None:
    world = World(batching(timeoutMs=20))
    world.send(rows(1), deadline_ms=left_ms)
    world.send(rows(2), deadline_ms=500.0)
    world.run()
    assert [call.deadline_ms for call in world.seen] == [until_ms]


def test_timeout_ends_the_attempt_of_each() -> None:
    world = World(batching(timeoutMs=10), lambda call: NEVER)
    world.send(rows(1), deadline_ms=12.0)
    world.send(rows(2))
    first, second = world.run()
    assert isinstance(first, Failed)
    assert first.reason == "the deadline of 12 ms passed while 'a' was at work"
    assert second == Failed("deadline", "attempt 1 at step 'a' took longer than 10 ms", "a")
    assert len(world.calls) == 1


def test_call_that_waited_too_long_for_one_of_them_is_made_again_for_the_others() -> None:
    def react(call: Call) -> Reaction:
        if len(call.origin.identities) > 1:
            # As a model with one place says when it was taken for all that time.
            over = Failed("deadline", "the time was over before there was a place", None, True)
            return Reaction(call.deadline_ms - world.simulation.clock.now_ms(), over)
        return Reaction(1.0, doubled)

    world = World(batching(), react)
    world.send(rows(1), deadline_ms=20.0)
    world.send(rows(2))
    first, second = world.run()
    assert isinstance(first, Failed)
    assert values(second) == [4]
    assert world.calls[1] == (25.0, ["r1"], [2])


@pytest.mark.parametrize("wrong", [(3,), (1,), (), (4, 2)])
def test_answer_whose_first_axis_does_not_fit_is_an_error_of_the_model(
    wrong: tuple[int, ...],
) -> None:
    def react(call: Call) -> Reaction:
        if len(call.origin.identities) > 1:
            return Reaction(1.0, lambda c: (Tensor("y", "INT8", wrong, bytes(8)),))
        return Reaction(1.0, Failed("step-failed", "singly neither", None, False))

    world = World(batching(), react)
    for value in (1, 2):
        world.send(rows(value))
    for body in world.run():
        assert body == Failed("step-failed", "singly neither", "a")
    assert len(world.calls) == 3


def test_the_sentence_about_such_an_answer() -> None:
    driven = Driven(batching())
    driven.open("r0", 0.0)
    driven.open("r1", 0.0)
    (call,) = driven.calls(5.0)
    assert isinstance(call, SharedCall)
    assert misfit(call, (Tensor("y", "INT8", (3,), bytes(3)),)) == Failed(
        "step-failed",
        "2 requests shared a call of 2 rows, and the model put out 'y' as [3]; where visits are "
        "batched, every output must have as many rows as the inputs",
        "a",
    )


def test_who_leaves_is_not_called_and_costs_the_others_nothing() -> None:
    world = World(batching())
    world.send(rows(1), cancel_ms=2.0)
    world.send(rows(2))
    _, second = world.run()
    assert values(second) == [4]
    assert world.calls == [(5.0, ["r1"], [2])]


def test_call_goes_on_for_the_others_and_is_given_up_with_the_last() -> None:
    world = World(batching(), lambda call: NEVER)
    first = world.send(rows(1), cancel_ms=6.0)
    world.send(rows(2), cancel_ms=8.0)
    world.simulation.run(7.0)
    assert first.abandoned == []
    world.run()
    assert first.abandoned == ["a"], "it is noted with the first of those that shared the call"


def test_nothing_is_called_when_all_have_left() -> None:
    world = World(batching())
    world.send(rows(1), cancel_ms=2.0)
    world.send(rows(2), cancel_ms=3.0)
    world.run()
    assert world.calls == []


def test_inputs_are_shown_before_batching_and_outputs_say_that_the_call_was_shared() -> None:
    driven = Driven(batching())
    driven.open("r0", 0.0)
    driven.open("r1", 0.0)
    (call,) = driven.calls(5.0)
    driven.engine.done(call, doubled(call), 6.0, driven.out)
    shown = [
        (str(each.port), len(values(each.body)), each.shared_by)
        for each in driven.out
        if isinstance(each, Emit) and each.passage.identity == "r1"
    ]
    assert ("a.inputs", 1, 1) in shown
    assert ("a.outputs", 1, 2) in shown


def test_outcome_that_comes_twice_changes_nothing() -> None:
    driven = Driven(batching())
    driven.open("r0", 0.0)
    driven.open("r1", 0.0)
    (call,) = driven.calls(5.0)
    assert driven.engine.done(call, doubled(call), 6.0, driven.out)
    before = len(driven.out)
    assert not driven.engine.done(call, doubled(call), 6.5, driven.out)
    assert len(driven.out) == before
    assert driven.engine.open_passages == 0


LOOP = {
    "allowCycles": True,
    "steps": [
        {
            "name": "a",
            "inputs": ["p", "b.outputs.again"],
            "inputsJoinType": "any",
            "tensorMap": {"b.outputs.again": "x"},
            "batch": {"size": 8, "windowMs": 5},
        },
        {"name": "b", "inputs": ["a"]},
    ],
    "output": {"steps": ["b.outputs.stop"]},
}


def test_rounds_of_different_requests_share_calls() -> None:
    def react(call: Call) -> Reaction:
        if call.step == "a":
            return Reaction(1.0, lambda c: (Tensor.from_numpy("x", c.tensors[0].array + 1),))
        name = "again" if call.tensors[0].array[0] < 3 else "stop"
        return Reaction(1.0, lambda c: (c.tensors[0].renamed(name),))

    world = World(LOOP, react)
    world.send(rows(0))
    world.send(rows(1), at_ms=7.0)
    assert [values(body) for body in world.run()] == [[3], [3]]
    shared = [call for call in world.seen if len(call.origin.identities) > 1]
    assert [call.round for call in shared] == [0, 1]
    assert all(isinstance(call, ModelCall) for call in shared)


def test_visits_of_two_versions_do_not_share_a_call() -> None:
    engine = Engine(lambda: 0.5)
    out: Effects = []
    plans: list[Plan] = [compiled(batching()), compiled(batching(), 2)]
    for number, plan in enumerate(plans):
        engine.open(Passage(plan, f"r{number}", 0.0, 100.0), (rows(1),), out)
    engine.tick(5.0, out)
    assert [type(each) for each in out if isinstance(each, Call)] == [Call, Call]


def test_batch_without_size_is_no_batch() -> None:
    spec = batching()
    spec["steps"][0]["batch"] = {}
    world = World(spec)
    world.send(rows(1))
    world.run()
    assert world.calls == [(0.0, ["r0"], [1])]


def test_requests_that_are_followed_share_calls_with_others() -> None:
    pipeline = Pipeline.model_validate({"metadata": {"name": "p"}, "spec": batching()})
    plan = compile_pipeline(pipeline, 1, Joins(), record="none", followed=True)
    assert plan.followed is not None
    engine = Engine(lambda: 0.5)
    out: Effects = []
    for name, each in (("r0", plan), ("r1", plan.followed)):
        engine.open(Passage(each, name, 0.0, 100.0), (rows(1),), out)
    engine.tick(5.0, out)
    (call,) = [each for each in out if isinstance(each, SharedCall)]
    engine.done(call, doubled(call), 6.0, out)
    told = [each.passage.identity for each in out if isinstance(each, Emit)]
    assert set(told) == {"r1"}
    assert engine.open_passages == 0


def test_shared_call_that_came_back_in_time_is_not_given_up_at_its_timeout() -> None:
    world = World(batching(timeoutMs=20))
    outcomes = [world.send(rows(1), deadline_ms=500.0), world.send(rows(2), deadline_ms=500.0)]
    assert [values(body) for body in world.run()] == [[2], [4]]
    assert [outcome.abandoned for outcome in outcomes] == [[], []]


def test_what_follows_a_shared_call_follows_at_the_time_of_its_outcome() -> None:
    spec = batching()
    spec["steps"].append({"name": "b", "inputs": ["a.outputs.none"], "onError": "absent"})
    spec["steps"].append({"name": "c", "inputs": ["a.outputs.y"]})
    spec["output"] = {"steps": ["b", "c"], "stepsJoin": "outer"}
    world = World(spec)
    outcomes = [world.send(rows(1)), world.send(rows(2))]
    world.run()
    for outcome in outcomes:
        # Five ms for the window, and one for the call.
        for port in ("a.outputs", "b.inputs", "b.outputs", "c.inputs"):
            assert outcome.at(port) == 6.0
        assert outcome.at("c.outputs") == 7.0
