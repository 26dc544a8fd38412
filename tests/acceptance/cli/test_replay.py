"""``penstock replay``: recorded requests are sent again, and the answers compared."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.command_line import Penstock

PIPELINES = """\
kind: Model
metadata: {name: two}
spec: {python: "more:two"}
---
kind: Model
metadata: {name: picky}
spec: {python: "more:picky"}
---
kind: Pipeline
metadata: {name: first}
spec:
  record: all
  steps: [{name: one}, {name: last, model: picky, inputs: [one.outputs.y]}]
  output: {steps: [last]}
---
kind: Pipeline
metadata: {name: second}
spec:
  record: all
  steps: [{name: one, model: two}, {name: last, model: two, inputs: [one.outputs.y],
           tensorMap: {one.outputs.y: x}}]
  output: {steps: [last]}
---
kind: Pipeline
metadata: {name: ends}
spec:
  steps: [{name: one}]
  output: {steps: [one]}
---
kind: Pipeline
metadata: {name: never}
spec:
  steps: [{name: one}]
  output: {steps: [one]}
"""
MORE = """\
def two(x):
    return {"y": x + 2}

def picky(y):
    if y[0] < 0:
        raise ValueError("negative")
    return {"y": y + 1}
"""


@pytest.fixture(scope="module")
def served(penstock: Penstock) -> Penstock:
    (penstock.folder / "more.py").write_text(MORE)
    (penstock.folder / "more.yaml").write_text(PIPELINES)
    assert penstock("apply", "more.yaml").code == 0
    done = penstock("status", "--wait")
    assert done.code == 0, done.err
    for value in ("[1.0]", "[2.5]", "[-9.0]"):
        penstock(
            "infer", "first.pipeline", "--tensor", f"x={value}:FP64", "--server", penstock.rest
        )
    penstock("infer", "ends.pipeline", "--tensor", "x=[1]:INT32", "--server", penstock.rest)
    return penstock


def recorded(served: Penstock) -> list[str]:
    """Those that were called, and are no repeats, the oldest first."""
    listed = served("inspect", "--pipeline", "first", "-o", "json", "--limit", "100").document
    return [each["id"] for each in reversed(listed)][:3]


def test_the_same_version_answers_alike(served: Penstock) -> None:
    done = served("replay", "first", "-o", "json")
    assert done.code == 0, done.err
    document = done.document
    assert (document["same"], document["different"], document["failed"]) == (3, 0, 0)
    assert [each["request"] for each in document["requests"]] == recorded(served)
    again = document["requests"][0]["again"]
    case = served("inspect", again, "--export", "again.penstock")
    assert case.code == 0, case.err
    story = served("inspect", again, "-o", "json").document
    assert (story["outcome"], story["id"]) == ("ok", again)
    repeats = served("replay", "first", "--request", again)
    assert repeats.code == 1
    assert f"it is itself request {recorded(served)[0]}, sent again" in repeats.out


def test_another_pipeline_differs_by_so_much(served: Penstock) -> None:
    ids = recorded(served)
    words = [word for each in ids for word in ("--request", each)]
    done = served("replay", "first", *words, "--to", "second", "-o", "json")
    assert done.code == 1
    document = done.document
    assert (document["to"], document["different"]) == ("second", 3)
    assert document["greatest"] == {"outputs.y": 2.0}
    failed_then = document["requests"][2]["differences"][0]
    assert failed_then["what"] == "was failed (step-failed), is a value"
    table = served("replay", "first", "--request", ids[0], "--to", "second").out
    assert "outputs.y: differs by up to 2" in table
    assert "1 different" in table
    near = served("replay", "first", "--request", ids[0], "--to", "second", "--tolerance", "0.9")
    assert near.code == 0


def test_what_fails_now_is_told_apart(served: Penstock) -> None:
    served("infer", "second.pipeline", "--tensor", "x=[-9.0]:FP64", "--server", served.rest)
    done = served("replay", "second", "--to", "first", "-o", "json")
    assert done.code == 1
    (request,) = [each for each in done.document["requests"] if each["verdict"] != "left-out"]
    assert request["verdict"] == "failed"
    assert request["why"].startswith("step-failed: ")


def test_a_step_and_what_follows_are_called_again(served: Penstock) -> None:
    ids = recorded(served)
    same = served("replay", "first", "--request", ids[0], "--from", "last", "-o", "json")
    assert same.code == 0, same.err + same.out
    assert same.document["requests"][0]["again"] is None
    words = ("--request", ids[0], "--from", "last", "--to", "second", "--folder", ".")
    other = served("replay", "first", *words, "-o", "json")
    assert other.code == 1, other.err
    # What its first step put out then came back, and was not that of the other pipeline.
    assert other.document["greatest"]["outputs.y"] == 1.0
    assert "one.outputs.y" not in other.document["greatest"]


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["never"], 1, "no request to pipeline 'never' is remembered"),
        (["ends", "--from", "one"], 1, "write record: all"),
        (["first", "--request", "nobody"], 1, "nothing is known of request 'nobody'"),
        (["first", "--request", "x", "--since", "1h"], 2, "--request names requests"),
        (["first", "--folder", "."], 2, "--from"),
        (["first", "--from", "lats"], 1, "did you mean 'last'"),
    ],
)
def test_what_cannot_be_replayed_is_said(
    served: Penstock, words: list[str], code: int, sentence: str
) -> None:
    done = served("replay", *words)
    assert done.code == code, done.out
    assert sentence in done.err


def test_requests_of_other_pipelines_are_named(served: Penstock, tmp_path: Path) -> None:
    (called,) = served("inspect", "--pipeline", "ends", "-o", "json").document
    done = served("replay", "first", "--request", called["id"], "-o", "json")
    assert done.code == 1
    assert f"penstock replay ends --request {called['id']}" in json.dumps(done.error)
