"""Loops: rounds, turns, what counts in which round, and readers outside. Worked out by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from penstock.core.engine import Call
from penstock.core.records import Absent, Failed, Tensors
from penstock.core.simulation import Outcome
from penstock.testing.scripts import Reaction, fails, named, puts_out, tensor
from unit.engine.running import ran

Rounds = Mapping[int, str]


def by_round(names: Rounds, after_ms: float = 1.0) -> Reaction:
    """Puts out one tensor, whose name depends on the round; -1 stands for all others."""

    def outcome(call: Call) -> Tensors:
        name = names.get(call.round, names.get(-1, ""))
        return (tensor(name, f"{call.step}{call.round}"),) if name else ()

    return Reaction(after_ms, outcome)


def looped(steps: list[dict[str, Any]], output: list[str], **more: Any) -> dict[str, Any]:
    return {"allowCycles": True, "steps": steps, "output": {"steps": output}, **more}


COUNTER = looped(
    [
        {"name": "entry", "inputs": ["p", "again"], "inputsJoinType": "any"},
        {"name": "add", "inputs": ["entry"]},
        {"name": "again", "inputs": ["add"], "triggers": ["add.outputs.continue"]},
        {"name": "done", "inputs": ["add"], "triggers": ["add.outputs.stop"]},
    ],
    ["done"],
)


def visits(outcome: Outcome, step: str) -> list[int]:
    return [made.round for made in outcome.calls if made.step == step]


def test_loop_goes_round_until_a_model_says_stop() -> None:
    outcome = ran(COUNTER, {"add": by_round({10: "stop", -1: "continue"})})
    assert named(outcome.answer) == [("y", "done.y")]
    assert visits(outcome, "entry") == visits(outcome, "add") == list(range(11))
    assert visits(outcome, "again") == list(range(10))
    assert visits(outcome, "done") == [0]
    assert len(outcome.closed_ms) == 1
    # 10 rounds of 3 ms, entry and add of the last, and the step behind the loop.
    assert outcome.answered_ms == 33.0


def test_places_of_rounds_are_used_again() -> None:
    made: list[int] = []

    def note(call: Call) -> Tensors:
        made.append(len(call.passage.plan.consumers))
        return (tensor("stop" if call.round == 50 else "continue"),)

    ran(COUNTER, {"add": Reaction(1.0, note)})
    assert len(made) == 51
    assert made[-1] == made[2]


def test_loop_that_puts_out_nothing_comes_to_rest() -> None:
    outcome = ran(COUNTER, {"add": by_round({3: "", -1: "continue"})})
    assert isinstance(outcome.answer, Absent)
    assert visits(outcome, "add") == [0, 1, 2, 3]
    assert outcome.dead_letters == []
    ((_, answer),) = outcome.answers
    assert answer.details == (
        "done.outputs: step 'done' was skipped: in round 3 of the loop, the last one, "
        "add.outputs is absent",
    )


def test_failure_in_a_round_fails_the_reader_when_the_loop_rests() -> None:
    scripts: dict[str, Reaction] = {
        "add": Reaction(1.0, lambda c: (tensor("continue"),)),
        "again": fails("overloaded", after_ms=5.0),
    }
    outcome = ran(COUNTER, scripts)
    assert isinstance(outcome.answer, Failed)
    assert (outcome.answer.code, outcome.answer.step) == ("overloaded", "again")
    assert outcome.answered_ms == 7.0
    assert outcome.dead_letters == []


def test_more_visits_than_allowed_fail_the_request() -> None:
    outcome = ran({**COUNTER, "maxStepRevisits": 4}, {"add": by_round({-1: "continue"})})
    assert isinstance(outcome.answer, Failed)
    assert outcome.answer.code == "step-failed"
    assert outcome.answer.step == "entry"
    assert outcome.answer.reason == (
        "step 'entry' ran 5 times and was to run once more; "
        "end the loop earlier, or raise maxStepRevisits"
    )
    assert visits(outcome, "entry") == [0, 1, 2, 3, 4]
    assert len(outcome.closed_ms) == 1


def test_deadline_ends_a_loop_that_never_ends() -> None:
    outcome = ran(
        {**COUNTER, "maxStepRevisits": 100_000},
        {"add": by_round({-1: "continue"})},
        deadline_ms=1000.0,
    )
    assert isinstance(outcome.answer, Failed)
    assert outcome.answer.code == "deadline"
    assert outcome.answered_ms == 1000.0
    assert len(outcome.closed_ms) == 1


def test_caller_that_goes_away_ends_the_loop() -> None:
    outcome = ran(COUNTER, {"add": by_round({-1: "continue"})}, cancel_ms=10.5)
    assert isinstance(outcome.answer, Failed)
    assert outcome.answer.code == "cancelled"
    assert max(made.at_ms for made in outcome.calls) <= 10.0


SELF = looped(
    [
        {"name": "a", "inputs": ["p", "a.outputs.again"], "inputsJoinType": "any"},
        {"name": "b", "inputs": ["a.outputs.out"]},
    ],
    ["b"],
)


def test_step_that_reads_itself() -> None:
    outcome = ran(SELF, {"a": by_round({2: "out", -1: "again"})})
    assert named(outcome.answer) == [("y", "b.y")]
    assert visits(outcome, "a") == [0, 1, 2]


def test_reader_takes_the_first_round_that_lets_it_run() -> None:
    outcome = ran(
        SELF,
        {"a": Reaction(1.0, lambda c: (tensor("out", f"a{c.round}"), tensor("again")))},
        deadline_ms=20.0,
    )
    (b,) = [made for made in outcome.calls if made.step == "b"]
    assert named(b.tensors) == [("out", "a0")]
    # The answer is there, and the loop goes on until the deadline.
    assert outcome.answered_ms == 2.0
    assert outcome.closed_ms == [20.0]


def test_round_in_which_the_reader_would_fail_is_passed_over() -> None:
    spec = looped(
        [
            {"name": "a", "inputs": ["p", "b.outputs.x", "c.outputs.x"], "inputsJoinType": "any"},
            {"name": "b", "inputs": ["a"]},
            {"name": "c", "inputs": ["a"]},
            {"name": "d", "inputs": ["b.outputs.end"]},
        ],
        ["d"],
    )

    def fails_at_first(call: Call) -> Tensors | Failed:
        if call.round == 0:
            return Failed("step-failed", "not yet", None)
        return (tensor("end", f"b{call.round}"),)

    scripts = {"b": Reaction(1.0, fails_at_first), "c": by_round({0: "x", 1: "z"}, after_ms=4.0)}
    outcome = ran(spec, scripts)
    assert named(outcome.answer) == [("y", "d.y")]
    assert [named(made.tensors) for made in outcome.calls if made.step == "d"] == [[("end", "b1")]]
    # It could have been the answer, until it was not.
    assert [letter.reason for letter in outcome.dead_letters] == ["not yet"]


def test_later_round_waits_for_the_verdict_on_the_one_before() -> None:
    spec = looped(
        [
            {"name": "a", "inputs": ["p", "b.outputs.x", "c.outputs.x"], "inputsJoinType": "any"},
            {"name": "b", "inputs": ["a"]},
            {"name": "c", "inputs": ["a"]},
            {"name": "d", "inputs": ["c.outputs.end"]},
        ],
        ["d"],
    )

    def slow_at_first(call: Call) -> Reaction:
        return Reaction(10.0 if call.round == 0 else 1.0, by_round({-1: "end"}).outcome)

    outcome = ran(spec, {"b": by_round({0: "x", -1: ""})}, react={"c": slow_at_first})
    (d,) = [made for made in outcome.calls if made.step == "d"]
    # Round 1 has its value after 4 ms; that of round 0 comes after 11 ms, and goes before.
    assert named(d.tensors) == [("end", "c0")]
    assert d.at_ms == 11.0


@pytest.mark.parametrize("late", [False, True])
def test_second_value_for_a_turn_is_dropped(late: bool) -> None:
    spec = looped(
        [
            {"name": "a", "inputs": ["p", "b", "c"], "inputsJoinType": "any"},
            {"name": "b", "inputs": ["a"]},
            {"name": "c", "inputs": ["a"]},
            {"name": "d", "inputs": ["a.outputs.stop"]},
        ],
        ["d"],
    )
    scripts = {
        "a": by_round({1: "stop", -1: "x"}),
        "b": by_round({0: "y", -1: ""}, after_ms=1.0),
        "c": by_round({0: "y", -1: ""}, after_ms=9.0 if late else 1.0),
    }
    outcome = ran(spec, scripts)
    assert visits(outcome, "a") == [0, 1]
    assert named(outcome.calls[3].tensors) == [("y", "b0")]
    assert named(outcome.answer) == [("y", "d.y")]


def test_sources_outside_count_in_every_round() -> None:
    spec = looped(
        [
            {"name": "slow"},
            {
                "name": "a",
                "inputs": ["p", "b.outputs.again"],
                "inputsJoinType": "any",
                "triggers": ["slow"],
            },
            {"name": "b", "inputs": ["a", "slow"], "tensorMap": {"slow.outputs.y": "s"}},
            {"name": "c", "inputs": ["b.outputs.end"]},
        ],
        ["c"],
    )
    outcome = ran(
        spec, {"slow": puts_out("y", after_ms=7.0), "b": by_round({2: "end", -1: "again"})}
    )
    assert [made.at_ms for made in outcome.calls if made.step == "a"] == [7.0, 9.0, 11.0]
    for made in outcome.calls:
        if made.step == "b":
            assert ("s", "slow.y") in named(made.tensors)
    assert named(outcome.answer) == [("y", "c.y")]


def test_turn_without_a_value_is_skipped_when_another_has_one() -> None:
    spec = looped(
        [
            {"name": "a", "inputs": ["p", "b.outputs.x"], "inputsJoinType": "any"},
            {
                "name": "b",
                "inputs": ["a", "c"],
                "inputsJoinType": "outer",
                "tensorMap": {"c.outputs.y": "r"},
            },
            {"name": "c", "inputs": ["p", "b.outputs.y"], "inputsJoinType": "any"},
            {"name": "d", "inputs": ["b.outputs.z"]},
        ],
        ["d"],
    )
    outcome = ran(spec, {"b": by_round({0: "x", 1: "y", 2: "z"})})
    assert visits(outcome, "a") == [0, 1]
    assert visits(outcome, "c") == [0, 2]
    assert visits(outcome, "b") == [0, 1, 2]
    assert isinstance(outcome.ports["c.outputs@1"][0][1], Absent)
    assert named(outcome.answer) == [("y", "d.y")]


def test_turn_that_nothing_outside_reaches_is_skipped_in_the_first_round() -> None:
    spec = looped(
        [
            {"name": "a", "inputs": ["p", "b.outputs.x"], "inputsJoinType": "any"},
            {"name": "b", "inputs": ["a", "c"], "inputsJoinType": "outer"},
            {"name": "c", "inputs": ["b.outputs.y"], "inputsJoinType": "any"},
            {"name": "d", "inputs": ["b.outputs.z"]},
        ],
        ["d"],
    )
    outcome = ran(spec, {"b": by_round({0: "y", 1: "z"})})
    assert visits(outcome, "c") == [1]
    assert visits(outcome, "b") == [0, 1]
    assert named(outcome.answer) == [("y", "d.y")]


def test_output_may_read_a_loop() -> None:
    spec = looped(
        [{"name": "a", "inputs": ["p", "a.outputs.again"], "inputsJoinType": "any"}],
        ["a.outputs.out"],
    )
    outcome = ran(spec, {"a": by_round({2: "out", -1: "again"})})
    assert named(outcome.answer) == [("out", "a2")]
    assert outcome.answered_ms == 3.0


def test_failure_outside_fails_the_reader_at_once() -> None:
    spec = looped(
        [
            {"name": "bad"},
            {"name": "a", "inputs": ["p", "a.outputs.again"], "inputsJoinType": "any"},
            {"name": "b", "inputs": ["a", "bad"]},
        ],
        ["b"],
    )
    outcome = ran(
        spec,
        {"a": by_round({-1: "again"}), "bad": fails(after_ms=3.0)},
        deadline_ms=30.0,
    )
    assert isinstance(outcome.answer, Failed)
    assert outcome.answer.step == "bad"
    assert outcome.answered_ms == 3.0


def test_reader_window_is_of_each_round() -> None:
    spec = looped(
        [
            {"name": "a", "inputs": ["p", "a.outputs.again"], "inputsJoinType": "any"},
            {
                "name": "b",
                "inputs": ["a.outputs.out", "a.outputs.never"],
                "inputsJoinType": "outer",
                "joinWindowMs": 5,
            },
        ],
        ["b"],
    )
    outcome = ran(spec, {"a": by_round({1: "out", 0: "again"})})
    assert named(outcome.answer) == [("y", "b.y")]


def test_loop_retries_within_its_round() -> None:
    spec = looped(
        [
            {
                "name": "a",
                "inputs": ["p", "a.outputs.again"],
                "inputsJoinType": "any",
                "retries": 1,
                "retryBackoffMs": 10,
            },
            {"name": "b", "inputs": ["a.outputs.out"]},
        ],
        ["b"],
    )

    def react(call: Call) -> Tensors:
        return (tensor("out" if call.round == 1 else "again"),)

    first: list[Any] = [fails("overloaded", retriable=True), Reaction(1.0, react)]
    outcome = ran(spec, {"a": first})
    assert [(made.round, made.attempt) for made in outcome.calls if made.step == "a"] == [
        (0, 1),
        (0, 2),
        (1, 1),
        (1, 2),
    ]
