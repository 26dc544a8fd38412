"""The pipelines of ``examples/dataflow`` on a real server, with answers worked out by hand."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from harness.inference import fetch, send
from harness.up import penstock_up

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "dataflow"

ONES, COUNT = [1] * 16, list(range(16))
SIMPLE = {"INPUT0": ("INT32", [1, 16], COUNT), "INPUT1": ("INT32", [1, 16], ONES)}
NUMBERS = {"INPUT": ("FP32", [3], [1, 2, 3])}
NEGATIVE = {"INPUT": ("FP32", [3], [-1, 2, 3])}
FLAG = ("BOOL", [1], [True])


@pytest.fixture(scope="module", params=[None, 2], ids=["one process", "two workers"])
def rest(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("dataflow")
    with penstock_up(folder, *sorted(EXAMPLES.glob("*.yaml")), workers=request.param) as addresses:
        yield addresses["rest"]


def outputs(rest: str, pipeline: str, tensors: dict[str, Any]) -> list[tuple[str, list[Any]]]:
    status, _, answer = send(rest, f"/v2/pipelines/{pipeline}/infer", tensors)
    assert status == 200, answer
    return [(output["name"], output["data"]) for output in answer["outputs"]]


ANSWERS: dict[str, tuple[str, dict[str, Any], list[tuple[str, list[Any]]]]] = {
    "chain": (
        "tfsimples",
        SIMPLE,
        [("OUTPUT0", [2 * i for i in COUNT]), ("OUTPUT1", [2] * 16)],
    ),
    "inputs of another step": (
        "pipeline-inputs",
        SIMPLE,
        [("OUTPUT0", [2 * i - 1 for i in COUNT]), ("OUTPUT1", ONES)],
    ),
    "join with renames": (
        "join",
        SIMPLE,
        [("OUTPUT0", [2 * i for i in COUNT]), ("OUTPUT1", [2] * 16)],
    ),
    "two tensors of one name": (
        "both",
        NUMBERS,
        [("OUTPUT", [11, 12, 13]), ("OUTPUT", [10, 20, 30])],
    ),
    "two tensors renamed": (
        "renamed",
        NUMBERS,
        [("more", [11, 12, 13]), ("times", [10, 20, 30])],
    ),
    "condition, first way": (
        "conditional-pipeline",
        {"CHOICE": ("INT32", [1], [0]), **NUMBERS},
        [("OUTPUT", [10, 20, 30])],
    ),
    "condition, second way": (
        "conditional-pipeline",
        {"CHOICE": ("INT32", [1], [1]), **NUMBERS},
        [("OUTPUT", [11, 12, 13])],
    ),
    "trigger": ("trigger", {**NUMBERS, "ok1": FLAG}, [("OUTPUT", [10, 20, 30])]),
    "one of two triggers": (
        "trigger-joins",
        {**NUMBERS, "ok2": FLAG},
        [("OUTPUT", [10, 20, 30])],
    ),
    "the other branch's trigger": (
        "trigger-joins",
        {**NUMBERS, "ok3": FLAG},
        [("OUTPUT", [11, 12, 13])],
    ),
    "loop": ("counter", {"INPUT": ("FP32", [1], [0])}, [("OUTPUT", [10])]),
    "loop that ends in its first round": (
        "counter",
        {"INPUT": ("FP32", [1], [9])},
        [("OUTPUT", [10])],
    ),
    "answers in order": (
        "in-order",
        {**NUMBERS, "account": ("BYTES", [1], ["a"])},
        [("OUTPUT", [20, 30, 40])],
    ),
    "batching": ("batched", NUMBERS, [("OUTPUT", [20, 30, 40])]),
    "chain of two models": ("mul10-add10", NUMBERS, [("OUTPUT", [20, 30, 40])]),
    "the same as a step, twice": ("nested", NUMBERS, [("OUTPUT", [210, 310, 410])]),
    **{
        f"{name}, called by itself": (
            name,
            SIMPLE,
            [("OUTPUT0", [i + 1 for i in COUNT]), ("OUTPUT1", [i - 1 for i in COUNT])],
        )
        for name in (
            "tfsimple",
            "tfsimple-extended",
            "tfsimple-combined",
            "tfsimple-triggered",
            "tfsimple-of-a-step",
        )
    },
    "either, called by itself": ("either", NUMBERS, [("OUTPUT", [10, 20, 30])]),
    "fallback that is not needed": (
        "fallback",
        {"INPUT": ("FP32", [3], [1, 4, 9])},
        [("OUTPUT", [1, 2, 3])],
    ),
    "fallback": ("fallback", NEGATIVE, [("OUTPUT", [-10, 20, 30])]),
    "best in time": (
        "best-in-time",
        {**NUMBERS, "WAIT": ("FP32", [1], [2])},
        [("more", [11, 12, 13])],
    ),
    "second attempt": ("retried", NUMBERS, [("OUTPUT", [1, 2, 3])]),
    "loop of a draft and its judge": (
        "root",
        {"number": ("FP32", [2], [4, 9])},
        [("root", [pytest.approx(2, abs=1e-3), pytest.approx(3, abs=1e-3)])],
    ),
}


IN_SPITE_OF_A_FAILURE: dict[str, list[tuple[str, list[Any]]]] = {
    "whoever-is-first": [("OUTPUT", [-10, 20, 30])],
    "two-of-three": [("times", [-10, 20, 30]), ("more", [9, 12, 13])],
}
"""Answers to negative numbers, of which one model cannot take the root."""


@pytest.mark.parametrize(("pipeline", "tensors", "expected"), ANSWERS.values(), ids=ANSWERS)
def test_answer(
    rest: str, pipeline: str, tensors: dict[str, Any], expected: list[tuple[str, list[Any]]]
) -> None:
    assert outputs(rest, pipeline, tensors) == expected


def test_every_pipeline_has_a_case() -> None:
    names = {
        line.split()[-1].rstrip("}")
        for path in EXAMPLES.glob("*.yaml")
        for document in path.read_text().split("---")
        if "kind: Pipeline" in document
        for line in document.splitlines()
        if line.startswith("metadata:")
    }
    answering = {pipeline for pipeline, _, _ in ANSWERS.values()}
    assert names == answering | set(IN_SPITE_OF_A_FAILURE) | {"tried-once"}


def dead_letters(rest: str) -> list[dict[str, Any]]:
    letters: list[dict[str, Any]] = fetch(rest, "/v1/deadletters")["dead_letters"]
    return letters


def test_no_failure_went_untold(rest: str) -> None:
    before = len(dead_letters(rest))
    for pipeline, tensors, _ in ANSWERS.values():
        outputs(rest, pipeline, tensors)
    assert len(dead_letters(rest)) == before


@pytest.mark.parametrize(("pipeline", "expected"), IN_SPITE_OF_A_FAILURE.items())
def test_an_answer_in_spite_of_a_failure(
    rest: str, pipeline: str, expected: list[tuple[str, list[Any]]]
) -> None:
    assert outputs(rest, pipeline, NEGATIVE) == expected


def test_an_error_that_is_worth_another_attempt_without_one(rest: str) -> None:
    status, _, answer = send(rest, "/v2/pipelines/tried-once/infer", NUMBERS)
    assert (status, answer["step"]) == (503, "shaky"), answer


def test_requests_that_come_together_share_a_call(rest: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        numbers = [{"INPUT": ("FP32", [3], [i, i + 1, i + 2])} for i in range(8)]
        answers = list(pool.map(lambda each: outputs(rest, "batched", each), numbers))
    assert answers == [[("OUTPUT", [10 * i + 10, 10 * i + 20, 10 * i + 30])] for i in range(8)]
    shared = set()
    for each in fetch(rest, "/v1/requests?pipeline=batched")["requests"]:
        records = fetch(rest, f"/v1/requests/{each['id']}")["records"]
        shared |= {record.get("shared_by", 1) for record in records}
    assert max(shared) > 1


def test_without_its_trigger_there_is_no_output(rest: str) -> None:
    status, _, answer = send(rest, "/v2/pipelines/trigger/infer", NUMBERS)
    assert (status, answer["code"]) == (422, "no-output")
    assert answer["details"] == [
        "mul10.outputs: step 'mul10' was skipped: trigger.inputs.ok1 is absent"
    ]


def test_loop_that_goes_round_too_often_says_so(rest: str) -> None:
    status, _, answer = send(rest, "/v2/pipelines/counter/infer", {"INPUT": ("FP32", [1], [-100])})
    assert (status, answer["code"], answer["step"]) == (500, "step-failed", "enter")
    assert answer["error"] == (
        "step 'enter' ran 21 times and was to run once more; "
        "end the loop earlier, or raise maxStepRevisits"
    )


READERS: dict[str, tuple[str, dict[str, Any], str, list[list[Any]]]] = {
    "goes on with an answer": (
        "tfsimple",
        SIMPLE,
        "tfsimple-extended",
        [[2 * i for i in COUNT], [2] * 16],
    ),
    "brings two together": (
        "tfsimple",
        SIMPLE,
        "tfsimple-combined",
        [[i + 3 for i in COUNT], [i - 1 for i in COUNT]],
    ),
    "is gated by another": (
        "tfsimple",
        SIMPLE,
        "tfsimple-triggered",
        [[i + 1 for i in COUNT], [i - 1 for i in COUNT]],
    ),
    "reads a step": (
        "tfsimple",
        SIMPLE,
        "tfsimple-of-a-step",
        [[i + 2 for i in COUNT], COUNT],
    ),
    "takes the first way": (
        "conditional-pipeline",
        {"CHOICE": ("INT32", [1], [0]), **NUMBERS},
        "either",
        [[100, 200, 300]],
    ),
    "takes the second way": (
        "conditional-pipeline",
        {"CHOICE": ("INT32", [1], [1]), **NUMBERS},
        "either",
        [[110, 120, 130]],
    ),
}


@pytest.mark.parametrize(("called", "tensors", "reader", "data"), READERS.values(), ids=READERS)
def test_reader(
    rest: str, called: str, tensors: dict[str, Any], reader: str, data: list[list[Any]]
) -> None:
    identity = send(rest, f"/v2/pipelines/{called}/infer", tensors).headers["penstock-request"]
    answer = fetch(rest, f"/v2/requests/{identity}?pipeline={reader}&wait=5000")
    assert answer["model_name"] == reader
    assert [output["data"] for output in answer["outputs"]] == data
    story = fetch(rest, f"/v1/requests/{identity}")
    assert story["pipeline"] == called
    assert reader in [each["pipeline"] for each in story["readers"]]
