"""Requests through one plan do not mind each other, whatever its joins remember."""

from __future__ import annotations

from itertools import permutations, product
from typing import Any

import pytest

from penstock.core.engine import Call
from penstock.core.records import Failed
from penstock.core.simulation import Outcome, Reaction, Simulation
from penstock.testing.scripts import NEVER, fails, puts_out, tensor
from unit.engine.loops import by_round, looped
from unit.engine.running import compiled, joined

ENDS = {
    "a value": puts_out("y"),
    "late": puts_out("y", after_ms=50.0),
    "absent": puts_out(),
    "failed": fails(),
    "never": NEVER,
}
WAYS = ("runs", "is skipped", "fails", "skips late")
Way = dict[str, Reaction]


def through_one_plan(spec: dict[str, Any], ways: list[Way]) -> list[Outcome]:
    """A request for each way that models may react, one after the other has ended."""
    plan = compiled(spec)
    by_identity: dict[str, Way] = {}

    def react(call: Call) -> Reaction:
        return by_identity[call.passage.identity].get(call.step, puts_out("y"))

    simulation = Simulation(react)
    outcomes = []
    for number, way in enumerate(ways):
        by_identity[str(number)] = way
        at_ms = number * 1000.0
        begun = simulation.begin(
            plan, (tensor("x"),), at_ms=at_ms, identity=str(number), deadline_ms=100.0
        )
        outcomes.append(begun)
    simulation.run()
    assert simulation.engine.open_passages == 0
    return outcomes


def told(outcome: Outcome, began_ms: float) -> tuple[object, ...]:
    """Answer, reasons and calls, in the time of the request."""
    answer = outcome.answer
    body = answer if isinstance(answer, Failed) else str(answer)
    calls = [(made.step, made.round, made.at_ms - began_ms) for made in outcome.calls]
    return body, outcome.answers[0][1].details, outcome.answered_ms - began_ms, calls


def compare(spec: dict[str, Any], ways: list[Way]) -> None:
    outcomes = through_one_plan(spec, ways)
    for number, way in enumerate(ways):
        (alone,) = through_one_plan(spec, [way])
        assert told(outcomes[number], number * 1000.0) == told(alone, 0.0), way


@pytest.mark.parametrize("window_ms", [0, 10])
@pytest.mark.parametrize("kind", ["inner", "outer", "any", "quorum(1)"])
def test_join_decides_each_request_as_if_it_were_the_only_one(kind: str, window_ms: int) -> None:
    ways = [{"a": a, "b": b} for a, b in product(ENDS.values(), repeat=2)]
    spec = joined(kind, window_ms=window_ms)
    compare(spec, [*ways, *ways[::-1]])


@pytest.mark.parametrize("order", list(permutations(WAYS)))
def test_readers_of_loops_decide_each_request_as_if_it_were_the_only_one(
    order: tuple[str, ...],
) -> None:
    spec = looped(
        [
            {"name": "a", "inputs": ["p", "a.outputs.again"], "inputsJoinType": "any"},
            {"name": "o"},
            {"name": "r", "inputs": ["a.outputs.l", "o"], "tensorMap": {"o.outputs.y": "o"}},
        ],
        ["r"],
    )
    loop = by_round({0: "again", 1: "again", 2: "l"})
    ways: dict[str, Way] = {
        "runs": {"a": loop},
        "is skipped": {"a": by_round({0: "again", 1: "again"})},
        "fails": {"a": loop, "o": fails(after_ms=9.0)},
        "skips late": {"a": loop, "o": puts_out(after_ms=9.0)},
    }
    compare(spec, [ways[each] for each in (*order, *order)])
