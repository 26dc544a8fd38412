"""The join ``quorum``: what it decides, and what that means in a pipeline."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.core.contracts.join import Run, Skip, Wait
from penstock.core.plan.compiler import PlanError
from penstock.core.records import Absent, Failed
from penstock.joins.quorum import QuorumJoin
from penstock.testing.scripts import NEVER, Reaction, fails, named, puts_out
from unit.engine.running import compiled, ran
from unit.joins.views import OPENED_MS, view


def voted(kind: str, **more: Any) -> dict[str, Any]:
    """Steps a, b and c, and a step that joins them."""
    names = ["a", "b", "c"]
    vote = {
        "name": "vote",
        "inputs": names,
        "inputsJoinType": kind,
        "tensorMap": {f"{name}.outputs.y": name for name in names},
    }
    return {
        "steps": [*({"name": name} for name in names), {**vote, **more}],
        "output": {"steps": ["vote"]},
    }


@pytest.mark.parametrize("states", ["ooo", "voo", "oov", "avo", "fvo", "foo"])
def test_it_waits_while_a_quorum_can_come(states: str) -> None:
    assert QuorumJoin(2).decide(view(states)) == Wait()


@pytest.mark.parametrize(
    ("states", "chosen"), [("vov", (0, 2)), ("vvv", (0, 1, 2)), ("avv", (1, 2)), ("vfv", (0, 2))]
)
def test_it_runs_with_all_the_values_of_the_instant(states: str, chosen: tuple[int, ...]) -> None:
    assert QuorumJoin(2).decide(view(states)) == Run(chosen)


@pytest.mark.parametrize("states", ["aao", "aav", "aaa", "afo", "ffv"])
def test_it_is_skipped_as_soon_as_no_quorum_can_come(states: str) -> None:
    decided = QuorumJoin(2).decide(view(states))
    # It stands on every source, so that a failed one makes it a failure.
    assert decided == Skip("fewer than 2 of the sources can be values", because=None)


def test_the_window_ends_the_wait() -> None:
    decided = QuorumJoin(2).decide(view("voo", window_ended=True))
    assert isinstance(decided, Skip)
    assert decided.cause == "join-expired"
    assert QuorumJoin(2).decide(view("vov", window_ended=True)) == Run((0, 2))


def test_within_counts_from_the_opening_of_the_visit() -> None:
    quorum = QuorumJoin(2, within_ms=50)
    assert quorum.decide(view("voo", 49.0)) == Wait(OPENED_MS + 50.0)
    assert quorum.decide(view("ovv", 49.0)) == Run((1, 2))
    late = quorum.decide(view("voo", 50.0))
    assert isinstance(late, Skip)
    assert late.cause == "join-expired"
    assert late.because is None
    assert late.reason == (
        "1 of the 2 values that it takes had come when the time to wait was over"
    )


def test_a_quorum_that_cannot_come_any_more_is_no_expiry() -> None:
    late = QuorumJoin(2, within_ms=50).decide(view("vaa", 50.0))
    assert isinstance(late, Skip)
    assert late.cause == "absent"


def test_the_engines_table_of_decisions_serves_it_unless_it_reads_the_clock() -> None:
    assert compiled(voted("quorum(2)")).steps[3].inputs.decisions is not None
    assert compiled(voted("quorum(2, withinMs=50)")).steps[3].inputs.decisions is None


def test_it_runs_in_a_pipeline_at_the_nth_value() -> None:
    scripts = {"a": NEVER, "b": puts_out("y", after_ms=7.0), "c": puts_out("y", after_ms=3.0)}
    outcome = ran(voted("quorum(2)"), scripts, deadline_ms=100.0)
    assert outcome.at("vote.inputs") == 7.0
    assert named(outcome.port("vote.inputs")) == [("b", "b.y"), ("c", "c.y")]


def test_sources_that_one_record_ends_come_together() -> None:
    spec = {
        "steps": [
            {"name": "a"},
            {
                "name": "vote",
                "inputs": ["a.outputs.u", "a.outputs.v", "a.outputs.w"],
                "inputsJoinType": "quorum(1)",
            },
        ],
        "output": {"steps": ["vote"]},
    }
    outcome = ran(spec, {"a": puts_out("w", "v")})
    assert named(outcome.port("vote.inputs")) == [("v", "a.v"), ("w", "a.w")]


@pytest.mark.parametrize(
    ("c", "end"),
    [(puts_out(after_ms=5.0), Absent), (fails(after_ms=5.0), Failed)],
    ids=["absent", "failed"],
)
def test_without_a_quorum_it_fails_if_a_source_failed(c: Reaction, end: type) -> None:
    outcome = ran(voted("quorum(2)"), {"a": NEVER, "b": puts_out(), "c": c}, deadline_ms=100.0)
    assert isinstance(outcome.answer, end)
    assert outcome.answered_ms == 5.0


def test_it_does_without_a_failed_source() -> None:
    outcome = ran(voted("quorum(2)"), {"a": fails()})
    assert named(outcome.port("vote.inputs")) == [("b", "b.y"), ("c", "c.y")]
    assert [failed.step for failed in outcome.dead_letters] == ["a"]


@pytest.mark.parametrize(("window_ms", "at_ms"), [(0, 51.0), (20, 21.0), (90, 51.0)])
def test_its_own_time_and_the_window_end_the_wait(window_ms: int, at_ms: float) -> None:
    scripts = {"b": NEVER, "c": NEVER}
    spec = voted("quorum(2, withinMs=50)", joinWindowMs=window_ms)
    outcome = ran(spec, scripts, deadline_ms=500.0)
    assert outcome.at("vote.inputs") == at_ms
    end = outcome.port("vote.inputs")
    assert isinstance(end, Absent)
    assert end.cause == "join-expired"


def test_time_that_is_over_is_a_failure_if_a_source_failed() -> None:
    scripts = {"a": fails(), "c": NEVER}
    outcome = ran(voted("quorum(2, withinMs=50)"), scripts, deadline_ms=500.0)
    assert outcome.answered_ms == 51.0
    assert isinstance(outcome.answer, Failed)
    assert outcome.answer.step == "a"


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("quorum(0)", "n is 0, but must be a whole number of 1 or more"),
        ("quorum(-1)", "n is -1, but must be a whole number of 1 or more"),
        ("quorum(1.5)", "n is 1.5, but must be a whole number of 1 or more"),
        ("quorum(true)", "n is True, but must be a whole number of 1 or more"),
        ("quorum('2')", "n is '2', but must be a whole number of 1 or more"),
        ("quorum", "it is written quorum(n, withinMs=None)"),
        (
            "quorum(4)",
            "quorum(4) wants 4 values, but there are 3 sources to join (a.outputs, b.outputs, "
            "c.outputs); write quorum(3) at most, or add sources",
        ),
        ("quorum(2, withinMs=0)", "withinMs is 0, but must be more than 0 ms; leave it out"),
        ("quorum(2, withinMs=-5)", "withinMs is -5, but must be more than 0 ms"),
        ("quorum(2, withinMs='1s')", "withinMs is '1s', but must be a number of milliseconds"),
        ("quorum(2, withinMs=true)", "withinMs is True, but must be a number of milliseconds"),
    ],
)
def test_what_makes_no_sense_is_refused_at_load(kind: str, said: str) -> None:
    with pytest.raises(PlanError) as caught:
        compiled(voted(kind))
    assert said in str(caught.value)
