"""A request that is exported as a file, and played: ``penstock inspect --export``, ``run``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from harness.command_line import Penstock

PIPELINES = """\
kind: Pipeline
metadata: {name: kept}
spec:
  record: all
  steps:
  - {name: left, model: one}
  - {name: inner, pipeline: small}
  - name: sum
    model: total
    inputs: [left.outputs.y, inner.outputs.y]
    tensorMap: {left.outputs.y: a, inner.outputs.y: b}
  output: {steps: [sum]}
---
kind: Pipeline
metadata: {name: small}
spec:
  record: all
  steps: [{name: one}]
  output: {steps: [one]}
---
kind: Pipeline
metadata: {name: ends}
spec:
  steps: [{name: one}]
  output: {steps: [one]}
---
kind: Pipeline
metadata: {name: read}
spec:
  record: all
  steps: [{name: first, model: one}, {name: last, model: one, inputs: [first.outputs.y],
           tensorMap: {first.outputs.y: x}}]
  output: {steps: [last]}
---
kind: Pipeline
metadata: {name: reads}
spec:
  record: all
  input:
    externalInputs: [read.step.first.outputs.y, read.outputs.y]
    tensorMap: {read.step.first.outputs.y: a, read.outputs.y: b}
  steps: [{name: total}]
  output: {steps: [total]}
---
kind: Pipeline
metadata: {name: reads-on}
spec:
  input: {externalInputs: [reads.outputs.y], tensorMap: {reads.outputs.y: x}}
  steps: [{name: one}]
  output: {steps: [one]}
"""
REQUEST = {"inputs": [{"name": "x", "datatype": "INT32", "shape": [2], "data": [1, 2]}]}


@pytest.fixture(scope="module")
def served(penstock: Penstock) -> Penstock:
    (penstock.folder / "kept.yaml").write_text(PIPELINES)
    assert penstock("apply", "kept.yaml").code == 0
    done = penstock("status", "--wait")
    assert done.code == 0, done.err
    return penstock


def ask(penstock: Penstock, pipeline: str) -> str:
    request = urllib.request.Request(
        f"http://{penstock.rest}/v2/pipelines/{pipeline}/infer",
        json.dumps(REQUEST).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as response:
        identity: str = response.headers["penstock-request"]
        return identity


@pytest.fixture(scope="module")
def case(served: Penstock) -> Path:
    identity = ask(served, "kept")
    done = served("inspect", identity, "--export", "kept.penstock", "-o", "json")
    assert done.code == 0, done.err
    assert done.document["missing"] == []
    return served.folder / "kept.penstock"


def test_the_same_file_comes_over_rest(served: Penstock, case: Path) -> None:
    identity = served("run", str(case), "-o", "json").document["request"]
    with urllib.request.urlopen(f"http://{served.rest}/v1/cases/{identity}") as response:
        assert response.headers["content-type"] == "application/zip"
        other = served.folder / "other.penstock"
        other.write_bytes(response.read())
    assert served("run", "other.penstock").code == 0


@pytest.mark.parametrize(
    ("words", "how"),
    [
        ((), "all models called"),
        (("--models", "recorded"), "all models played back"),
        (("--from", "sum"), "called: sum"),
    ],
)
def test_it_is_played_and_shown(
    served: Penstock, case: Path, words: tuple[str, ...], how: str
) -> None:
    done = served("run", case.name, *words)
    assert done.code == 0, done.err + done.out
    lines = [line.lstrip("│├└─ ") for line in done.out.splitlines()]
    assert lines[0] == f"kept.penstock: played again, {how}"
    assert "out  y INT32 [2] = 4, 6" in lines
    assert lines[-1] == "everything that was recorded is the same"


def test_another_model_is_another_answer(served: Penstock, case: Path, tmp_path: Path) -> None:
    source = (served.folder / "models.py").read_text()
    (tmp_path / "models.py").write_text(source.replace("x + 1", "x + 3"))
    done = served("run", case.name, "--folder", str(tmp_path))
    assert done.code == 1
    assert "differs at left.outputs: y: 2 of 2 elements differ, by up to 2" in done.out
    assert "differs at outputs: y: 2 of 2 elements differ, by up to 4" in done.out
    assert done.out.splitlines()[-1] == "the answer is another one"
    document: Any = served("run", case.name, "--folder", str(tmp_path), "-o", "json").document
    assert (document["same"], document["answer_is_the_same"]) == (False, False)
    assert document["differences"][-1] == {
        "reader": None,
        "port": "outputs",
        "round": 0,
        "what": "y: 2 of 2 elements differ, by up to 4",
        "by": 4.0,
    }
    # The pipeline that is a step was played as well.
    assert document["children"][0]["pipeline"] == "small"


@pytest.fixture(scope="module")
def read(served: Penstock) -> Path:
    identity = ask(served, "read")
    done = served("inspect", identity, "--export", "read.penstock", "-o", "json")
    assert done.code == 0, done.err
    assert [each.partition(":")[0] for each in done.document["missing"]] == [
        "the ports of its steps"
    ]
    return served.folder / "read.penstock"


def test_pipelines_that_read_it_are_played_as_well(
    served: Penstock, read: Path, tmp_path: Path
) -> None:
    done = served("run", read.name)
    assert done.code == 0, done.err + done.out
    assert "reads, version 1" in done.out
    assert "begun by read.step.first.outputs" in done.out
    assert "reads-on, version 1" in done.out
    assert "everything that was recorded is the same" in done.out
    (tmp_path / "models.py").write_text(
        (served.folder / "models.py").read_text().replace("a + b", "a - b")
    )
    document: Any = served("run", read.name, "--folder", str(tmp_path), "-o", "json").document
    # The pipeline that was called has no such step, and those that follow from one do.
    assert [(each["reader"], each["port"]) for each in document["differences"]] == [
        ("reads", "total.outputs"),
        ("reads", "outputs"),
        ("reads-on", "inputs"),
        ("reads-on", "outputs"),
    ]
    assert document["answer_is_the_same"] is False
    assert [each["pipeline"] for each in document["readers"]] == ["reads", "reads-on"]


def test_readers_are_called_where_something_may_be_another_one_for_them(
    served: Penstock, read: Path
) -> None:
    done = served("run", read.name, "--models", "recorded")
    assert done.code == 0, done.err + done.out
    assert "not played: pipeline 'reads-on', which read it" in done.out
    assert "reads, version 1" in done.out
    later: Any = served("run", read.name, "--from", "last", "-o", "json").document
    assert [each["pipeline"] for each in later["readers"]] == ["reads", "reads-on"]
    assert later["left_out"] == []


def test_pytest_plays_readers(served: Penstock, read: Path, tmp_path: Path) -> None:
    (tmp_path / "read.penstock").write_bytes(read.read_bytes())
    source = (served.folder / "models.py").read_text()
    for text, code in ((source, 0), (source.replace("a + b", "a - b"), 1)):
        (tmp_path / "models.py").write_text(text)
        (tmp_path / "pytest.ini").write_text("[pytest]\npenstock_folder = .\n")
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            cwd=tmp_path,
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert ("reads: outputs: y: 2 of 2 elements differ" in done.stdout) == bool(code)


def debugged(penstock: Penstock, stdin: str, *words: str) -> str:
    program = "import sys; from penstock.core.cli import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", program, "run", *words],
        cwd=penstock.folder,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "COLUMNS": "200"},
    )
    return done.stdout


def test_the_debugger_stops_in_a_model(served: Penstock, case: Path, tmp_path: Path) -> None:
    source = (served.folder / "models.py").read_text()
    stopping = source.replace('return {"y": a + b}', 'breakpoint()\n    return {"y": a + b}')
    assert stopping != source
    (tmp_path / "models.py").write_text(stopping)
    out = debugged(served, "p int((a + b).sum())\nc\n", case.name, "--folder", str(tmp_path))
    assert "(Pdb) 10" in out
    assert "everything that was recorded is the same" in out
    (tmp_path / "models.py").write_text(
        source.replace('return {"y": a + b}', "raise ValueError(a)")
    )
    out = debugged(served, "p int(a.sum())\nq\n", case.name, "--folder", str(tmp_path), "--pdb")
    assert "(Pdb) 5" in out
    assert "was a value, is failed (step-failed)" in out


def test_what_was_not_kept_is_said_and_real_models_still_play(served: Penstock) -> None:
    identity = ask(served, "ends")
    done = served("inspect", identity, "--export", "ends.penstock")
    assert done.code == 0, done.err
    assert "not in it: the ports of its steps: pipeline 'ends' has record: boundary" in done.out
    played = served("run", "ends.penstock")
    assert played.code == 0, played.err
    assert "not in the case: the ports of its steps" in played.out
    refused = served("run", "ends.penstock", "--models", "recorded", "-o", "json")
    assert (refused.code, refused.error["code"]) == (1, "invalid-request")
    assert "play it with --models real" in refused.error["error"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"nothing", "'bad.penstock' is no case file, or damaged: BadZipFile"),
        (None, "'bad.penstock' cannot be read: No such file or directory"),
    ],
)
def test_broken_files_are_sentences(alone: Penstock, content: bytes | None, sentence: str) -> None:
    if content is not None:
        (alone.folder / "bad.penstock").write_bytes(content)
    done = alone("run", "bad.penstock", "-o", "json")
    assert (done.code, done.error["code"]) == (1, "invalid-request")
    assert done.error["error"].startswith(sentence)


@pytest.mark.parametrize(
    "words",
    [
        ("run", "schedular"),
        ("run",),
        ("run", "x.penstock", "--models", "recorded", "--from", "a"),
        ("run", "x.penstock", "--models", "other"),
        ("run", "x.penstock", "--tolerance", "-1"),
    ],
)
def test_wrong_use(alone: Penstock, words: tuple[str, ...]) -> None:
    assert alone(*words).code == 2


def test_an_export_that_cannot_be_written(served: Penstock) -> None:
    identity = ask(served, "ends")
    done = served("inspect", identity, "--export", "no/such/folder.penstock", "-o", "json")
    assert (done.code, done.error["code"]) == (1, "invalid-request")
    gone = served("inspect", "nothing", "--export", "x.penstock", "-o", "json")
    assert (gone.code, gone.error["code"]) == (1, "not-found")
