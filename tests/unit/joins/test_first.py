"""The join ``first``: what it decides, and what that means in a pipeline."""

from __future__ import annotations

import pytest

from penstock.core.contracts.join import Run, Skip, Wait
from penstock.core.plan.compiler import PlanError
from penstock.core.records import Absent, Failed
from penstock.joins.first import FirstJoin
from penstock.testing.scripts import NEVER, fails, named, puts_out
from unit.engine.running import compiled, ran
from unit.joins.test_quorum import voted
from unit.joins.views import OPENED_MS, view


@pytest.mark.parametrize(
    ("n", "states"),
    [(1, "ooo"), (1, "ovv"), (1, "ofv"), (2, "voo"), (2, "vov"), (2, "ovv"), (2, "aovv")],
)
def test_it_waits_while_a_preferred_source_is_open(n: int, states: str) -> None:
    assert FirstJoin(n).decide(view(states)) == Wait()


@pytest.mark.parametrize(
    ("n", "states", "chosen"),
    [(1, "voo", (0,)), (1, "vvv", (0,)), (2, "vvo", (0, 1)), (2, "vvv", (0, 1))],
)
def test_it_runs_with_the_preferred(n: int, states: str, chosen: tuple[int, ...]) -> None:
    assert FirstJoin(n).decide(view(states)) == Run(chosen)


@pytest.mark.parametrize(
    ("n", "states", "chosen"),
    [
        (1, "aov", (2,)),
        (1, "fvv", (1,)),
        (2, "avov", (1, 3)),
        (2, "aavvv", (2, 3)),
        (2, "fvvv", (1, 2)),
    ],
)
def test_it_falls_back_to_the_first_values_there_are(
    n: int, states: str, chosen: tuple[int, ...]
) -> None:
    assert FirstJoin(n).decide(view(states)) == Run(chosen)


@pytest.mark.parametrize(("n", "states"), [(1, "aoo"), (1, "ffo"), (2, "avoo"), (2, "vaao")])
def test_it_waits_for_a_fall_back(n: int, states: str) -> None:
    assert FirstJoin(n).decide(view(states)) == Wait()
    # Only the wait for the preferred is bounded.
    assert FirstJoin(n, within_ms=5).decide(view(states, 99.0)) == Wait()


@pytest.mark.parametrize(("n", "states"), [(1, "aaa"), (1, "faa"), (2, "aav"), (2, "oaa")])
def test_it_is_skipped_as_soon_as_no_run_is_possible(n: int, states: str) -> None:
    said = f"fewer than {n} of the sources can be values"
    assert FirstJoin(n).decide(view(states)) == Skip(said, because=None)


def test_it_prefers_for_so_long_from_the_opening_of_the_visit() -> None:
    first = FirstJoin(1, within_ms=50)
    assert first.decide(view("ovv", 49.0)) == Wait(OPENED_MS + 50.0)
    assert first.decide(view("ovv", 50.0)) == Run((1,))
    assert first.decide(view("ooo", 50.0)) == Wait()
    assert first.decide(view("vvv", 60.0)) == Run((0,))


def test_the_end_of_the_window_takes_what_there_is() -> None:
    assert FirstJoin(1).decide(view("ovv", window_ended=True)) == Run((1,))
    assert FirstJoin(2).decide(view("vov", window_ended=True)) == Run((0, 2))
    late = FirstJoin(2).decide(view("voo", window_ended=True))
    assert isinstance(late, Skip)
    assert late.cause == "join-expired"
    assert late.because is None


def test_the_engines_table_of_decisions_serves_it_unless_it_reads_the_clock() -> None:
    assert compiled(voted("first")).steps[3].inputs.decisions is not None
    assert compiled(voted("first(1, withinMs=50)")).steps[3].inputs.decisions is None


@pytest.mark.parametrize(
    ("kind", "a_after_ms", "at_ms", "chosen"),
    [
        ("first(1, withinMs=50)", 9.0, 9.0, ["a"]),
        ("first(1, withinMs=50)", 90.0, 51.0, ["b"]),
        ("first(2, withinMs=50)", 90.0, 51.0, ["b", "c"]),
        ("first", 90.0, 90.0, ["a"]),
        ("first(2)", 90.0, 90.0, ["a", "b"]),
    ],
)
def test_in_a_pipeline_it_waits_for_the_preferred(
    kind: str, a_after_ms: float, at_ms: float, chosen: list[str]
) -> None:
    outcome = ran(voted(kind), {"a": puts_out("y", after_ms=a_after_ms)})
    assert outcome.at("vote.inputs") == at_ms
    assert [name for name, _ in named(outcome.port("vote.inputs"))] == chosen


def test_when_its_time_is_over_the_next_value_is_taken() -> None:
    scripts = {"a": NEVER, "b": puts_out(), "c": puts_out("y", after_ms=80.0)}
    outcome = ran(voted("first(1, withinMs=50)"), scripts)
    assert outcome.at("vote.inputs") == 80.0
    assert named(outcome.port("vote.inputs")) == [("c", "c.y")]


def test_without_a_run_it_fails_if_a_source_failed() -> None:
    fallen_back = ran(voted("first"), {"a": fails()})
    assert named(fallen_back.port("vote.inputs")) == [("b", "b.y")]
    nothing = {"b": puts_out(after_ms=4.0), "c": puts_out(after_ms=6.0)}
    failed = ran(voted("first"), {"a": fails(), **nothing})
    assert isinstance(failed.answer, Failed)
    assert (failed.answer.step, failed.answered_ms) == ("a", 6.0)
    assert isinstance(ran(voted("first"), {"a": puts_out(), **nothing}).answer, Absent)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("first(0)", "n is 0, but must be a whole number of 1 or more"),
        ("first(4)", "write first(3) at most, or add sources"),
        ("first(withinMs=0)", "withinMs is 0, but must be more than 0 ms"),
    ],
)
def test_what_makes_no_sense_is_refused_at_load(kind: str, said: str) -> None:
    with pytest.raises(PlanError) as caught:
        compiled(voted(kind))
    assert said in str(caught.value)
