"""``penstock inspect`` and ``penstock deadletters`` against a running server."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.command_line import Penstock

PIPELINES = """\
kind: Pipeline
metadata: {name: seen}
spec:
  record: all
  steps:
  - {name: one}
  - {name: late, model: broken, onError: absent}
  - {name: never, model: one, inputs: [late.outputs.y], tensorMap: {late.outputs.y: x}}
  output: {steps: [one, never], stepsJoin: outer}
---
kind: Pipeline
metadata: {name: silent}
spec:
  steps: [{name: broken}]
"""
REQUEST = json.dumps(
    {"inputs": [{"name": "x", "datatype": "INT32", "shape": [1, 20], "data": list(range(20))}]}
).encode()


@pytest.fixture(scope="module")
def served(penstock: Penstock) -> Penstock:
    Path(penstock.folder / "seen.yaml").write_text(PIPELINES)
    done = penstock("apply", "seen.yaml")
    assert done.code == 0, done.err
    done = penstock("status", "--wait")
    assert done.code == 0, done.err
    return penstock


def ask(penstock: Penstock, path: str, headers: Mapping[str, str] | None = None) -> tuple[str, Any]:
    request = urllib.request.Request(
        f"http://{penstock.rest}{path}",
        REQUEST,
        {"Content-Type": "application/json", **(headers or {})},
    )
    with urllib.request.urlopen(request) as response:
        return response.headers["penstock-request"], json.load(response)


def test_the_way_of_a_request(served: Penstock) -> None:
    identity, _ = ask(served, "/v2/pipelines/seen/infer")
    done = served("inspect", identity)
    assert done.code == 0, done.err
    lines = [line.lstrip("│├└─ ") for line in done.out.splitlines()]
    assert lines[0].startswith(f"{identity}  pipeline seen, version 1, ")
    assert lines[1].startswith("ok after ")
    values = ", ".join(map(str, range(16)))
    assert f"x INT32 [1, 20] = {values}, ..." in lines
    assert (
        "out  step 'late' failed (step-failed): model 'broken' raised RuntimeError: it is broken"
        in lines
    ), done.out
    (never,) = (line for line in lines if line.startswith("never  after "))
    assert never.endswith("step 'never' was skipped: late.outputs.y is absent")
    document = served("inspect", identity, "-o", "json").document
    assert document["outcome"] == "ok"
    ports = [record["port"] for record in document["records"]]
    assert set(ports) == {
        "inputs",
        "one.inputs",
        "one.outputs",
        "late.inputs",
        "late.outputs",
        "never.inputs",
        "never.outputs",
        "outputs",
    }


def test_what_a_join_waited_for(served: Penstock) -> None:
    identity, _ = ask(served, "/v2/pipelines/seen/infer", {"x-request-id": "of-the-caller"})
    done = served("inspect", "of-the-caller")
    assert done.code == 0, done.err
    lines = [line.lstrip("│├└─ ") for line in done.out.splitlines()]
    assert lines[0].startswith(identity)
    (joined,) = (line for line in lines if line.startswith("steps joined by outer, waited "))
    at = lines.index(joined)
    assert joined.endswith((", ended by never.outputs", ", ended by one.outputs"))
    assert lines[at + 1].startswith("one.outputs  value after ")
    assert lines[at + 2].startswith("never.outputs  absent after ")
    assert lines[at + 2].endswith(": step 'never' was skipped: late.outputs.y is absent")
    document = served("inspect", identity, "-o", "json").document
    assert document["kept"] == "all"
    states = {visit["step"]: visit["state"] for visit in document["visits"]}
    assert states == {"one": "value", "late": "absent", "never": "skipped", None: "value"}
    (listed,) = served("inspect", "--x-request-id", "of-the-caller", "-o", "json").document
    assert listed["id"] == identity
    assert served("inspect", "--until", "1h", "-o", "json").document == []


def test_requests_are_listed_and_chosen(served: Penstock) -> None:
    identity, _ = ask(served, "/v2/pipelines/seen/infer")
    text = served("inspect")
    assert text.out.splitlines()[0].split() == [
        "request", "pipeline", "opened", "took", "outcome", "step",
    ]  # fmt: skip
    assert text.out.splitlines()[1].startswith(identity)
    (first, *_) = served("inspect", "-o", "json", "--since", "10m", "--outcome", "ok").document
    assert first["id"] == identity
    assert served("inspect", "-o", "json", "--pipeline", "other").document == []
    assert len(served("inspect", "-o", "json", "--limit", "1").document) == 1


def test_request_that_is_not_known(served: Penstock) -> None:
    done = served("inspect", "nothing", "-o", "json")
    assert done.code == 1
    assert done.error["code"] == "not-found"
    assert done.error["error"].startswith("nothing is known of request 'nothing'")


@pytest.mark.parametrize(
    "words",
    [("x", "--outcome", "ok"), ("--export", "f"), ("--since", "yesterday"), ("--limit", "0")],
)
def test_wrong_use(served: Penstock, words: tuple[str, ...]) -> None:
    assert served("inspect", *words).code == 2


def test_an_outcome_that_there_is_not_is_refused(served: Penstock) -> None:
    done = served("inspect", "--outcome", "step-faild")
    assert done.code == 1
    assert done.err.startswith("error: there is no outcome 'step-faild'; write ok, failed, open, ")


def test_dead_letters_are_listed_shown_and_sent_again(served: Penstock) -> None:
    _, accepted = ask(served, "/v2/pipelines/silent/requests")
    (letter, *_) = served("deadletters", "-o", "json", "--pipeline", "silent").document
    assert letter["id"] == accepted["id"]
    assert (letter["attempts"], letter["origin"]) == (1, None)
    assert letter["reason"] == "model 'broken' raised RuntimeError: it is broken"
    number = str(letter["number"])
    assert f"{number} " in served("deadletters").out
    shown = served("deadletters", "show", number)
    assert "model 'broken' raised RuntimeError: it is broken" in shown.out.replace("''", "'")
    sent = served("deadletters", "send", number, "-o", "json")
    assert sent.code == 0, sent.err
    again = served("inspect", sent.document["id"], "-o", "json").document
    assert (again["outcome"], again["step"], again["asynchronous"]) == (
        "step-failed",
        "broken",
        True,
    )
    (second, *_) = served("deadletters", "-o", "json", "--pipeline", "silent").document
    assert (second["id"], second["origin"]) == (sent.document["id"], accepted["id"])
    gone = served("deadletters", "show", number, "-o", "json")
    assert (gone.code, gone.error["code"]) == (1, "not-found")


READERS = """\
kind: Pipeline
metadata: {name: heard}
spec:
  steps: [{name: one}]
  output: {steps: [one]}
---
kind: Pipeline
metadata: {name: hearer}
spec:
  input: {externalInputs: [heard.step.one], tensorMap: {heard.step.one.outputs.y: x}}
  steps: [{name: one}]
  output: {steps: [one]}
"""


def test_a_request_is_shown_in_all_pipelines_that_read_it(served: Penstock) -> None:
    Path(served.folder / "readers.yaml").write_text(READERS)
    assert served("apply", "readers.yaml").code == 0
    assert served("status", "--wait").code == 0
    identity, _ = ask(served, "/v2/pipelines/heard/infer")
    done = served("inspect", identity)
    assert done.code == 0, done.err
    heads = [line for line in done.out.splitlines() if identity in line]
    assert [head.split()[2] for head in heads] == ["heard,", "hearer,"]
    assert "begun by heard.step.one.outputs" in done.out
    done = served("delete", "pipeline", "heard")
    assert done.code == 1
    assert "pipeline 'heard' is used by pipeline 'hearer'" in done.err
