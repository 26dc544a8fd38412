"""``joinWindowMs: auto``: joins that end in time for what follows them."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.core.engine import Call
from penstock.core.metrics import Metrics
from penstock.core.plan.compiler import PlanError
from penstock.core.plan.rest import rest_of, time_for_rest
from penstock.core.records import Failed, Tensors
from penstock.core.simulation import Outcome, Reaction, Simulation, tensor
from penstock.testing.pipeline import SimulatedPipeline
from penstock.testing.scripts import NEVER, puts_out, scripted
from unit.engine.loops import by_round, looped
from unit.engine.running import compiled

STEPS = """
kind: Pipeline
metadata: {{name: p}}
spec:
  steps:
  - {{name: fast}}
  - {{name: slow}}
  - name: vote
    inputs: [fast.outputs.y, slow.outputs.y]
    tensorMap: {{fast.outputs.y: a, slow.outputs.y: b}}
    inputsJoinType: {join}
    joinWindowMs: auto
  - {{name: last, inputs: [vote]}}
  output: {{steps: [last]}}
"""


def pipeline(join: str = "outer") -> SimulatedPipeline:
    made = SimulatedPipeline(STEPS.format(join=join))
    made.script("slow", NEVER)
    return made


def warmed_up(made: SimulatedPipeline, **took_ms: float) -> None:
    for step, after_ms in took_ms.items():
        made.script(step, puts_out("y", after_ms=after_ms))
    for _ in range(20):
        made.send()
        made.run()


def test_late_sources_drop_out_in_time_for_what_follows() -> None:
    made = pipeline()
    warmed_up(made, fast=10, slow=10, vote=200, last=100)
    made.script("slow", NEVER)
    request = made.send(deadline_ms=1000.0)
    made.run()
    assert request.joined_ms("vote") == pytest.approx(1000.0 - 5.0 - 9.9 - 300.0)
    assert type(request.answer) is tuple
    assert request.answered_ms == pytest.approx(985.1)
    assert request.missing == ("slow",)


def test_nothing_is_missing_where_all_came() -> None:
    made = pipeline()
    warmed_up(made, fast=10, slow=20, vote=200, last=100)
    request = made.send(deadline_ms=1000.0)
    made.run()
    assert (request.joined_ms("vote"), request.missing) == (20.0, ())


def test_as_long_as_nothing_is_known_steps_and_join_share_the_time() -> None:
    made = pipeline()
    request = made.send(deadline_ms=1000.0)
    made.run()
    # It opens when fast has ended after 1 ms, and two steps follow.
    assert request.joined_ms("vote") == pytest.approx(1.0 + (999.0 - 5.0 - 9.99) / 3)
    assert request.missing == ("slow",)


def test_a_deadline_that_is_over_anyhow_does_not_wait() -> None:
    made = pipeline()
    warmed_up(made, fast=10, slow=10, vote=200, last=100)
    made.script("slow", NEVER)
    request = made.send(deadline_ms=100.0)
    made.run()
    assert request.joined_ms("vote") == 10.0
    assert isinstance(request.answer, Failed)
    assert request.answer.code == "deadline"


def test_what_is_given_up_counts_as_what_it_took() -> None:
    made = pipeline()
    warmed_up(made, fast=10, slow=10, vote=10, last=10)
    made.script("vote", NEVER)
    for _ in range(130):
        made.send(deadline_ms=500.0)
        made.run()
    made.script("vote", puts_out("y", after_ms=10))
    made.script("slow", NEVER)
    request = made.send(deadline_ms=1000.0)
    made.run()
    assert request.joined_ms("vote") == pytest.approx(1000.0 - 5.0 - 9.9 - 490.0 - 10.0)


def test_output_ends_shortly_before_the_deadline() -> None:
    made = SimulatedPipeline(
        "kind: Pipeline\nmetadata: {name: p}\nspec:\n  steps: [{name: a}, {name: b}]\n"
        "  output: {steps: [a, b], stepsJoin: outer, joinWindowMs: auto}\n"
    )
    made.script("b", NEVER)
    request = made.send(deadline_ms=400.0)
    made.run()
    assert request.answered_ms == pytest.approx(400.0 - 5.0 - 3.99)
    assert request.missing == ("b",)
    hurried = made.send(deadline_ms=20.0)
    made.run()
    assert hurried.answered_ms == pytest.approx(1.0 + 19.0 * 0.9)


@pytest.mark.parametrize(
    "join", ["inner", "quorum(2)", "first(2)", "{name: quorum, n: 2, withinMs: 5}"]
)
def test_a_join_that_needs_every_source_is_refused(join: str) -> None:
    with pytest.raises(PlanError) as error:
        pipeline(join)
    assert error.value.details == (
        "spec.steps[2].joinWindowMs: auto lets sources drop out that are late, and this join "
        "cannot do without any; join by outer, any, or a quorum or first of fewer than all, or "
        "write milliseconds",
    )


@pytest.mark.parametrize("join", ["outer", "any", "quorum(1)", "first", "first(1, withinMs=50)"])
def test_a_join_that_does_without_one_is_taken(join: str) -> None:
    pipeline(join)


def test_triggers_may_be_what_is_late() -> None:
    spec: dict[str, Any] = {
        "steps": [
            {"name": "a"},
            {"name": "b"},
            {"name": "c", "triggers": ["a", "b"], "joinWindowMs": "auto"},
        ]
    }
    with pytest.raises(PlanError):
        compiled(spec)
    spec["steps"][2]["triggersJoinType"] = "outer"
    assert compiled(spec).steps[2].auto_window


def test_rest_is_the_longest_way_and_a_loop_is_one_round() -> None:
    names = ["a", "b", "c", "d"]
    rest = rest_of(names, {"a": [], "b": ["a", "c"], "c": ["b"], "d": ["a", "c"]})
    usual = {0: 1.0, 1: 10.0, 2: 100.0, 3: 1000.0}
    assert time_for_rest(rest, usual.get, 3, 1e6) == 1000.0
    assert time_for_rest(rest, usual.get, 2, 1e6) == 1100.0
    assert time_for_rest(rest, usual.get, 1, 1e6) == 1110.0
    assert time_for_rest(rest, usual.get, 0, 1e6) == 1111.0
    del usual[2]
    assert time_for_rest(rest, usual.get, 1, 2010.0) == 1510.0, "half of what is left"


DEADLINE_MS = 1000.0


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, Any]:
    """Steps that read any of those before them, joined in ways that do without late ones or not;
    an output that reads some of them and does without."""
    steps: list[dict[str, Any]] = []
    for index in range(draw(st.integers(2, 7))):
        step: dict[str, Any] = {"name": f"s{index}"}
        sources = draw(st.sets(st.integers(0, index - 1), max_size=3)) if index else set()
        if sources:
            step["inputs"] = [f"s{each}.outputs.y{each}" for each in sorted(sources)]
        if len(sources) > 1 and draw(st.booleans()):
            step["inputsJoinType"] = "outer"
            step["joinWindowMs"] = "auto"
        steps.append(step)
    read = draw(st.sets(st.integers(0, len(steps) - 1), min_size=2, max_size=4))
    output = {
        "steps": [f"s{each}" for each in sorted(read)],
        "stepsJoin": "outer",
        "joinWindowMs": "auto",
    }
    return {"steps": steps, "output": output}


def runs(spec: dict[str, Any], seed: int, requests: int, usual_ms: float) -> list[Outcome]:
    """Requests one after the other: each step takes its time, sometimes much longer, and may
    leave its tensor out."""
    chance = random.Random(seed)
    mean_ms = {step["name"]: chance.uniform(0.1, 1.0) * usual_ms for step in spec["steps"]}

    def react(call: Call) -> Reaction:
        after_ms = chance.uniform(0.5, 1.5) * mean_ms[call.step]
        if chance.random() < 0.1:
            after_ms *= chance.uniform(2.0, 20.0)
        made: Tensors = (tensor(f"y{call.step[1:]}"),) if chance.random() < 0.9 else ()
        return Reaction(after_ms, lambda _: made)

    simulation = Simulation(react)
    plan = compiled(spec)
    tally = Metrics().tally(plan)
    outcomes = []
    for number in range(requests):
        outcomes.append(
            simulation.begin(
                plan,
                (tensor("x"),),
                at_ms=simulation.clock.now_ms(),
                deadline_ms=DEADLINE_MS,
                identity=f"r{number}",
                tally=tally,
            )
        )
        simulation.run()
    return outcomes


@settings(max_examples=60, deadline=None)
@given(graphs(), st.integers(0, 2**32), st.floats(1.0, 2000.0))
def test_no_request_dies_by_its_deadline_while_a_branch_has_answered(
    spec: dict[str, Any], seed: int, usual_ms: float
) -> None:
    for outcome in runs(spec, seed, 40, usual_ms):
        ends = [outcome.ports[f"{step}.outputs"][0] for step in spec["output"]["steps"]]
        came_ms = [at for at, body in ends if type(body) is tuple]
        if type(outcome.answer) is not tuple:
            assert all(at >= outcome.answered_ms for at in came_ms)
        if came_ms and min(came_ms) < outcome.at("inputs") + DEADLINE_MS:
            assert outcome.answered_ms < outcome.at("inputs") + DEADLINE_MS


def test_a_join_in_the_middle_leaves_what_follows_its_time() -> None:
    """After a warm-up nearly every request is answered, where without it a slow branch kills it."""
    spec: dict[str, Any] = {
        "steps": [
            {"name": "s0"},
            {"name": "s1"},
            {
                "name": "s2",
                "inputs": ["s0.outputs.y0", "s1.outputs.y1"],
                "inputsJoinType": "outer",
                "joinWindowMs": "auto",
            },
            {"name": "s3", "inputs": ["s2"]},
        ],
        "output": {"steps": ["s3"]},
    }
    answered = {}
    for window in ("auto", 0):
        spec["steps"][2]["joinWindowMs"] = window
        outcomes = [each for seed in range(10) for each in runs(spec, seed, 200, 300.0)[20:]]
        late = [each for each in outcomes if isinstance(each.answer, Failed)]
        answered[window] = 1.0 - len(late) / len(outcomes)
    assert answered["auto"] > answered[0] + 0.02, answered


def test_reader_of_a_loop_leaves_in_each_round_the_time_for_itself_and_what_follows() -> None:
    spec = looped(
        [
            {"name": "a", "inputs": ["p", "a.outputs.again"], "inputsJoinType": "any"},
            {"name": "slow"},
            {
                "name": "vote",
                "inputs": ["a.outputs.out", "slow"],
                "inputsJoinType": "outer",
                "joinWindowMs": "auto",
            },
            {"name": "last", "inputs": ["vote"]},
        ],
        ["last"],
    )
    plan = compiled(spec)
    tally = Metrics().tally(plan)
    for step in (2, 3):
        for _ in range(20):
            tally.observe[step](100.0 * step)
    simulation = Simulation(
        scripted({"a": by_round({0: "out again", 1: "out"}, after_ms=10.0), "slow": NEVER})
    )
    outcome = simulation.begin(plan, (tensor("x"),), deadline_ms=1000.0, tally=tally)
    simulation.run()
    (vote, last) = (made for made in outcome.calls if made.step in ("vote", "last"))
    end_ms = 1000.0 - 5.0 - 9.9
    assert (vote.at_ms, last.at_ms) == (end_ms - 500.0, end_ms - 499.0)
