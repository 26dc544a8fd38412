"""Loops: rounds, turns, what counts in which round, and readers outside. Worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.core.engine import Call
from penstock.core.metrics import Metrics, StepCounters
from penstock.core.records import Absent, Failed, Tensors
from penstock.core.simulation import Outcome, Simulation
from penstock.testing.scripts import (
    NEVER,
    Reaction,
    Scripts,
    fails,
    named,
    puts_out,
    scripted,
    tensor,
)
from unit.engine.loops import by_round, looped, visits
from unit.engine.running import compiled, ran

COUNTER = looped(
    [
        {"name": "entry", "inputs": ["p", "again"], "inputsJoinType": "any"},
        {"name": "add", "inputs": ["entry"]},
        {"name": "again", "inputs": ["add"], "triggers": ["add.outputs.continue"]},
        {"name": "done", "inputs": ["add"], "triggers": ["add.outputs.stop"]},
    ],
    ["done"],
)


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


# Rounds, one by one -------------------------------------------------------------------------------

TWO_TURNS = looped(
    [
        {"name": "a", "inputs": ["p", "b.outputs.x"], "inputsJoinType": "any"},
        {"name": "b", "inputs": ["a", "c"], "inputsJoinType": "outer"},
        {"name": "c", "inputs": ["b.outputs.y"], "inputsJoinType": "any"},
        {"name": "d", "inputs": ["b.outputs.z"]},
    ],
    ["d"],
)
"""Two turns, of which nothing outside reaches the second."""


def counted(spec: dict[str, Any], scripts: Scripts) -> tuple[Outcome, dict[str, StepCounters]]:
    """One request through it, and what was counted of each step."""
    plan = compiled(spec)
    tally = Metrics().tally(plan)
    simulation = Simulation(scripted(scripts))
    outcome = simulation.begin(plan, (tensor("x"),), tally=tally)
    simulation.run()
    return outcome, {step.step: step for step in tally.steps}


def test_turns_that_are_skipped_say_why_and_when() -> None:
    outcome, counts = counted(TWO_TURNS, {"b": by_round({0: "y", 1: "x", 2: "z"})})
    skipped = "was skipped: no value"
    assert [outcome.ports[port] for port in ("c.outputs", "a.outputs@1", "c.outputs@2")] == [
        [(0.0, Absent(f"step 'c' {skipped} comes from inside the loop in its first round"))],
        [(2.0, Absent(f"step 'a' {skipped} reached it in round 1 of its loop"))],
        [(4.0, Absent(f"step 'c' {skipped} reached it in round 2 of its loop"))],
    ]
    assert outcome.ports["a.inputs@1"] == outcome.ports["a.outputs@1"]
    assert [visits(outcome, step) for step in "abc"] == [[0, 2], [0, 1, 2], [1]]
    assert (counts["a"].skips, counts["b"].skips, counts["c"].skips) == (
        {"absent": 1},
        {},
        {"absent": 2},
    )
    assert named(outcome.answer) == [("y", "d.y")]


def test_turn_that_its_trigger_has_skipped_is_not_skipped_once_more() -> None:
    spec = looped(
        [
            {"name": "t"},
            {"name": "a", "inputs": ["p", "b.outputs.x", "e"], "inputsJoinType": "any"},
            {"name": "b", "inputs": ["a", "c"], "inputsJoinType": "outer"},
            {
                "name": "c",
                "inputs": ["b.outputs.y"],
                "inputsJoinType": "any",
                "triggers": ["t.outputs.go"],
            },
            {"name": "e", "inputs": ["a"]},
            {"name": "d", "inputs": ["b.outputs.z"]},
        ],
        ["d"],
    )
    scripts = {
        "t": puts_out("no"),
        "b": by_round({0: "x", 1: "z"}),
        "e": puts_out(after_ms=5.0),
    }
    outcome, counts = counted(spec, scripts)
    # Round 1 begins while round 0 goes on, and nothing is left to say when that ends.
    reason = "step 'c' was skipped: t.outputs.go is absent"
    assert outcome.ports["c.outputs@1"] == [(2.0, Absent(reason))]
    assert counts["c"].skips == {"absent": 2}
    assert named(outcome.answer) == [("y", "d.y")]


@pytest.mark.parametrize("turns", [("a", "c"), ("c", "a")])
def test_second_value_is_dropped_and_counted_where_it_came(turns: tuple[str, str]) -> None:
    first, second = turns
    names = {"a": "x", "c": "y"}
    steps = [
        {"name": "zero"},
        {"name": "a", "inputs": ["p", "q.outputs.x", "s.outputs.x"], "inputsJoinType": "any"},
        {"name": "c", "inputs": ["p", "q.outputs.y", "s.outputs.y"], "inputsJoinType": "any"},
        {"name": "q", "inputs": ["a"], "triggers": ["c"]},
        {"name": "s", "inputs": ["a"], "triggers": ["c"]},
    ]
    scripts = {
        "q": by_round({0: f"{names[first]}"}),
        "s": by_round({0: "x y"}, after_ms=3.0),
    }
    outcome, counts = counted({"allowCycles": True, "steps": steps}, scripts)
    reached = {made.step: made for made in outcome.calls if made.round == 1}
    assert named(reached[first].tensors) == [(names[first], "q0")]
    assert reached[first].at_ms == 2.0
    # What comes second is dropped for the one turn, and reaches the other.
    assert named(reached[second].tensors) == [(names[second], "s0")]
    assert reached[second].at_ms == 4.0
    assert {name: step.dropped for name, step in counts.items() if step.dropped} == {first: 1}


def test_inputs_of_a_step_inside_open_the_next_round_before_its_call_is_done() -> None:
    spec = looped(
        [
            {"name": "a", "inputs": ["p", "b.inputs"], "inputsJoinType": "any"},
            {"name": "b", "inputs": ["a.outputs.on"]},
            {"name": "d", "inputs": ["b"]},
        ],
        ["d"],
    )
    outcome = ran(
        spec, {"a": by_round({0: "on", 1: "on", 2: ""}), "b": puts_out("y", after_ms=9.0)}
    )
    assert sorted((made.at_ms, made.step, made.round) for made in outcome.calls) == [
        (0.0, "a", 0),
        (1.0, "a", 1),
        (1.0, "b", 0),
        (2.0, "a", 2),
        (2.0, "b", 1),
        (10.0, "d", 0),
    ]
    # Absence does not open a round.
    assert isinstance(outcome.ports["b.inputs@2"][0][1], Absent)
    assert outcome.closed_ms == [11.0]


@pytest.mark.parametrize(
    ("source", "name"), [("late.inputs", "w"), ("late", "y")], ids=["inputs", "outputs"]
)
def test_record_from_outside_reaches_all_rounds_that_are_under_way(source: str, name: str) -> None:
    rename = f"{source}.{name}" if "." in source else f"{source}.outputs.{name}"
    spec = looped(
        [
            {"name": "first"},
            {"name": "late", "inputs": ["first.outputs.w"]},
            {
                "name": "a",
                "inputs": ["p", "a.outputs.again", "b.outputs.x"],
                "inputsJoinType": "any",
            },
            {"name": "b", "inputs": ["a.outputs.out", source], "tensorMap": {rename: "s"}},
            {"name": "d", "inputs": ["b"]},
        ],
        ["d"],
    )
    scripts = {
        "first": puts_out("w", after_ms=9.0),
        "a": by_round({0: "out again", 1: "out again", 2: "out"}),
    }
    outcome = ran(spec, scripts)
    at_ms = 9.0 if source == "late.inputs" else 10.0
    token = f"{'first' if name == 'w' else 'late'}.{name}"
    assert [
        (made.round, made.at_ms, named(made.tensors)) for made in outcome.calls if made.step == "b"
    ] == [(number, at_ms, [("out", f"a{number}"), ("s", token)]) for number in range(3)]


def test_step_outside_that_is_skipped_ends_its_inputs_in_all_rounds_that_are_under_way() -> None:
    spec = looped(
        [
            {"name": "first"},
            {"name": "late", "inputs": ["first.outputs.w"]},
            {
                "name": "a",
                "inputs": ["p", "a.outputs.again", "b.outputs.x"],
                "inputsJoinType": "any",
            },
            {"name": "b", "inputs": ["a.outputs.out", "late.inputs"]},
            {"name": "d", "inputs": ["b"]},
        ],
        ["d"],
    )
    scripts = {
        "first": puts_out(after_ms=9.0),
        "a": by_round({0: "out again", 1: "out again", 2: "out"}),
    }
    outcome = ran(spec, scripts)
    skipped = [(9.0, Absent("step 'b' was skipped: late.inputs is absent"))]
    ports = [outcome.ports[f"b.outputs{at}"] for at in ("", "@1", "@2")]
    assert ports == [skipped] * 3
    assert outcome.answered_ms == 9.0


def test_input_of_the_request_counts_in_every_round() -> None:
    spec = looped(
        [
            {"name": "a", "inputs": ["p", "b.outputs.again"], "inputsJoinType": "any"},
            {"name": "b", "inputs": ["a", "p"]},
            {"name": "c", "inputs": ["b.outputs.end"]},
        ],
        ["c"],
    )
    outcome = ran(spec, {"b": by_round({2: "end", -1: "again"})})
    assert [named(made.tensors) for made in outcome.calls if made.step == "b"] == [
        [("y", "a.y"), ("x", "x")]
    ] * 3


# Loops that are ended -----------------------------------------------------------------------------


def test_what_is_at_work_in_any_round_is_named_and_given_up_at_the_deadline() -> None:
    spec = looped(
        [
            {"name": "a", "inputs": ["p", "a.outputs.again", "b"], "inputsJoinType": "any"},
            {"name": "b", "inputs": ["a.outputs.out"]},
        ],
        ["b.outputs.never"],
    )
    scripts = {"a": by_round({0: "again", 1: "out again", 2: "out"}), "b": NEVER}
    outcome = ran(spec, scripts, deadline_ms=30.0)
    reason = "the deadline of 30 ms passed while 'b', 'b' was at work"
    assert outcome.answer == Failed("deadline", reason, "b")
    assert outcome.abandoned == ["b", "b"]
    own = Failed("deadline", "the request's deadline passed while step 'b' was at work", "b")
    assert outcome.ports["b.outputs@1"] == outcome.ports["b.outputs@2"] == [(30.0, own)]
    assert outcome.dead_letters == []


def test_loop_that_is_ended_after_the_answer_buries_what_was_at_work_in_each_round() -> None:
    spec = looped(
        [
            {"name": "a", "inputs": ["p", "a.outputs.again", "b"], "inputsJoinType": "any"},
            {"name": "b", "inputs": ["a.outputs.out"]},
        ],
        ["a.outputs.z"],
    )
    scripts = {"a": by_round({0: "z again", 1: "out again", 2: "out"}), "b": NEVER}
    outcome = ran(spec, scripts, deadline_ms=30.0)
    assert named(outcome.answer) == [("z", "a0")]
    buried = Failed("deadline", "the request's deadline passed while step 'b' was at work", "b")
    assert outcome.dead_letters == [buried, buried]


def test_overrun_ends_what_else_is_at_work_and_names_the_step_that_went_too_far() -> None:
    spec = {**COUNTER, "maxStepRevisits": 1}
    spec["steps"] = [{"name": "other"}, *COUNTER["steps"]]
    outcome, counts = counted(spec, {"add": by_round({-1: "continue"}), "other": NEVER})
    reason = (
        "step 'entry' ran 2 times and was to run once more; "
        "end the loop earlier, or raise maxStepRevisits"
    )
    assert outcome.answer == Failed("step-failed", reason, "entry")
    assert outcome.answered_ms == 6.0
    assert outcome.abandoned == ["other", "entry"]
    assert outcome.port("other.outputs") == Failed("step-failed", reason, "other")
    assert counts["other"].failures == counts["entry"].failures == {"step-failed": 1}
