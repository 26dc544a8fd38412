"""``penstock tap`` against a running server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from harness.command_line import Penstock

PIPELINE = """\
kind: Pipeline
metadata: {name: quiet}
spec:
  record: none
  steps: [{name: one}, {name: broken, onError: absent}]
  output: {steps: [one, broken], stepsJoin: outer}
"""
REQUEST = {"inputs": [{"name": "x", "datatype": "INT32", "shape": [2], "data": [1, 2]}]}


@pytest.fixture(scope="module")
def served(penstock: Penstock) -> Penstock:
    (penstock.folder / "quiet.yaml").write_text(PIPELINE)
    assert penstock("apply", "quiet.yaml").code == 0
    assert penstock("status", "--wait").code == 0
    return penstock


def ask(penstock: Penstock) -> str:
    request = urllib.request.Request(
        f"http://{penstock.rest}/v2/pipelines/quiet/infer",
        json.dumps(REQUEST).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as response:
        identity: str = response.headers["penstock-request"]
        return identity


@contextmanager
def tapping(penstock: Penstock, *words: str) -> Iterator[subprocess.Popen[str]]:
    """A tap that is followed."""
    program = (
        # Who runs the tests in the background of a shell has them ignore it.
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from penstock.core.cli import main; sys.exit(main())"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, "tap", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PENSTOCK_SERVER": penstock.grpc, "COLUMNS": "200"},
    )
    assert process.stderr is not None
    try:
        assert process.stderr.readline().startswith("following ")
        yield process
    finally:
        process.kill()
        process.communicate()


def test_records_of_a_port_that_nobody_keeps(served: Penstock) -> None:
    with tapping(served, "quiet.step.one.outputs.y", "-o", "json", "--limit", "2") as tap:
        identities = [ask(served) for _ in range(3)]
        out, err = tap.communicate(timeout=30)
    assert tap.returncode == 0, err
    records = [json.loads(line) for line in out.splitlines()]
    assert [record["id"] for record in records] == identities[:2]
    assert records[0]["port"] == "quiet.step.one.outputs"
    assert records[0]["tensors"] == [
        {"name": "y", "datatype": "INT32", "shape": [2], "data": [2, 3], "shortened": False}
    ]
    # Nothing was remembered for it.
    assert served("inspect", identities[0], "-o", "json").error["code"] == "not-found"


def test_it_is_shown_line_by_line_until_it_is_stopped(served: Penstock) -> None:
    with tapping(served, "quiet", "--all", "--state", "absent") as tap:
        identity = ask(served)
        assert tap.stdout is not None
        line = tap.stdout.readline()
        assert f"{identity}  quiet.step.broken.outputs  step 'broken' failed" in line
        tap.send_signal(signal.SIGINT)
        assert tap.wait(30) == 130


def test_a_pipeline_that_is_deleted_ends_it(served: Penstock) -> None:
    (served.folder / "gone.yaml").write_text(PIPELINE.replace("name: quiet", "name: gone"))
    assert served("apply", "gone.yaml").code == 0
    assert served("status", "--wait").code == 0
    with tapping(served, "gone", "-o", "json") as tap:
        assert served("delete", "pipeline", "gone").code == 0
        _, err = tap.communicate(timeout=30)
    assert tap.returncode == 1
    assert json.loads(err)["error"] == "pipeline 'gone' was deleted"


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("nothing",), "not-found", "there is no model or pipeline 'nothing'"),
        (("quiet.step.two",), "not-found", "has no step 'two'"),
        (("quiet.one",), "invalid-request", "after the name comes 'inputs', 'outputs' or 'step'"),
        (("quiet.inputs", "--all"), "invalid-request", "name its pipeline or model alone"),
    ],
)
def test_what_cannot_be_followed(
    served: Penstock, words: tuple[str, ...], code: str, sentence: str
) -> None:
    done = served("tap", *words, "-o", "json")
    assert (done.code, done.error["code"]) == (1, code)
    assert sentence in done.error["error"]


def test_a_model_that_is_called_on_its_own(served: Penstock) -> None:
    with tapping(served, "one.inputs", "-o", "json", "--limit", "1") as tap:
        ask(served)  # its step is another matter
        done = served("infer", "one", "--tensor", "x=[5]:INT32", "--server", served.rest)
        assert done.code == 0, done.err
        out, err = tap.communicate(timeout=30)
    assert tap.returncode == 0, err
    record = json.loads(out)
    assert (record["model"], record["port"]) == ("one", "one.inputs")
    assert record["tensors"][0]["data"] == [5]


def test_no_server(alone: Penstock) -> None:
    done = alone("tap", "x", "-o", "json")
    assert (done.code, done.error["code"]) == (1, "not-ready")


def test_the_same_over_rest(served: Penstock) -> None:
    url = f"http://{served.rest}/v1/tap/quiet.inputs?limit=1"
    with urllib.request.urlopen(url, timeout=30) as stream:
        assert stream.readline() == b"event: open\n"
        identity = ask(served)
        text = stream.read().decode()
    assert f'"id":"{identity}"' in text


@pytest.mark.parametrize("port", ["nothing", "quiet.step.zz", "one.step.zz"])
def test_over_rest_a_port_that_is_not_there_is_404_with_the_same_sentence(
    served: Penstock, port: str
) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"http://{served.rest}/v1/tap/{port}", timeout=30)
    with caught.value as answer:
        assert answer.code == 404
        said = json.load(answer)["error"]
    assert said == served("tap", port, "-o", "json").error["error"]
