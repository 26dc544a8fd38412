"""Who reads a loop from outside: in which round it runs, and what it says when it runs in none."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.core.engine import Call
from penstock.core.records import Absent, Failed, Tensors
from penstock.testing.scripts import NEVER, Reaction, fails, named, puts_out, tensor
from unit.engine.loops import by_round, looped, visits
from unit.engine.running import ran

SELF: dict[str, Any] = {"name": "a", "inputs": ["p", "a.outputs.again"], "inputsJoinType": "any"}
FORK = [
    {"name": "a", "inputs": ["p", "b.outputs.x", "c.outputs.x"], "inputsJoinType": "any"},
    {"name": "b", "inputs": ["a"]},
    {"name": "c", "inputs": ["a"]},
]
"""A turn, and two steps behind it, which both lead back to it."""


def read_by(**reader: Any) -> dict[str, Any]:
    """A step that goes round by itself, and what reads it from outside."""
    return looped([SELF, {"name": "slow"}, {"name": "r", **reader}], ["r"])


def forked(*inputs: str, **more: Any) -> dict[str, Any]:
    """The fork, and a reader of it."""
    return looped([*FORK, {"name": "slow"}, {"name": "r", "inputs": list(inputs), **more}], ["r"])


def slow_at_first(names: dict[int, str], first_ms: float) -> Any:
    """By round, as ``by_round``; the call of round 0 takes longer than the others."""
    return lambda call: Reaction(first_ms if call.round == 0 else 1.0, by_round(names).outcome)


# Rounds that let it run, and rounds that do not ---------------------------------------------------


@pytest.mark.parametrize("lone", [True, False])
def test_reader_runs_in_the_first_round_that_brings_all_it_wants(lone: bool) -> None:
    wanted = ["a.outputs.l"] if lone else ["a.outputs.l", "a.outputs.r"]
    rounds = {0: "r again", 1: "r again", 2: "l r again", 3: "l r"}
    outcome = ran(read_by(inputs=wanted), {"a": by_round(rounds)})
    (made,) = [made for made in outcome.calls if made.step == "r"]
    assert named(made.tensors) == [("l", "a2"), ("r", "a2")][: len(wanted)]
    assert made.at_ms == 3.0
    assert visits(outcome, "a") == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("reader", "why", "cause"),
    [
        ({"inputs": ["a.outputs.l"]}, "a.outputs.l is absent", "absent"),
        ({"inputs": ["a.outputs.l"], "joinWindowMs": 5}, "a.outputs.l is absent", "absent"),
        ({"inputs": ["a.outputs.l", "a.outputs.r"]}, "a.outputs.l is absent", "absent"),
        ({"inputs": ["slow"], "triggers": ["a.outputs.l"]}, "a.outputs.l is absent", "absent"),
        (
            {"inputs": ["a.outputs.l", "a.outputs.r"], "inputsJoinType": "quorum(2)"},
            "fewer than 2 of the sources can be values",
            "absent",
        ),
    ],
    ids=["one source", "a window", "two sources", "a trigger", "another join"],
)
def test_reader_that_runs_in_no_round_says_why_of_the_last(
    reader: dict[str, Any], why: str, cause: str
) -> None:
    outcome = ran(read_by(**reader), {"a": by_round({0: "r again", 1: "r again", 2: "r"})})
    skipped = Absent(f"step 'r' was skipped: in round 2 of the loop, the last one, {why}", cause)
    assert outcome.ports["r.inputs"] == [(3.0, skipped)]
    assert outcome.ports["r.outputs"] == [(3.0, skipped)]
    assert outcome.dead_letters == []


def test_last_round_is_the_highest_also_when_an_earlier_one_ends_after_it() -> None:
    scripts = {"b": by_round({0: "x"})}
    outcome = ran(forked("c.outputs.end"), scripts, react={"c": slow_at_first({-1: "z"}, 10.0)})
    reason = "step 'r' was skipped: in round 1 of the loop, the last one, "
    assert outcome.port("r.inputs") == Absent(f"{reason}c.outputs.end is absent", "absent")
    assert outcome.at("r.inputs") == 11.0


def test_output_that_reads_a_loop_says_of_each_source_how_it_was_in_the_last_round() -> None:
    spec = looped([SELF], ["a.outputs.l", "a.outputs.r"])
    outcome = ran(spec, {"a": by_round({0: "l again", 1: "l again", 2: "r"})})
    left_out = "step 'a' put out no tensor 'l'"
    assert outcome.answer == Absent(
        "no output: in round 2 of the loop, the last one, a.outputs.l is absent", "absent"
    )
    assert outcome.answers[0][1].details == (f"a.outputs.l: {left_out}", "a.outputs.r: was there")


def test_output_that_reads_one_port_of_a_loop_says_how_it_was_in_the_last_round() -> None:
    outcome = ran(looped([SELF], ["a.outputs.l"]), {"a": by_round({0: "again", 1: "r"})})
    left_out = "step 'a' put out no tensor 'l'"
    assert outcome.answers[0][1].details == (f"a.outputs.l: {left_out}",)


# Rounds that overlap ------------------------------------------------------------------------------


@pytest.mark.parametrize("more", [(), ("slow",)], ids=["lone", "joining"])
@pytest.mark.parametrize("later", ["z", "end"])
def test_verdict_on_a_round_goes_before_those_on_later_ones(
    more: tuple[str, ...], later: str
) -> None:
    rename = {"slow.outputs.y": "s"} if more else {}
    outcome = ran(
        forked("c.outputs.end", *more, tensorMap=rename),
        {"b": by_round({0: "x"})},
        react={"c": slow_at_first({0: "end", -1: later}, 10.0)},
    )
    (made,) = [made for made in outcome.calls if made.step == "r"]
    assert named(made.tensors)[0] == ("end", "c0")
    assert made.at_ms == 11.0


@pytest.mark.parametrize("more", [(), ("slow",)], ids=["lone", "joining"])
def test_rounds_that_brought_nothing_are_passed_at_once_when_the_first_verdict_is_there(
    more: tuple[str, ...],
) -> None:
    outcome = ran(
        forked("c.outputs.end", *more, tensorMap={"slow.outputs.y": "s"} if more else {}),
        {"b": by_round({**dict.fromkeys(range(20), "x"), -1: ""})},
        react={"c": slow_at_first({2: "end", -1: "z"}, 10.0)},
    )
    (made,) = [made for made in outcome.calls if made.step == "r"]
    # Round 2 had its value after 6 ms; round 0 has its verdict after 11, and the loop goes on.
    assert named(made.tensors)[0] == ("end", "c2")
    assert made.at_ms == 11.0
    assert max(visits(outcome, "a")) == 20


def test_round_that_is_passed_over_late_lets_a_later_one_run_at_that_time() -> None:
    """Round 1 has both values after 4 ms; that round 0 has not both is known after 11."""
    outcome = ran(
        forked("b.outputs.l", "c.outputs.r"),
        {"b": by_round({0: "l x", 1: "l"})},
        react={"c": slow_at_first({0: "z", 1: "r"}, 10.0)},
    )
    (made,) = [made for made in outcome.calls if made.step == "r"]
    assert named(made.tensors) == [("l", "b1"), ("r", "c1")]
    assert made.at_ms == outcome.at("r.inputs") == 11.0


# Failures -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reader",
    [
        {"inputs": ["b.outputs.end"]},
        {"inputs": ["b.outputs.end", "c.outputs.z"]},
        {"inputs": ["slow"], "triggers": ["b.outputs.end"]},
    ],
    ids=["one source", "two sources", "a trigger"],
)
def test_round_that_failed_because_of_the_loop_is_passed_over(reader: dict[str, Any]) -> None:
    def fails_at_first(call: Call) -> Tensors | Failed:
        failed = Failed("step-failed", "not yet")
        return failed if call.round == 0 else (tensor("end", f"b{call.round}"),)

    scripts = {"b": Reaction(1.0, fails_at_first), "c": by_round({0: "x z", 1: "z"}, 4.0)}
    outcome = ran(looped([*FORK, {"name": "slow"}, {"name": "r", **reader}], ["r"]), scripts)
    assert named(outcome.answer) == [("y", "r.y")]
    assert outcome.dead_letters == [Failed("step-failed", "not yet", "b")]


@pytest.mark.parametrize(
    ("b_ms", "c_ms", "told"),
    [(1.0, 5.0, "b"), (5.0, 1.0, "b")],
    ids=["the first of the manifest first", "the first of the manifest last"],
)
def test_of_failures_in_one_round_the_first_of_the_manifest_is_told(
    b_ms: float, c_ms: float, told: str
) -> None:
    scripts = {"b": fails("overloaded", after_ms=b_ms), "c": fails(after_ms=c_ms)}
    outcome = ran(forked("b.outputs.end", "c.outputs.end"), scripts)
    assert outcome.answer == Failed("overloaded", "a model said overloaded", told)
    assert outcome.answered_ms == 6.0
    assert outcome.dead_letters == [Failed("step-failed", "a model said step-failed", "c")]


def test_of_failures_in_several_rounds_that_of_the_lowest_is_told() -> None:
    def react_of_b(call: Call) -> Reaction:
        return by_round({0: "x"}) if call.round == 0 else fails("overloaded")

    def react_of_c(call: Call) -> Reaction:
        return fails(after_ms=10.0) if call.round == 0 else by_round({})

    outcome = ran(forked("c.outputs.end"), react={"b": react_of_b, "c": react_of_c})
    assert outcome.answer == Failed("step-failed", "a model said step-failed", "c")
    assert outcome.answered_ms == 11.0
    assert [failed.step for failed in outcome.dead_letters] == ["b"]
    assert outcome.ports["r.inputs"][0][0] == outcome.ports["r.outputs"][0][0] == 11.0


def test_failure_from_outside_is_the_readers_whatever_the_rounds_bring() -> None:
    outcome = ran(
        read_by(inputs=["a.outputs.out", "slow"]),
        {"a": by_round({0: "again", 1: "again", 2: "out"}), "slow": fails(after_ms=9.0)},
    )
    # Rounds 0 and 1 lack their source, and absence wins; round 2 has it, and then it fails.
    assert outcome.port("r.inputs") == Failed("step-failed", "a model said step-failed", "slow")
    assert outcome.at("r.inputs") == 9.0


def test_failure_of_the_loop_after_the_answer_is_a_dead_letter() -> None:
    broken = Failed("overloaded", "no")
    scripts = {
        "b": by_round({0: "end x"}),
        "c": Reaction(9.0, lambda c: (tensor("z"),) if c.round == 0 else broken),
    }
    outcome = ran(forked("b.outputs.end"), scripts)
    assert named(outcome.answer) == [("y", "r.y")]
    assert outcome.dead_letters == [Failed("overloaded", "no", "c")]


# Windows and triggers -----------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "runs"), [("outer", True), ("inner", False)])
def test_window_of_a_reader_ends_each_round_by_itself(kind: str, runs: bool) -> None:
    outcome = ran(
        read_by(inputs=["a.outputs.out", "slow"], inputsJoinType=kind, joinWindowMs=5),
        {"a": by_round({0: "out again", 1: "out"}), "slow": puts_out("y", after_ms=50.0)},
    )
    # The window of round 0 begins after 1 ms, that of round 1 after 2.
    if runs:
        assert named(outcome.port("r.inputs")) == [("out", "a0")]
        assert outcome.at("r.inputs") == 6.0
    else:
        reason = "slow.outputs did not come before the window ended"
        assert outcome.port("r.inputs") == Absent(
            f"step 'r' was skipped: in round 1 of the loop, the last one, {reason}", "join-expired"
        )
        assert outcome.at("r.inputs") == 7.0


@pytest.mark.parametrize("kind", ["inner", "outer"])
def test_output_says_what_had_not_come_when_the_window_of_the_last_round_ended(kind: str) -> None:
    steps = [SELF, {"name": "slow"}]
    spec = looped(steps, ["a.outputs.out", "slow"])
    spec["output"] |= {"joinWindowMs": 5, "stepsJoin": kind}
    scripts = {"a": by_round({0: "again", 1: "z"}), "slow": puts_out("y", after_ms=50.0)}
    outcome = ran(spec, scripts)
    ended = kind == "outer"
    assert outcome.answered_ms == (7.0 if ended else 2.0)
    assert outcome.answers[0][1].details == (
        "a.outputs.out: step 'a' put out no tensor 'out'",
        f"slow.outputs: had not ended when the join did ({'join-expired' if ended else 'absent'})",
    )


def test_reader_with_triggers_runs_in_the_round_in_which_both_joins_run() -> None:
    outcome = ran(
        read_by(inputs=["a.outputs.out"], triggers=["a.outputs.go", "slow"]),
        {
            "a": by_round({0: "out again", 1: "go again", 2: "out go again", 3: "out go"}),
            "slow": puts_out("y", after_ms=20.0),
        },
    )
    (made,) = [made for made in outcome.calls if made.step == "r"]
    assert named(made.tensors) == [("out", "a2")]
    assert made.at_ms == 20.0


# Places -------------------------------------------------------------------------------------------


class Rounds:
    """A step that goes round 50 times; notes in each round how many places there are."""

    def __init__(self, out: set[int]) -> None:
        self.places: list[int] = []
        self._out = out

    def __call__(self, call: Call) -> Reaction:
        self.places.append(len(call.passage.plan.consumers))
        names = {-1: "again", 50: "", **dict.fromkeys(self._out, "out again")}
        return by_round(names)


@pytest.mark.parametrize(
    ("inputs", "join", "out", "used_again_from"),
    [
        (["a.outputs.out", "slow"], "any", {0}, 2),
        (["a.outputs.out", "a.outputs.again"], "inner", {3}, 2),
        (["a.outputs.out", "a.outputs.again"], "inner", set(), 2),
        (["a.outputs.out", "slow"], "inner", set(range(50)), 10),
        (["slow", "a.outputs.again"], "outer", set(), 10),
    ],
    ids=["has run", "runs later", "never runs", "waited in every round", "waited for the first"],
)
def test_rounds_a_reader_is_done_with_give_their_places_back(
    inputs: list[str], join: str, out: set[int], used_again_from: int
) -> None:
    rounds = Rounds(out)
    slow = NEVER if join == "any" else puts_out("y", after_ms=10.5)
    outcome = ran(
        read_by(inputs=inputs, inputsJoinType=join, tensorMap={}),
        {"slow": slow},
        react={"a": rounds},
        deadline_ms=100.0,
    )
    assert len(rounds.places) == 51
    assert rounds.places[-1] == rounds.places[used_again_from]
    assert len(visits(outcome, "r")) == (1 if out or join == "outer" else 0)


@pytest.mark.parametrize(
    ("inputs", "runs"),
    [(["a.outputs.no", "b.outputs.no"], 0), (["b.outputs.end", "slow"], 1)],
    ids=["skipped by both sources", "runs while other rounds are under way"],
)
def test_rounds_that_overlap_give_their_places_back(inputs: list[str], runs: int) -> None:
    places: list[int] = []

    def react_of_a(call: Call) -> Reaction:
        places.append(len(call.passage.plan.consumers))
        return puts_out("y")

    outcome = ran(
        forked(*inputs),
        {
            "b": by_round({0: "end x", 50: "", -1: "x"}),
            "c": puts_out("z", after_ms=10.0),
            "slow": puts_out("y", after_ms=31.0),
        },
        react={"a": react_of_a},
        deadline_ms=200.0,
    )
    assert len(places) == 51
    assert places[-1] == places[14] > places[2]
    assert len(visits(outcome, "r")) == runs


def test_readers_of_one_loop_do_not_mind_each_other() -> None:
    spec = looped(
        [
            SELF,
            {"name": "slow"},
            {"name": "fast"},
            {
                "name": "r",
                "inputs": ["a.outputs.out", "slow"],
                "tensorMap": {"slow.outputs.y": "s"},
            },
            {
                "name": "q",
                "inputs": ["a.outputs.out", "fast"],
                "tensorMap": {"fast.outputs.y": "f"},
            },
        ],
        ["r", "q"],
    )
    scripts = {
        "a": by_round({1: "out again", 9: "", -1: "again"}),
        "slow": puts_out("y", after_ms=7.5),
    }
    outcome = ran(spec, scripts)
    made = {each.step: each for each in outcome.calls if each.step in ("q", "r")}
    assert {step: each.at_ms for step, each in made.items()} == {"q": 2.0, "r": 7.5}
    assert all(named(each.tensors)[0] == ("out", "a1") for each in made.values())


def test_reader_of_a_loop_at_rest_is_skipped_while_rounds_are_kept_for_another() -> None:
    readers: list[dict[str, Any]] = [
        {"name": "r", "inputs": ["a.outputs.l"]},
        {"name": "q", "inputs": ["a.outputs.r", "slow"], "tensorMap": {"slow.outputs.y": "s"}},
    ]
    spec = looped([SELF, {"name": "slow"}, *readers], ["q"])
    rounds = by_round({0: "r again", 1: "r"})
    outcome = ran(spec, {"a": rounds, "slow": puts_out("y", after_ms=10.0)})
    assert outcome.at("r.inputs") == 2.0
    assert isinstance(outcome.port("r.inputs"), Absent)
    assert outcome.at("q.inputs") == 10.0


def test_reader_that_is_done_does_not_keep_the_next_one_from_later_rounds() -> None:
    readers = [{"name": name, "inputs": [f"a.outputs.{name}"]} for name in ("q", "r")]
    spec = looped([SELF, *readers], ["r"])
    outcome = ran(spec, {"a": by_round({0: "q again", 1: "again", 2: "r"})})
    made = {each.step: each.at_ms for each in outcome.calls if each.step != "a"}
    assert made == {"q": 1.0, "r": 3.0}


def test_who_reads_what_a_reader_of_one_port_got_has_it_at_once() -> None:
    steps = [SELF, {"name": "r", "inputs": ["a.outputs.l"]}, {"name": "q", "inputs": ["r.inputs"]}]
    outcome = ran(looped(steps, ["q"]), {"a": by_round({0: "again", 1: "l"})})
    (made,) = [made for made in outcome.calls if made.step == "q"]
    assert named(made.tensors) == [("l", "a1")]
    assert made.at_ms == 2.0
