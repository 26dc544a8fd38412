"""How absence begins, and how it spreads."""

from __future__ import annotations

import pytest

from penstock.core.records import Absent
from penstock.testing.scripts import named, puts_out
from unit.engine.running import CHAIN, ran


@pytest.mark.parametrize("kind", ["inner", "any"])
def test_absence_of_the_only_source_skips(kind: str) -> None:
    spec = {
        "steps": [{"name": "a"}, {"name": "b", "inputs": ["a.outputs.z"], "inputsJoinType": kind}],
        "output": {"steps": ["b"]},
    }
    outcome = ran(spec)
    assert isinstance(outcome.answer, Absent)
    (answer,) = (answer for _, answer in outcome.answers)
    assert answer.details == (
        "b.outputs: step 'b' was skipped: "
        + ("a.outputs.z is absent" if kind == "inner" else "every source is absent"),
    )


def test_empty_output_makes_the_whole_port_absent() -> None:
    outcome = ran(CHAIN, {"a": puts_out()})
    assert isinstance(outcome.port("a.outputs"), Absent)
    assert isinstance(outcome.port("b.inputs"), Absent)
    assert [made.step for made in outcome.calls] == ["a"]


def test_request_without_tensors_is_absent_everywhere() -> None:
    outcome = ran(CHAIN, request=())
    assert isinstance(outcome.answer, Absent)
    assert outcome.calls == []


def test_absence_goes_on_from_step_to_step_at_once() -> None:
    spec = {
        "steps": [{"name": name, "inputs": [before]} for before, name in ("pa", "ab", "bc", "cd")],
        "output": {"steps": ["d"]},
    }
    outcome = ran(spec, {"a": puts_out(after_ms=4.0)})
    assert [made.step for made in outcome.calls] == ["a"]
    assert isinstance(outcome.answer, Absent)
    assert outcome.answered_ms == 4.0


def test_what_the_request_lacks_is_absent() -> None:
    spec = {
        "steps": [{"name": "a", "inputs": ["p.inputs.w"]}, {"name": "b"}],
        "output": {"steps": ["a", "b"], "stepsJoin": "outer"},
    }
    outcome = ran(spec)
    assert isinstance(outcome.port("a.inputs"), Absent)
    assert named(outcome.answer) == [("y", "b.y")]


def test_what_is_left_out_is_absent_for_those_who_want_it_and_no_others() -> None:
    spec = {
        "steps": [
            {"name": "route"},
            {"name": "likely", "inputs": ["route.outputs.likely"]},
            {"name": "unlikely", "inputs": ["route.outputs.unlikely"]},
            {"name": "all", "inputs": ["route"]},
        ],
        "output": {"steps": ["likely", "unlikely", "all"], "stepsJoin": "outer"},
    }
    outcome = ran(spec, {"route": puts_out("unlikely")})
    assert sorted(made.step for made in outcome.calls) == ["all", "route", "unlikely"]
    assert named(outcome.answer) == [("y", "unlikely.y"), ("y", "all.y")]


def test_request_that_ends_absent_is_no_failure_and_no_dead_letter() -> None:
    outcome = ran(CHAIN, {"a": puts_out()})
    assert isinstance(outcome.answer, Absent)
    assert isinstance(outcome.port("outputs"), Absent)
    assert outcome.dead_letters == []
