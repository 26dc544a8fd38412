"""The engine against sentences of the contract of pipelines, one by one."""

from __future__ import annotations

from typing import Any

import pytest

from harness.joins import Joins
from harness.simulation import (
    NEVER,
    Outcome,
    Scripts,
    Simulation,
    fails,
    named,
    puts_out,
    scripted,
    tensor,
)
from penstock.core.contracts.join import Decision, JoinStrategy, JoinView, Run, Skip, Wait
from penstock.core.plan import Plan
from penstock.core.plan.compiler import compile_pipeline
from penstock.core.records import Absent, Failed
from penstock.core.resources import Pipeline


def compiled(spec: dict[str, Any], **joins: type[JoinStrategy]) -> Plan:
    pipeline = Pipeline.model_validate({"metadata": {"name": "p"}, "spec": spec})
    return compile_pipeline(pipeline, 1, Joins(**joins), record="all")


def ran(
    spec: dict[str, Any],
    scripts: Scripts | None = None,
    *,
    request: tuple[str, ...] = ("x",),
    deadline_ms: float = 60_000.0,
    cancel_ms: float | None = None,
    jitter: tuple[float, ...] = (),
    **joins: type[JoinStrategy],
) -> Outcome:
    simulation = Simulation(scripted(scripts or {}), jitter)
    outcome = simulation.begin(
        compiled(spec, **joins),
        tuple(tensor(name) for name in request),
        deadline_ms=deadline_ms,
        cancel_ms=cancel_ms,
    )
    simulation.run()
    assert len(outcome.closed_ms) == 1, "every passage closes exactly once"
    assert simulation.engine.open_passages == 0
    return outcome


CHAIN = {"steps": [{"name": "a"}, {"name": "b", "inputs": ["a"]}], "output": {"steps": ["b"]}}
DIAMOND = {
    "steps": [
        {"name": "a"},
        {"name": "b"},
        {
            "name": "c",
            "inputs": ["a.outputs.y", "b.outputs.y"],
            "tensorMap": {"a.outputs.y": "l", "b.outputs.y": "r"},
        },
    ],
    "output": {"steps": ["c"]},
}


def joined(kind: str, *, window_ms: int = 0, **more: Any) -> dict[str, Any]:
    """Two steps and a third that joins them."""
    third = {"name": "c", "inputs": ["a", "b"], "inputsJoinType": kind, "joinWindowMs": window_ms}
    third["tensorMap"] = {"a.outputs.y": "l", "b.outputs.y": "r"}
    return {
        "steps": [{"name": "a"}, {"name": "b"}, {**third, **more}],
        "output": {"steps": ["c"]},
    }


def test_chain_answers_with_the_last_step() -> None:
    outcome = ran(CHAIN)
    assert named(outcome.answer) == [("y", "b.y")]
    assert outcome.answered_ms == 2.0
    assert [made.step for made in outcome.calls] == ["a", "b"]


def test_diamond_joins_in_the_manifests_order_under_new_names() -> None:
    outcome = ran(DIAMOND, {"a": puts_out("y", after_ms=9.0)})
    assert named(outcome.port("c.inputs")) == [("l", "a.y"), ("r", "b.y")]
    assert outcome.at("c.inputs") == 9.0


def test_whole_port_is_renamed_by_full_keys() -> None:
    spec = {
        "steps": [{"name": "a", "tensorMap": {"p.inputs.x": "z"}}],
        "output": {"steps": ["a"], "tensorMap": {"a.outputs.y": "answer"}},
    }
    outcome = ran(spec, request=("x", "w"))
    assert named(outcome.port("a.inputs")) == [("z", "x"), ("w", "w")]
    assert named(outcome.answer) == [("answer", "a.y")]


def test_two_outputs_of_one_name_are_both_kept() -> None:
    spec = {"steps": [{"name": "a"}, {"name": "b"}], "output": {"steps": ["b", "a"]}}
    assert named(ran(spec).answer) == [("y", "b.y"), ("y", "a.y")]


def test_two_tensors_of_one_name_into_a_step_fail_it() -> None:
    spec = {
        "steps": [{"name": "a"}, {"name": "b"}, {"name": "c", "inputs": ["a", "b"]}],
        "output": {"steps": ["c"]},
    }
    answer = ran(spec).answer
    assert isinstance(answer, Failed)
    assert (answer.code, answer.step) == ("step-failed", "c")
    assert "two sources of step 'c' bring a tensor 'y'" in answer.reason


def test_step_reads_what_went_into_another() -> None:
    spec = {
        "steps": [{"name": "a"}, {"name": "b", "inputs": ["a.inputs"]}],
        "output": {"steps": ["a", "b"]},
    }
    outcome = ran(spec, {"a": fails()})
    assert named(outcome.port("b.inputs")) == [("x", "x")]
    assert outcome.at("b.inputs") == 0.0


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


def test_inner_is_skipped_at_the_first_absence_and_does_not_wait() -> None:
    outcome = ran(joined("inner"), {"a": puts_out(after_ms=3.0), "b": NEVER}, deadline_ms=100.0)
    assert outcome.at("c.inputs") == 3.0
    assert isinstance(outcome.port("c.outputs"), Absent)
    assert outcome.answered_ms == 3.0


def test_inner_with_a_failure_waits_for_an_absence() -> None:
    absent_later = ran(joined("inner"), {"a": fails(), "b": puts_out(after_ms=5.0)})
    assert isinstance(absent_later.answer, Absent)
    value_later = ran(joined("inner"), {"a": fails(), "b": puts_out("y", after_ms=5.0)})
    assert isinstance(value_later.answer, Failed)
    assert value_later.answered_ms == 5.0
    assert value_later.answer.step == "a"


def test_outer_runs_with_the_values_there_are() -> None:
    outcome = ran(joined("outer"), {"a": puts_out()})
    assert named(outcome.port("c.inputs")) == [("r", "b.y")]


def test_outer_fails_at_the_first_failure() -> None:
    outcome = ran(joined("outer"), {"a": fails(), "b": puts_out("y", after_ms=50.0)})
    assert isinstance(outcome.answer, Failed)
    assert outcome.answered_ms == 1.0


def test_outer_without_a_value_is_skipped() -> None:
    assert isinstance(ran(joined("outer"), {"a": puts_out(), "b": puts_out()}).answer, Absent)


def test_any_runs_at_the_first_value_once() -> None:
    outcome = ran(joined("any"), {"a": puts_out("y", after_ms=9.0)})
    assert named(outcome.port("c.inputs")) == [("r", "b.y")]
    assert [made.step for made in outcome.calls].count("c") == 1


def test_any_takes_all_that_one_record_brings() -> None:
    spec = {
        "steps": [
            {"name": "a"},
            {"name": "c", "inputs": ["a.outputs.u", "a.outputs.v"], "inputsJoinType": "any"},
        ],
        "output": {"steps": ["c"]},
    }
    outcome = ran(spec, {"a": puts_out("v", "u")})
    assert named(outcome.port("c.inputs")) == [("u", "a.u"), ("v", "a.v")]


def test_any_does_without_a_failed_source_while_it_can() -> None:
    outcome = ran(joined("any"), {"a": fails(), "b": puts_out("y", after_ms=5.0)})
    assert named(outcome.answer) == [("y", "c.y")]
    assert [failed.step for failed in outcome.dead_letters] == ["a"]
    hopeless = ran(joined("any"), {"a": fails(), "b": puts_out(after_ms=5.0)})
    assert isinstance(hopeless.answer, Failed)
    assert hopeless.answered_ms == 5.0


@pytest.mark.parametrize(("kind", "runs"), [("inner", False), ("outer", True), ("any", True)])
def test_window_ends_a_join(kind: str, runs: bool) -> None:
    scripts = {"a": puts_out("y", after_ms=2.0), "b": puts_out("y", after_ms=50.0)}
    outcome = ran(joined(kind, window_ms=10), scripts)
    assert isinstance(outcome.answer, Absent) is not runs
    assert outcome.at("c.inputs") == (2.0 if kind == "any" else 12.0)


def test_window_counts_from_the_first_source_or_trigger() -> None:
    spec = joined("inner", window_ms=10, triggers=["t"])
    spec["steps"].append({"name": "t"})
    scripts = {
        "t": puts_out("y", after_ms=1.0),
        "a": puts_out("y", after_ms=5.0),
        "b": puts_out("y", after_ms=12.0),
    }
    outcome = ran(spec, scripts)
    assert isinstance(outcome.answer, Absent)
    assert outcome.at("c.inputs") == 11.0


def test_window_that_ends_with_a_failed_source_is_a_failure() -> None:
    scripts = {"a": fails(), "b": NEVER}
    outcome = ran(joined("inner", window_ms=10), scripts, deadline_ms=100.0)
    assert isinstance(outcome.answer, Failed)
    assert outcome.answered_ms == 11.0


def test_trigger_gates_and_its_data_is_not_passed_on() -> None:
    spec = {
        "steps": [{"name": "a"}, {"name": "b", "inputs": ["p"], "triggers": ["a.outputs.y"]}],
        "output": {"steps": ["b"]},
    }
    outcome = ran(spec, {"a": puts_out("y", after_ms=7.0)})
    assert named(outcome.port("b.inputs")) == [("x", "x")]
    assert outcome.at("b.inputs") == 7.0
    assert isinstance(ran(spec, {"a": puts_out("z")}).answer, Absent)


def test_one_reference_may_be_input_and_trigger() -> None:
    spec = {
        "steps": [{"name": "a"}, {"name": "b", "inputs": ["a"], "triggers": ["a"]}],
        "output": {"steps": ["b"]},
    }
    assert named(ran(spec).answer) == [("y", "b.y")]


def test_skip_wins_over_fail_between_inputs_and_triggers() -> None:
    spec = {
        "steps": [{"name": "a"}, {"name": "t"}, {"name": "b", "inputs": ["a"], "triggers": ["t"]}],
        "output": {"steps": ["b"]},
    }
    skipped = ran(spec, {"a": fails(), "t": puts_out(after_ms=5.0)})
    assert isinstance(skipped.answer, Absent)
    assert skipped.answered_ms == 5.0
    failed = ran(spec, {"a": fails(), "t": puts_out("y", after_ms=5.0)})
    assert isinstance(failed.answer, Failed)
    assert failed.answered_ms == 5.0


def test_inputs_freeze_when_their_join_is_decided() -> None:
    spec = joined("any", triggers=["t"])
    spec["steps"].append({"name": "t"})
    scripts = {
        "a": puts_out("y", after_ms=1.0),
        "b": puts_out("y", after_ms=2.0),
        "t": puts_out("y", after_ms=9.0),
    }
    outcome = ran(spec, scripts)
    assert named(outcome.port("c.inputs")) == [("l", "a.y")]
    assert outcome.at("c.inputs") == 9.0


def test_failure_names_the_step_it_began_in() -> None:
    answer = ran(CHAIN, {"a": fails("too-large")}).answer
    assert answer == Failed("too-large", "a model said too-large", "a")


def test_failure_that_cannot_reach_the_output_is_a_dead_letter() -> None:
    spec = {"steps": [{"name": "a"}, {"name": "b"}], "output": {"steps": ["a"]}}
    outcome = ran(spec, {"b": fails(after_ms=5.0)})
    assert named(outcome.answer) == [("y", "a.y")]
    assert [(failed.step, failed.code) for failed in outcome.dead_letters] == [("b", "step-failed")]
    assert outcome.answered_ms == 1.0
    assert outcome.closed_ms == [5.0]


def test_failure_may_be_turned_into_absence() -> None:
    spec = joined("outer")
    spec["steps"][0]["onError"] = "absent"
    outcome = ran(spec, {"a": fails()})
    assert named(outcome.port("c.inputs")) == [("r", "b.y")]
    assert outcome.dead_letters == []


def test_failure_of_a_source_is_not_turned_into_absence() -> None:
    spec = {
        "steps": [{"name": "a"}, {"name": "b", "inputs": ["a"], "onError": "absent"}],
        "output": {"steps": ["b"]},
    }
    assert isinstance(ran(spec, {"a": fails()}).answer, Failed)


def test_retriable_failures_are_retried_with_a_doubling_backoff() -> None:
    spec = {"steps": [{"name": "a", "retries": 3}], "output": {"steps": ["a"]}}
    bad = fails("overloaded", retriable=True)
    outcome = ran(spec, {"a": [bad, bad, puts_out("y")]}, jitter=(0.5, 0.0))
    assert [(made.attempt, made.at_ms) for made in outcome.calls] == [(1, 0), (2, 51), (3, 102)]
    assert named(outcome.answer) == [("y", "a.y")]


def test_other_failures_are_not_retried() -> None:
    spec = {"steps": [{"name": "a", "retries": 3}], "output": {"steps": ["a"]}}
    assert len(ran(spec, {"a": fails()}).calls) == 1


def test_retry_is_not_begun_without_time_for_it() -> None:
    spec = {"steps": [{"name": "a", "retries": 3}], "output": {"steps": ["a"]}}
    outcome = ran(spec, {"a": fails("overloaded", retriable=True)}, deadline_ms=40.0)
    assert isinstance(outcome.answer, Failed)
    assert outcome.answer.code == "overloaded"
    assert outcome.answered_ms == 1.0


def test_timeout_is_for_one_attempt_and_its_late_outcome_is_ignored() -> None:
    spec = {
        "steps": [{"name": "a", "timeoutMs": 20, "retries": 1, "retryBackoffMs": 10}],
        "output": {"steps": ["a"]},
    }
    late, good = puts_out("late", after_ms=25.0), puts_out("y", after_ms=5.0)
    outcome = ran(spec, {"a": [late, good]})
    assert named(outcome.answer) == [("y", "a.y")]
    assert outcome.answered_ms == 35.0
    assert outcome.abandoned == ["a"]
    assert [made.deadline_ms for made in outcome.calls] == [20.0, 50.0]


def test_duplicate_outcome_changes_nothing() -> None:
    spec = {"steps": [{"name": "a"}, {"name": "b", "inputs": ["a"]}], "output": {"steps": ["b"]}}
    outcome = ran(spec, {"a": puts_out("y", again_after_ms=0.5)})
    assert [made.step for made in outcome.calls] == ["a", "b"]


def test_deadline_ends_the_request_and_names_who_was_at_work() -> None:
    outcome = ran(CHAIN, {"b": NEVER}, deadline_ms=30.0)
    assert outcome.answer == Failed(
        "deadline", "the deadline of 30 ms passed while 'b' was at work", "b"
    )
    assert outcome.answered_ms == 30.0
    assert outcome.abandoned == ["b"]
    assert isinstance(outcome.port("b.outputs"), Failed)


def test_deadline_is_never_turned_into_absence() -> None:
    spec = {"steps": [{"name": "a", "onError": "absent"}], "output": {"steps": ["a"]}}
    assert isinstance(ran(spec, {"a": NEVER}, deadline_ms=30.0).answer, Failed)


def test_deadline_after_the_answer_is_a_dead_letter_and_changes_nothing() -> None:
    spec = {"steps": [{"name": "a"}, {"name": "b"}], "output": {"steps": ["a"]}}
    outcome = ran(spec, {"b": NEVER}, deadline_ms=30.0)
    assert named(outcome.answer) == [("y", "a.y")]
    assert [(failed.step, failed.code) for failed in outcome.dead_letters] == [("b", "deadline")]


def test_request_whose_time_is_over_calls_nothing() -> None:
    outcome = ran(CHAIN, deadline_ms=0.0)
    assert isinstance(outcome.answer, Failed)
    assert outcome.calls == []


def test_cancelled_request_calls_nothing_more_and_is_no_dead_letter() -> None:
    outcome = ran(CHAIN, {"a": puts_out("y", after_ms=10.0)}, cancel_ms=5.0)
    assert isinstance(outcome.answer, Failed)
    assert outcome.answer.code == "cancelled"
    assert outcome.answered_ms == 5.0
    assert [made.step for made in outcome.calls] == ["a"]
    assert outcome.dead_letters == []


def test_one_model_serves_several_steps() -> None:
    spec = {
        "steps": [{"name": "a", "model": "m"}, {"name": "b", "model": "m", "inputs": ["a"]}],
        "output": {"steps": ["b"]},
    }
    assert compiled(spec).models == ("m",)
    assert named(ran(spec).answer) == [("y", "b.y")]


def test_pipeline_without_output_closes_without_an_answer() -> None:
    outcome = ran({"steps": [{"name": "a"}]}, {"a": fails()})
    assert outcome.answers == []
    assert [failed.step for failed in outcome.dead_letters] == ["a"]


def test_answer_goes_back_before_the_rest_is_done() -> None:
    spec = {
        "steps": [{"name": "a"}, {"name": "b"}],
        "output": {"steps": ["a", "b"], "stepsJoin": "any"},
    }
    outcome = ran(spec, {"b": puts_out("y", after_ms=20.0)})
    assert outcome.answered_ms == 1.0
    assert outcome.closed_ms == [20.0]
    assert named(outcome.port("b.outputs")) == [("y", "b.y")]


def test_output_window_ends_the_output_join() -> None:
    spec = {
        "steps": [{"name": "a"}, {"name": "b"}],
        "output": {"steps": ["a", "b"], "stepsJoin": "outer", "joinWindowMs": 10},
    }
    outcome = ran(spec, {"b": puts_out("y", after_ms=50.0)})
    assert named(outcome.answer) == [("y", "a.y")]
    assert outcome.answered_ms == 11.0


class Patient(JoinStrategy):
    """Waits 30 ms, however the sources stand, and then takes what there is."""

    def decide(self, view: JoinView) -> Decision:
        ends_ms = view.opened_ms + 30.0
        if view.now_ms < ends_ms:
            return Wait(ends_ms)
        return Run(tuple(i for i, source in enumerate(view.sources) if source.tensors))


class Stubborn(JoinStrategy):
    """Never decides."""

    def decide(self, view: JoinView) -> Decision:
        return Wait()


class Broken(JoinStrategy):
    """Raises."""

    def decide(self, view: JoinView) -> Decision:
        raise KeyError("oops")


class Greedy(JoinStrategy):
    """Runs with sources that are not there."""

    def decide(self, view: JoinView) -> Decision:
        return Run((0, 1))


class Backwards(JoinStrategy):
    """Names the sources in the wrong order."""

    reads_states_only = True

    def decide(self, view: JoinView) -> Decision:
        return Run((1, 0)) if all(source.tensors for source in view.sources) else Wait()


def test_strategy_may_wait_until_a_time() -> None:
    outcome = ran(joined("patient"), {"b": puts_out("y", after_ms=99.0)}, patient=Patient)
    assert outcome.at("c.inputs") == 31.0
    assert named(outcome.port("c.inputs")) == [("l", "a.y")]


def test_strategy_that_never_decides_is_ended() -> None:
    outcome = ran(joined("stubborn"), stubborn=Stubborn)
    assert isinstance(outcome.answer, Absent)
    assert (
        "every source has ended and the join Stubborn still waits"
        in (outcome.answers[0][1].details[0])
    )
    in_time = ran(joined("stubborn", window_ms=10), {"b": NEVER}, stubborn=Stubborn)
    assert in_time.at("c.inputs") == 11.0


@pytest.mark.parametrize("join", [Broken, Greedy])
def test_strategy_that_breaks_the_contract_skips_and_says_so(join: type[JoinStrategy]) -> None:
    outcome = ran(joined("wrong"), wrong=join)
    assert isinstance(outcome.answer, Absent)
    assert f"the join {join.__name__}" in outcome.answers[0][1].details[0]


def test_tensors_come_in_the_manifests_order_whatever_the_strategy_says() -> None:
    outcome = ran(joined("backwards"), backwards=Backwards)
    assert named(outcome.port("c.inputs")) == [("l", "a.y"), ("r", "b.y")]


def test_strategy_sees_sources_times_and_instants() -> None:
    seen: list[JoinView] = []

    class Watcher(JoinStrategy):
        def decide(self, view: JoinView) -> Decision:
            seen.append(view)
            return Wait() if view.sources[1].ended_ms is None else Skip("seen")

    scripts = {"a": puts_out("y", after_ms=3.0), "b": puts_out("y", after_ms=8.0)}
    ran(joined("watcher", window_ms=40), scripts, deadline_ms=500.0, watcher=Watcher)
    first, last = seen
    assert [source.reference for source in first.sources] == ["a.outputs", "b.outputs"]
    assert (first.opened_ms, first.now_ms, first.window_end_ms, first.deadline_ms) == (
        3,
        3,
        43,
        500,
    )
    assert [source.ended_ms for source in last.sources] == [3.0, 8.0]
    assert [source.instant for source in last.sources] == [1, 2]
    assert named(last.sources[0].tensors) == [("l", "a.y")]
