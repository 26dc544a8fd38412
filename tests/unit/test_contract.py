"""The rules that the contract of pipelines has manifests and requests refused by, and their tests.

Each rule stands here with the tests that hold its sentence: the name of a case in a table of
``REFUSED``, or of a test. Who adds a rule to the contract adds its line.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

UNIT = Path(__file__).parent

PIPELINE, LOOP = "manifests/test_pipeline_rules.py", "manifests/test_loop_rules.py"
JOIN, SET = "manifests/test_join_rules.py", "manifests/test_manifest_set.py"
BATCHES = "port_types/test_batches.py"
TYPES, GATEWAY = "port_types/test_findings.py", "gateway/test_gateway.py"

RULES: dict[str, list[tuple[str, str]]] = {
    "names: letters, digits, - and _, at most 63 characters": [
        (PIPELINE, "illegal step name"),
        (PIPELINE, "step name too long"),
        ("resources/test_values.py", "test_what_is_no_name"),
    ],
    "a step's name is unique in its pipeline": [(PIPELINE, "step name twice")],
    "no step is named as its pipeline": [(PIPELINE, "step named as its pipeline")],
    "what is no reference": [
        (PIPELINE, "no reference"),
        ("manifests/test_references.py", "test_what_is_no_reference"),
    ],
    "nothing inside a pipeline reads its output": [(PIPELINE, "own output as a source")],
    "unknown steps are refused with the nearest name": [(PIPELINE, "unknown steps")],
    "in one list of sources a reference stands once, also by overlap": [
        (PIPELINE, "overlap"),
        (PIPELINE, "two references to one port, written differently"),
    ],
    "the keys of tensorMap are full references": [(PIPELINE, "tensorMap of a whole port")],
    "a key of tensorMap that no source there covers": [
        (PIPELINE, "tensorMap of what is no source there"),
        (PIPELINE, "tensorMap far from every source"),
        (PIPELINE, "tensorMap of the input without external inputs"),
    ],
    "tensorMap gives a name": [(PIPELINE, "tensorMap to no name")],
    "output.steps are not the pipeline's own": [(PIPELINE, "own input as output")],
    "an output names something": [(PIPELINE, "output of nothing")],
    "a pipeline has steps": [(PIPELINE, "no steps")],
    "documents of one apply are one set: names, namespaces": [
        (SET, "test_one_resource_twice"),
        (SET, "test_two_namespaces"),
    ],
    "a model or pipeline that is missing leaves the pipeline not ready, with the nearest name": [
        (SET, "test_missing_models_are_no_problem_and_are_listed_with_the_nearest"),
        ("control/test_pipelines.py", "test_every_model_that_is_missing_is_named"),
        ("control/test_children.py", "test_what_is_missing_is_said"),
    ],
    "deleting what others use is refused unless forced": [
        ("control/test_delete.py", "test_what_others_use_is_not_deleted"),
        ("control/test_delete.py", "test_forced_it_makes_them_not_ready"),
        ("control/test_children.py", "test_child_goes_only_by_force"),
    ],
    "tensor names, datatypes and ranks of every edge": [
        (TYPES, "test_a_tensor_that_the_step_does_not_put_out"),
        (TYPES, "test_a_trigger_on_a_tensor_that_the_step_does_not_put_out"),
        (TYPES, "test_a_wanted_tensor_that_no_source_brings"),
        (TYPES, "test_datatype_rank_and_fixed_length_must_be_as_wanted"),
        (TYPES, "test_two_steps_that_want_the_input_in_different_ways"),
    ],
    "tensors of one name into a step: at load where it is known": [
        (PIPELINE, "two tensors of one name under inner"),
        (TYPES, "test_two_sources_that_bring_one_name"),
    ],
    "tensors of one name into a step: else the visit fails": [
        ("engine/test_references.py", "test_two_tensors_of_one_name_into_a_step_fail_it")
    ],
    "joins that there are, with arguments that they take": [
        (JOIN, each)
        for each in (
            "an unknown join",
            "an unknown join of triggers",
            "an argument that is missing",
            "an argument that there is not",
            "a count that makes no sense",
            "a time that makes no sense",
            "more values than sources",
        )
    ],
    "times, counts and choices": [
        (PIPELINE, "no number of milliseconds, attempts or rounds"),
        (PIPELINE, "no choice that there is"),
    ],
    "steps do not wait for each other in a circle, unless cycles are allowed": [
        (PIPELINE, "circles")
    ],
    "every circle holds a turn": [
        (LOOP, "a circle without a turn"),
        (LOOP, "a circle without a turn within a loop that has one"),
        (LOOP, "any without an input from inside"),
    ],
    "some turn has an input from outside": [(LOOP, "a loop that nothing enters")],
    "no circle closes through triggers alone": [(LOOP, "a circle through triggers alone")],
    "triggers of a turn come from outside": [(LOOP, "a turn that is triggered from inside")],
    "a step outside reads one loop": [
        (LOOP, "a step that reads two loops"),
        (LOOP, "a step of a loop that reads another"),
    ],
    "a step visited more than maxStepRevisits + 1 times fails the request": [
        ("engine/test_loops.py", "test_more_visits_than_allowed_fail_the_request")
    ],
    "a step is a model or a pipeline": [(PIPELINE, "model and pipeline")],
    "circles among pipelines": [
        (PIPELINE, "itself as a step"),
        (SET, "test_circles_among_pipelines_are_refused"),
        ("control/test_children.py", "test_circle_through_what_is_there_is_refused"),
    ],
    "a pipeline that is a step has an output": [
        ("control/test_children.py", "test_child_without_output_is_refused_in_one_set"),
        (
            "control/test_children.py",
            "test_child_that_loses_its_output_leaves_its_parent_not_ready",
        ),
    ],
    "a pipeline with no output is asynchronous only": [
        (GATEWAY, "test_pipeline_without_output_refuses_a_call_that_would_wait")
    ],
    "no-output says for each output step why it was skipped": [
        ("engine/test_output.py", "test_absent_answer_says_for_each_output_why")
    ],
    "outputs of V2 that there are not": [
        (GATEWAY, "test_outputs_select_and_unknown_ones_are_refused"),
        (
            GATEWAY,
            "test_known_signature_refuses_an_unknown_output_before_the_model_is_called",
        ),
    ],
    "a model version whose signature breaks a loaded pipeline, naming the edge": [
        (
            "control/test_signatures.py",
            "test_a_version_of_a_model_that_breaks_a_pipeline_is_refused",
        )
    ],
    "batch has a size, and joins calls of a model": [
        (PIPELINE, "batch without size"),
        (PIPELINE, "batch of no rows"),
        (PIPELINE, "batch of a pipeline"),
    ],
    "batch is refused on a model whose outputs are optional or not declared": [
        (BATCHES, "test_outputs_that_are_not_declared"),
        (BATCHES, "test_optional_output"),
        (BATCHES, "test_tensor_that_cannot_hold_the_rows_of_several"),
    ],
    "an answer whose first axis does not fit the sum is an error of the model": [
        ("engine/test_batches.py", "test_the_sentence_about_such_an_answer")
    ],
    "a share group is for the input of fused pipelines, at least once and in no order": [
        (PIPELINE, "a share group in another layout"),
        (PIPELINE, "a share group and exactly once"),
        (PIPELINE, "a share group and an order"),
        (PIPELINE, "a share group and other pipelines"),
    ],
    "layout spread writes streams": [(PIPELINE, "spread without streams")],
    "an order is by key or partition, and maxHeld bounds one": [
        (PIPELINE, "unknown order"),
        (PIPELINE, "nothing may be held"),
        (PIPELINE, "maxHeld without order"),
    ],
    "who is held back past its deadline, or waits for room too long": [
        (
            "engine/test_order.py",
            "test_request_past_its_deadline_gives_its_place_up_and_says_why",
        ),
        ("gateway/test_order.py", "test_who_waits_for_room_has_the_patience_of_its_deadline"),
        ("gateway/test_order.py", "test_too_many_that_wait_for_room_are_refused"),
    ],
    "a key is a header that may travel, or a tensor": [
        (PIPELINE, "key in a header that must not travel")
    ],
    "a request ends by its deadline, naming who was at work": [
        ("engine/test_deadlines.py", "test_deadline_ends_the_request_and_names_who_was_at_work")
    ],
}


def cases_of(module: Path) -> set[str]:
    """The names of a module's tests, and of the cases in its table of what is refused."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
            [target] = node.targets
            if isinstance(target, ast.Name) and target.id == "REFUSED":
                names |= {key.value for key in node.value.keys if isinstance(key, ast.Constant)}  # type: ignore[misc]  # the keys are texts
    return names


@pytest.mark.parametrize("rule", RULES)
def test_the_rule_has_its_tests(rule: str) -> None:
    assert RULES[rule]
    for module, case in RULES[rule]:
        assert case in cases_of(UNIT / module)


def test_no_case_of_what_is_refused_is_without_a_rule() -> None:
    said = {case for cases in RULES.values() for case in cases}
    left_out = {
        (PIPELINE, "external inputs of itself"),
        (LOOP, "loops are looked at when all references are good"),
    }
    tables = {
        (module, name)
        for module in (PIPELINE, LOOP, JOIN)
        for name in cases_of(UNIT / module)
        if not name.startswith("test_")
    }
    assert tables - said <= left_out
