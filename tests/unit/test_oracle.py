"""The oracle against cases that were worked out by hand from DATAFLOW.md and its own README."""

import ast
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import oracle
from oracle.interpreter import interpret
from oracle.model import (
    Attempt,
    Call,
    DeadLetter,
    Ended,
    Graph,
    Join,
    Kind,
    Never,
    Output,
    Produces,
    Raises,
    Result,
    Scenario,
    Step,
    Tensor,
)
from oracle.references import resolve
from oracle.strategies import graphs, scenarios
from oracle.verdict import Verdict, verdict

R = Tensor("r", "r")
NEVER = (Attempt(0, Never()),)


def puts(ms: int, *names: str) -> tuple[Attempt, ...]:
    return (Attempt(ms, Produces(names)),)


def bad(ms: int, code: str = "step-failed", retriable: bool = False) -> tuple[Attempt, ...]:
    return (Attempt(ms, Raises(code, retriable)),)


def play(
    steps: tuple[Step, ...],
    output: Output | tuple[str, ...] | None,
    behaviours: Mapping[str, tuple[Attempt, ...]],
    request: tuple[str, ...] = ("r",),
    deadline_ms: int = 1000,
    cancel_at_ms: int | None = None,
    jitter: tuple[float, ...] = (),
) -> Result:
    section = Output(output) if isinstance(output, tuple) else output
    scenario = Scenario(request, deadline_ms, behaviours, cancel_at_ms, jitter)
    return interpret(Graph("p", steps, section), scenario)


def value(ms: float, *tensors: tuple[str, str]) -> Ended:
    return Ended(ms, "value", tuple(Tensor(*tensor) for tensor in tensors))


def absent(ms: float) -> Ended:
    return Ended(ms, "absent")


def failed(ms: float, code: str, step: str | None) -> Ended:
    return Ended(ms, "failed", (), code, step)


def called(result: Result) -> list[tuple[float, str, int]]:
    return [(call.time_ms, call.step, call.attempt) for call in result.calls]


# Plain flow


def test_one_step_shows_on_all_four_ports() -> None:
    result = play((Step("a"),), ("a",), {"a": puts(10, "u")})
    assert result == Result(
        ports={
            "inputs": value(0, ("r", "r")),
            "a.inputs": value(0, ("r", "r")),
            "a.outputs": value(10, ("u", "a.u(r=r)")),
            "outputs": value(10, ("u", "a.u(r=r)")),
        },
        answer=value(10, ("u", "a.u(r=r)")),
        calls=[Call(0, "a", 1, (R,))],
        dead_letters=[],
        closed_ms=10,
    )


def test_tensors_come_in_the_manifests_order_not_in_that_of_arrival() -> None:
    steps = (Step("a"), Step("b"), Step("c", ("b.outputs.v", "a")))
    result = play(steps, ("c",), {"a": puts(1, "u"), "b": puts(9, "v", "w"), "c": puts(5, "x")})
    assert result.answer == value(14, ("x", "c.x(v=b.v(r=r),u=a.u(r=r))"))


def test_a_tensor_map_renames_the_tensor_of_its_port_only() -> None:
    step = Step(
        "c", ("a", "b.outputs.u", "p"), tensor_map={"b.outputs.u": "x", "p.inputs.r": "request"}
    )
    behaviours = {"a": puts(1, "u"), "b": puts(2, "u"), "c": puts(3, "y")}
    result = play((Step("a"), Step("b"), step), ("c",), behaviours)
    assert result.ports["c.inputs"] == value(
        2, ("u", "a.u(r=r)"), ("x", "b.u(r=r)"), ("request", "r")
    )


def test_a_steps_inputs_end_as_value_before_its_call_and_whatever_it_does() -> None:
    steps = (
        Step("a", tensor_map={"p.inputs.r": "x"}),
        Step("b", ("a.inputs.x",), tensor_map={"a.inputs.x": "y"}),
    )
    result = play(steps, ("b",), {"a": bad(50), "b": puts(7, "v")})
    assert result.ports["b.inputs"] == value(0, ("y", "r"))
    assert result.answer == value(7, ("v", "b.v(y=r)"))
    assert result.dead_letters == [DeadLetter("step-failed", "a")]
    assert result.closed_ms == 50


def test_an_output_keeps_tensors_of_one_name_in_order() -> None:
    output = Output(("b", "a"), tensor_map={"a.outputs.v": "w"})
    result = play((Step("a"), Step("b")), output, {"a": puts(1, "u", "v"), "b": puts(2, "u")})
    assert result.answer == value(2, ("u", "b.u(r=r)"), ("u", "a.u(r=r)"), ("w", "a.v(r=r)"))


def test_the_answer_does_not_wait_for_steps_that_it_does_not_need() -> None:
    result = play((Step("a"), Step("b")), ("a",), {"a": puts(5, "u"), "b": puts(80, "u")})
    assert (result.answer, result.closed_ms) == (value(5, ("u", "a.u(r=r)")), 80)


def test_a_duplicate_changes_nothing() -> None:
    steps, twice = (Step("a"), Step("b", ("a",))), (Attempt(5, Produces(("u",)), 3),)
    behaviours = {"a": twice, "b": puts(10, "v")}
    assert play(steps, ("b",), behaviours) == play(steps, ("b",), {**behaviours, "a": puts(5, "u")})


# Absence


def test_a_request_without_tensors_is_absent_and_skips() -> None:
    result = play((Step("a"),), ("a",), {"a": puts(1, "u")}, request=())
    assert {port: end.kind for port, end in result.ports.items()} == dict.fromkeys(
        ("inputs", "a.inputs", "a.outputs", "outputs"), "absent"
    )
    assert (result.calls, result.closed_ms) == ([], 0)


def test_a_tensor_left_out_is_absent_for_its_reader_only() -> None:
    steps = (Step("a"), Step("b", ("a.outputs.u",)), Step("c", ("a.outputs.v",)))
    result = play(
        steps, Output(("b", "c"), "any"), {"a": puts(4, "v"), "b": puts(1, "x"), "c": puts(2, "y")}
    )
    assert (result.ports["b.inputs"], result.ports["b.outputs"]) == (absent(4), absent(4))
    assert result.answer == value(6, ("y", "c.y(v=a.v(r=r))"))


def test_a_call_that_puts_out_nothing_makes_its_port_absent() -> None:
    result = play((Step("a"), Step("b", ("a",))), ("b",), {"a": puts(4), "b": puts(1, "x")})
    assert result.answer == absent(4)
    assert result.ports["a.outputs"] == absent(4)
    assert called(result) == [(0, "a", 1)]


def test_inner_skips_at_the_first_absence() -> None:
    steps = (Step("a"), Step("b"), Step("c", ("a", "b")))
    result = play(steps, ("c",), {"a": puts(3), "b": puts(90, "u"), "c": puts(1, "x")})
    assert (result.answer, result.closed_ms) == (absent(3), 90)


# Joins


@pytest.mark.parametrize(
    ("join", "kinds", "window_ended", "expected"),
    [
        ("inner", ("value", None), False, None),
        ("inner", ("value", "value"), False, "run"),
        ("inner", ("failed", None, "absent"), False, "skip"),
        ("inner", ("failed", None), False, None),
        ("inner", ("failed", "value"), False, "fail"),
        ("inner", ("value", None), True, "skip"),
        ("inner", ("failed", None), True, "fail"),
        ("outer", ("value", None), False, None),
        ("outer", ("value", "absent"), False, "run"),
        ("outer", ("absent", "absent"), False, "skip"),
        ("outer", ("failed", None), False, "fail"),
        ("outer", ("value", None), True, "run"),
        ("outer", ("absent", None), True, "skip"),
        ("any", (None, "value"), False, "run"),
        ("any", ("failed", "value"), False, "run"),
        ("any", ("failed", None), False, None),
        ("any", ("failed", "absent"), False, "fail"),
        ("any", ("absent", "absent"), False, "skip"),
        ("any", ("absent", None), True, "skip"),
        ("any", ("failed", None), True, "fail"),
    ],
)
def test_verdicts(
    join: Join, kinds: tuple[Kind | None, ...], window_ended: bool, expected: Verdict | None
) -> None:
    assert verdict(join, kinds, window_ended) == expected


def test_any_takes_all_of_its_instant_and_nothing_later() -> None:
    steps = (Step("a"), Step("b"), Step("c", ("b", "a.outputs.v", "a.outputs.u"), join="any"))
    behaviours = {"a": puts(3, "u", "v"), "b": puts(4, "w"), "c": puts(10, "x")}
    result = play(steps, ("c",), behaviours)
    assert result.calls[2] == Call(3, "c", 1, (Tensor("v", "a.v(r=r)"), Tensor("u", "a.u(r=r)")))
    assert len(result.calls) == 3


def test_records_of_one_time_are_instants_of_their_own() -> None:
    steps = (Step("a"), Step("b"), Step("c", ("b", "a"), join="any"))
    result = play(steps, ("c",), {"a": puts(3, "u"), "b": puts(3, "v"), "c": puts(1, "x")})
    assert result.answer == value(4, ("x", "c.x(u=a.u(r=r))"))


def test_outer_runs_with_the_values_there_are() -> None:
    steps = (Step("a"), Step("b"), Step("c", ("a", "b"), join="outer"))
    result = play(steps, ("c",), {"a": puts(3), "b": puts(4, "v"), "c": puts(1, "x")})
    assert result.answer == value(5, ("x", "c.x(v=b.v(r=r))"))


def test_a_fallback_over_any_passes_a_failure_over() -> None:
    steps = (Step("a"), Step("b"), Step("c", ("a", "b"), join="any"))
    result = play(steps, ("c",), {"a": bad(3), "b": puts(40, "v"), "c": puts(1, "x")})
    assert result.answer == value(41, ("x", "c.x(v=b.v(r=r))"))
    assert result.dead_letters == [DeadLetter("step-failed", "a")]


# Windows


def test_a_window_counts_from_the_first_source_and_skips_inner() -> None:
    steps = (Step("a"), Step("b"), Step("c", ("a", "b"), window_ms=20))
    result = play(steps, ("c",), {"a": puts(5, "u"), "b": puts(26, "v"), "c": puts(1, "x")})
    assert (result.answer, result.ports["c.inputs"]) == (absent(25), absent(25))


def test_a_window_end_comes_before_a_result_of_that_time() -> None:
    steps = (Step("a"), Step("b"), Step("c", ("a", "b"), join="outer", window_ms=20))
    result = play(steps, ("c",), {"a": puts(5, "u"), "b": puts(25, "v"), "c": puts(1, "x")})
    assert result.answer == value(26, ("x", "c.x(u=a.u(r=r))"))


def test_a_window_of_zero_is_none() -> None:
    steps = (Step("a"), Step("b"), Step("c", ("a", "b"), window_ms=0))
    result = play(steps, ("c",), {"a": puts(5, "u"), "b": puts(26, "v"), "c": puts(1, "x")})
    assert result.answer == value(27, ("x", "c.x(u=a.u(r=r),v=b.v(r=r))"))


def test_a_window_begins_with_a_trigger_too_and_decides_both_joins() -> None:
    steps = (Step("a"), Step("b"), Step("c", ("b",), triggers=("a",), window_ms=10))
    result = play(steps, ("c",), {"a": puts(5, "u"), "b": puts(16, "v"), "c": puts(1, "x")})
    assert result.ports["c.outputs"] == absent(15)


def test_a_window_that_ends_with_a_failed_source_is_a_failure() -> None:
    steps = (Step("a"), Step("b"), Step("c", ("a", "b"), window_ms=10))
    result = play(steps, ("c",), {"a": bad(5), "b": puts(50, "v"), "c": puts(1, "x")})
    assert result.ports["c.inputs"] == failed(15, "step-failed", "a")
    assert result.answer == failed(15, "step-failed", "a")


def test_the_outputs_window_answers_with_what_there_is() -> None:
    output = Output(("a", "b"), "outer", window_ms=10)
    result = play((Step("a"), Step("b")), output, {"a": puts(5, "u"), "b": puts(50, "v")})
    assert (result.answer, result.closed_ms) == (value(15, ("u", "a.u(r=r)")), 50)


# Triggers


def test_a_trigger_gates_and_its_data_is_not_passed_on() -> None:
    steps = (Step("a"), Step("b", triggers=("a",)))
    result = play(steps, ("b",), {"a": puts(30, "u"), "b": puts(1, "x")})
    assert result.answer == value(31, ("x", "b.x(r=r)"))


def test_the_inputs_verdict_is_frozen_while_the_trigger_is_awaited() -> None:
    steps = (Step("a"), Step("b"), Step("c"), Step("d", ("a", "b"), join="any", triggers=("c",)))
    result = play(
        steps, ("d",), {"a": puts(9, "u"), "b": puts(3, "v"), "c": puts(20, "w"), "d": puts(1, "x")}
    )
    assert result.answer == value(21, ("x", "d.x(v=b.v(r=r))"))


def test_a_skipping_trigger_wins_over_failed_inputs_that_came_first() -> None:
    steps = (Step("a"), Step("b"), Step("c", ("a",), triggers=("b",)))
    result = play(steps, ("c",), {"a": bad(3), "b": puts(9), "c": puts(1, "x")})
    assert result.answer == absent(9)
    assert result.dead_letters == [DeadLetter("step-failed", "a")]


def test_failed_inputs_wait_for_the_triggers_to_run() -> None:
    steps = (Step("a"), Step("b"), Step("c", ("a",), triggers=("b",)))
    result = play(steps, ("c",), {"a": bad(3), "b": puts(9, "u"), "c": puts(1, "x")})
    assert (result.answer, result.dead_letters) == (failed(9, "step-failed", "a"), [])


def test_of_two_failures_that_of_the_inputs_is_told() -> None:
    steps = (Step("a"), Step("b"), Step("c", ("b",), triggers=("a",)))
    result = play(steps, ("c",), {"a": bad(3, "one"), "b": bad(9, "two"), "c": puts(1, "x")})
    assert result.answer == failed(9, "two", "b")
    assert result.dead_letters == [DeadLetter("one", "a")]


def test_one_reference_as_input_and_as_trigger() -> None:
    steps = (Step("a"), Step("b", ("a",), triggers=("a.outputs.v",)))
    result = play(steps, ("b",), {"a": puts(2, "u"), "b": puts(1, "x")})
    assert result.answer == absent(2)


# Failure


def test_a_failure_goes_through_to_the_answer_and_is_no_dead_letter() -> None:
    steps = (Step("a"), Step("b", ("a",)), Step("c", ("b",)))
    result = play(steps, ("c",), {"a": bad(7), "b": puts(1, "x"), "c": puts(1, "x")})
    told = failed(7, "step-failed", "a")
    assert [result.ports[p] for p in ("b.inputs", "b.outputs", "c.inputs", "outputs")] == [told] * 4
    assert (result.dead_letters, called(result)) == ([], [(0, "a", 1)])


def test_inner_names_the_first_failed_source_of_the_manifest() -> None:
    steps = (Step("a"), Step("b"), Step("c", ("b", "a")))
    result = play(steps, ("c",), {"a": bad(3, "one"), "b": bad(9, "two"), "c": puts(1, "x")})
    assert result.answer == failed(9, "two", "b")
    assert result.dead_letters == [DeadLetter("one", "a")]


def test_absence_wins_over_failure_under_inner() -> None:
    steps = (Step("a"), Step("b"), Step("c", ("a", "b")))
    result = play(steps, ("c",), {"a": bad(3), "b": puts(9), "c": puts(1, "x")})
    assert result.answer == absent(9)


def test_outer_fails_at_the_first_failure_and_the_later_one_is_a_dead_letter() -> None:
    output = Output(("a", "b"), "outer")
    result = play((Step("a"), Step("b")), output, {"a": bad(9, "one"), "b": bad(3, "two")})
    assert result.answer == failed(3, "two", "b")
    assert result.dead_letters == [DeadLetter("one", "a")]
    assert result.closed_ms == 9


def test_on_error_absent_makes_the_steps_own_failure_an_absence() -> None:
    steps = (Step("a", on_error="absent"), Step("b"), Step("c", ("a", "b"), join="outer"))
    result = play(steps, ("c",), {"a": bad(3), "b": puts(9, "v"), "c": puts(1, "x")})
    assert result.ports["a.outputs"] == absent(3)
    assert result.answer == value(10, ("x", "c.x(v=b.v(r=r))"))
    assert result.dead_letters == []


def test_on_error_absent_leaves_the_failure_of_a_source_a_failure() -> None:
    steps = (Step("a"), Step("b", ("a",), on_error="absent"))
    result = play(steps, ("b",), {"a": bad(3), "b": puts(1, "x")})
    assert result.ports["b.outputs"] == failed(3, "step-failed", "a")


def test_two_tensors_of_one_name_fail_the_visit_without_a_call() -> None:
    steps = (Step("a"), Step("b"), Step("c", ("a", "b"), retries=2))
    result = play(steps, ("c",), {"a": puts(1, "u"), "b": puts(2, "u"), "c": puts(1, "x")})
    assert result.ports["c.inputs"] == value(2, ("u", "a.u(r=r)"), ("u", "b.u(r=r)"))
    assert result.answer == failed(2, "step-failed", "c")
    assert called(result) == [(0, "a", 1), (0, "b", 1)]


def test_a_reference_to_one_tensor_takes_the_first_of_its_name() -> None:
    steps = (Step("a"), Step("b", ("p", "a"), on_error="absent"), Step("c", ("b.inputs.r",)))
    result = play(steps, ("c",), {"a": puts(1, "r"), "b": puts(2, "u"), "c": puts(1, "x")})
    assert result.ports["b.outputs"] == absent(1)
    assert result.answer == value(2, ("x", "c.x(r=r)"))


def test_without_an_output_failures_are_dead_letters_at_once() -> None:
    result = play((Step("a"), Step("b", ("a",))), None, {"a": bad(3), "b": puts(1, "x")})
    assert (result.answer, "outputs" in result.ports) == (None, False)
    assert result.dead_letters == [DeadLetter("step-failed", "a")]
    assert result.closed_ms == 3


# Retries and timeouts


def test_retries_back_off_doubling_and_jittered() -> None:
    attempts = (*bad(10, "overloaded", True), *bad(10, "overloaded", True), *puts(10, "u"))
    step = Step("a", retries=2, backoff_ms=40)
    result = play((step,), ("a",), {"a": attempts}, jitter=(0.25,))
    # 10 + 40 * 0.75 = 40; 50 + 80 * (0.5 + 0.5) = 130
    assert called(result) == [(0, "a", 1), (40, "a", 2), (130, "a", 3)]
    assert result.answer == value(140, ("u", "a.u(r=r)"))


def test_jitter_is_taken_in_the_order_of_time_over_all_steps() -> None:
    once = (*bad(10, "overloaded", True), *puts(1, "u"))
    later = (*bad(20, "overloaded", True), *puts(1, "u"))
    steps = (Step("a", retries=1, backoff_ms=8), Step("b", retries=1, backoff_ms=8))
    result = play(steps, ("a", "b"), {"a": later, "b": once}, jitter=(0.0, 1.0))
    assert called(result)[2:] == [(14, "b", 2), (32, "a", 2)]


def test_the_last_error_is_told_when_retries_are_used_up() -> None:
    attempts = (*bad(10, "overloaded", True), *bad(10, "unreachable", True))
    result = play((Step("a", retries=1),), ("a",), {"a": attempts})
    assert result.answer == failed(70, "unreachable", "a")


def test_what_is_not_retriable_is_not_retried() -> None:
    result = play((Step("a", retries=3),), ("a",), {"a": bad(10, "bad-input")})
    assert (result.answer, called(result)) == (failed(10, "bad-input", "a"), [(0, "a", 1)])


@pytest.mark.parametrize(
    ("deadline_ms", "told"),
    [(59, failed(10, "overloaded", "a")), (60, failed(60, "deadline", "a"))],
    ids=["too little time", "just enough to begin the backoff"],
)
def test_a_retry_needs_as_much_time_as_its_backoff(deadline_ms: int, told: Ended) -> None:
    result = play(
        (Step("a", retries=1),), ("a",), {"a": bad(10, "overloaded", True)}, deadline_ms=deadline_ms
    )
    assert (result.answer, called(result)) == (told, [(0, "a", 1)])


def test_a_timeout_is_for_one_attempt_and_its_late_result_is_ignored() -> None:
    attempts = (*puts(65, "late"), *puts(30, "u"))
    step = Step("a", retries=1, backoff_ms=20, timeout_ms=30)
    # Timed out at 30, again at 50; the first result would come at 65, the second times out at 80.
    assert play((step,), ("a",), {"a": attempts}).answer == failed(80, "deadline", "a")
    step = Step("a", retries=1, backoff_ms=20, timeout_ms=31)
    # Timed out at 31, again at 51 to 81.
    assert play((step,), ("a",), {"a": attempts}).answer == value(81, ("u", "a.u(r=r)"))


def test_a_timeout_at_the_requests_deadline_is_the_requests_deadline() -> None:
    step = Step("a", timeout_ms=100, on_error="absent")
    result = play((step,), ("a",), {"a": NEVER}, deadline_ms=100)
    assert result.answer == failed(100, "deadline", "a")
    assert play((step,), ("a",), {"a": NEVER}, deadline_ms=101).answer == absent(100)


# Deadline and cancelling


def test_a_deadline_names_the_step_under_way_and_ends_all_ports() -> None:
    steps = (Step("a"), Step("b"), Step("c", ("a", "b")))
    result = play(
        steps, ("c",), {"a": puts(5, "u"), "b": NEVER, "c": puts(1, "x")}, deadline_ms=100
    )
    told = failed(100, "deadline", "b")
    assert result.answer == told
    assert result.ports["a.outputs"] == value(5, ("u", "a.u(r=r)"))
    assert result.ports["b.inputs"] == value(0, ("r", "r"))
    assert [result.ports[p] for p in ("b.outputs", "c.inputs", "c.outputs")] == [told] * 3
    assert (result.dead_letters, result.closed_ms) == ([], 100)


def test_each_step_under_way_at_the_deadline_fails_by_its_own_name() -> None:
    steps = (Step("a"), Step("b"), Step("c", ("b",)))
    behaviours = {"a": NEVER, "b": NEVER, "c": puts(1, "x")}
    result = play(steps, ("a", "c"), behaviours, deadline_ms=100)
    assert result.answer == failed(100, "deadline", "a")
    assert result.ports["b.outputs"] == failed(100, "deadline", "b")
    assert result.ports["c.outputs"] == failed(100, "deadline", "a")


def test_a_deadline_comes_before_a_result_of_that_time() -> None:
    result = play((Step("a"),), ("a",), {"a": puts(100, "u")}, deadline_ms=100)
    assert result.answer == failed(100, "deadline", "a")


@pytest.mark.parametrize("deadline_ms", [0, -5])
def test_a_request_that_comes_too_late_calls_nothing(deadline_ms: int) -> None:
    result = play((Step("a"),), ("a",), {"a": puts(1, "u")}, deadline_ms=deadline_ms)
    told = failed(0, "deadline", None)
    assert (result.answer, result.ports["a.outputs"], result.calls) == (told, told, [])


def test_after_the_answer_a_deadline_is_a_dead_letter() -> None:
    steps = (Step("a"), Step("b"), Step("c", ("b",)))
    behaviours = {"a": puts(5, "u"), "b": NEVER, "c": puts(1, "x")}
    result = play(steps, ("a",), behaviours, deadline_ms=100)
    assert result.answer == value(5, ("u", "a.u(r=r)"))
    assert result.dead_letters == [DeadLetter("deadline", "b")]
    assert result.ports["c.outputs"] == failed(100, "deadline", "b")
    assert result.closed_ms == 100


def test_a_failure_that_the_deadline_overtakes_is_a_dead_letter() -> None:
    steps = (Step("a"), Step("b"), Step("c", ("a", "b")))
    behaviours = {"a": bad(5), "b": NEVER, "c": puts(1, "x")}
    result = play(steps, ("c",), behaviours, deadline_ms=100)
    assert result.answer == failed(100, "deadline", "b")
    assert result.dead_letters == [DeadLetter("step-failed", "a")]


def test_a_caller_that_goes_away_leaves_no_dead_letters() -> None:
    steps = (Step("a"), Step("b"), Step("c", ("a", "b")))
    behaviours = {"a": bad(5), "b": puts(50, "v"), "c": puts(1, "x")}
    result = play(steps, ("c",), behaviours, cancel_at_ms=30)
    assert result.answer == failed(30, "cancelled", "b")
    assert result.ports["c.inputs"] == failed(30, "cancelled", "b")
    assert (result.dead_letters, result.closed_ms) == ([], 30)


def test_cancelling_keeps_the_answer_and_the_dead_letters_there_are() -> None:
    steps = (Step("a"), Step("b"), Step("c"))
    behaviours = {"a": puts(5, "u"), "b": bad(6), "c": puts(50, "v")}
    result = play(steps, ("a",), behaviours, cancel_at_ms=30)
    assert result.answer == value(5, ("u", "a.u(r=r)"))
    assert result.dead_letters == [DeadLetter("step-failed", "b")]
    assert result.ports["c.outputs"] == failed(30, "cancelled", "c")


def test_cancelling_after_everything_ended_is_nothing() -> None:
    result = play((Step("a"),), ("a",), {"a": puts(5, "u")}, cancel_at_ms=6)
    assert (result.answer, result.closed_ms) == (value(5, ("u", "a.u(r=r)")), 5)


def test_a_step_in_its_backoff_is_under_way() -> None:
    result = play(
        (Step("a", retries=1),), ("a",), {"a": bad(10, "overloaded", True)}, cancel_at_ms=30
    )
    assert result.answer == failed(30, "cancelled", "a")


# References and drawn cases


@pytest.mark.parametrize(
    ("written", "port", "tensor"),
    [
        ("a", "a.outputs", None),
        ("a.inputs", "a.inputs", None),
        ("a.outputs.x.y", "a.outputs", "x.y"),
        ("p", "inputs", None),
        ("p.inputs", "inputs", None),
        ("p.inputs.r", "inputs", "r"),
    ],
)
def test_references(written: str, port: str, tensor: str | None) -> None:
    assert resolve(Graph("p", (Step("a"),)), written) == (port, tensor)


@pytest.mark.parametrize("written", ["z", "a.sideways", "p.outputs"])
def test_a_reference_to_nothing_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="names no"):
        resolve(Graph("p", (Step("a"),)), written)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_every_drawn_request_ends_once_on_every_port(data: st.DataObject) -> None:
    graph = data.draw(graphs())
    scenario = data.draw(scenarios(graph))
    result = interpret(graph, scenario)
    ports = {f"{step.name}.{side}" for step in graph.steps for side in ("inputs", "outputs")}
    assert set(result.ports) == ports | {"inputs"} | ({"outputs"} if graph.output else set())
    assert max(end.time_ms for end in result.ports.values()) == result.closed_ms
    assert result.closed_ms <= max(0, scenario.deadline_ms)
    for end in result.ports.values():
        assert (end.kind == "value") == bool(end.tensors)
        assert (end.kind == "failed") == (end.code is not None)


@settings(max_examples=100, deadline=None)
@given(graphs())
def test_every_drawn_graph_would_be_loaded(graph: Graph) -> None:
    earlier = {"inputs"}
    consumers: list[Step | Output] = [*graph.steps, *([graph.output] if graph.output else [])]
    for of in consumers:
        lists = (of.inputs or ("p",), of.triggers) if isinstance(of, Step) else (of.steps,)
        for written in lists:
            references = [resolve(graph, reference) for reference in written]
            ports = [reference.port for reference in references]
            assert earlier.issuperset(ports)
            assert len(set(references)) == len(references)
            assert all(r.tensor is not None or ports.count(r.port) == 1 for r in references)
        read = {resolve(graph, reference) for reference in lists[0]}
        for key in of.tensor_map:
            covered = resolve(graph, key)
            assert covered.tensor is not None
            assert covered in read or covered._replace(tensor=None) in read
        if isinstance(of, Step):
            earlier |= {f"{of.name}.inputs", f"{of.name}.outputs"}
        else:
            assert all(resolve(graph, reference).port != "inputs" for reference in of.steps)


# Independence


def test_the_oracle_imports_nothing_of_what_it_is_to_judge() -> None:
    allowed = {"collections", "dataclasses", "heapq", "hypothesis", "itertools", "typing", "oracle"}
    for path in sorted(Path(oracle.__file__).parent.glob("**/*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path.name} imports by a relative path"
                names = [node.module or ""]
            else:
                continue
            assert {name.partition(".")[0] for name in names} <= allowed, path.name
