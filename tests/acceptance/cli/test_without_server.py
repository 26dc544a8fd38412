"""Commands that need no server, and the use of the command line as such."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

import penstock as package
from harness.command_line import MANIFESTS, Penstock


def test_check_draws_the_pipeline_and_finds_nothing_wrong(alone: Penstock) -> None:
    done = alone("check", "served.yaml")
    assert done.code == 0, done.err
    for word in ("pipeline pair", "left", "right", "sum", "4 resources, nothing is wrong"):
        assert word in done.out
    assert {
        each["name"] for each in alone("check", "served.yaml", "-o", "json").document["resources"]
    } == {
        "one",
        "total",
        "broken",
        "pair",
    }


def test_check_names_every_problem_with_its_place(alone: Penstock) -> None:
    text = MANIFESTS.replace("left.outputs.y, right", "lfet.outputs.y, right")
    text = text.replace("name: right, model", "name: right, modle: x, model")
    (alone.folder / "bad.yaml").write_text(text + "---\nkind: Modell\nmetadata: {name: m}\n")
    done = alone("check", "bad.yaml")
    assert done.code == 1
    for said in ("did you mean 'left'?", "did you mean 'model'?", "did you mean 'Model'?"):
        assert said in done.err
    lines = [line.strip() for line in done.err.splitlines() if "bad.yaml:" in line]
    assert len(lines) >= 3
    assert len(alone("check", "bad.yaml", "-o", "json").error["details"]) >= 3


def test_check_takes_folders_and_misses_models(alone: Penstock) -> None:
    (alone.folder / "some").mkdir()
    (alone.folder / "some" / "pipeline.yaml").write_text(MANIFESTS.split("---\n")[-1])
    done = alone("check", "some")
    assert done.code == 1
    assert "'one'" in done.err
    assert "'total'" in done.err


def test_check_names_kinds_of_explainers_and_what_they_miss(alone: Penstock) -> None:
    (alone.folder / "why.yaml").write_text(
        "apiVersion: mlops.seldon.io/v1alpha1\nkind: Model\nmetadata: {name: why}\n"
        "spec: {explainer: {type: anchor_tabular, modelRef: income}}\n"
    )
    done = alone("check", "why.yaml")
    assert done.code == 1
    assert "spec.explainer.type: there is no explainer 'anchor_tabular'; installed: " in done.err
    assert "spec.explainer.modelRef: there is no model 'income'" in done.err


def test_config_is_checked_with_nearest_names(alone: Penstock) -> None:
    (alone.folder / "penstock.yaml").write_text("rest: {prot: 8000}\nlimits: {inFlight: no}\n")
    done = alone("config", "check")
    assert done.code == 1
    assert "penstock.yaml:1:" in done.err
    assert "did you mean 'port'?" in done.err
    assert "penstock.yaml:2:" in done.err
    (alone.folder / "penstock.yaml").write_text("rest: {port: 8000}\n")
    assert alone("config", "check").code == 0


def test_the_schema_is_json_schema(alone: Penstock) -> None:
    schema = json.loads(alone("config", "schema").out)
    assert schema["$schema"].startswith("https://json-schema.org/")
    sections = schema["$defs"]["Config"]["properties"]
    assert {"rest", "grpc", "limits", "plugins"} <= set(sections)


def test_plugins_are_listed_with_origin_and_state(alone: Penstock) -> None:
    listed = {each["name"]: each for each in alone("plugins", "-o", "json").document}
    assert listed["inner"]["registers"] == {"joins": ["inner"]}
    assert listed["inner"]["distribution"] == "penstock"
    assert listed["inner"]["state"] == "active"
    table = alone("plugins").out
    assert table.split()[:4] == ["plug-in", "distribution", "state", "registers"]


def test_version_and_help(alone: Penstock) -> None:
    assert package.__version__ in alone("--version").out
    shown = alone("--help").out
    for command in (
        "up",
        "check",
        "apply",
        "delete",
        "get",
        "status",
        "infer",
        "plugins",
        "config",
    ):
        assert f"\n  {command} " in shown
        assert alone(command, "--help").code == 0


@pytest.mark.parametrize(
    "words", [("bogus",), ("infer",), ("get", "--nix"), ("up", "--rest-port", "x"), ("check",)]
)
def test_wrong_use_exits_with_2(alone: Penstock, words: tuple[str, ...]) -> None:
    done = alone(*words)
    assert done.code == 2
    assert done.out == ""
    assert "Error: " in done.err
    in_json = alone(*words, "-o", "json")
    assert in_json.code == 2
    assert in_json.error["code"] == "invalid-request"


def test_without_a_command_help_is_shown(alone: Penstock) -> None:
    done = alone()
    assert done.code == 2
    assert done.err.startswith("Usage: penstock")
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    "words",
    [
        ("infer", "m", "--timeout", "-1"),
        ("status", "--timeout", "0"),
        ("up", "--ready-timeout", "0"),
    ],
)
def test_times_are_over_0(alone: Penstock, words: tuple[str, ...]) -> None:
    done = alone(*words)
    assert done.code == 2
    assert "is not in the range x>0" in done.err


def test_waiting_for_a_server_that_never_comes_ends_not_ready_in_time(alone: Penstock) -> None:
    assert alone("status").code == 1
    done = alone("status", "--wait", "--timeout", "0.1")
    assert done.code == 3
    assert "no server answers at 127.0.0.1:1 " in done.err


def test_the_address_of_rest_is_told_from_that_of_grpc(alone: Penstock) -> None:
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as rest:
        threading.Thread(target=rest.serve_forever, daemon=True).start()
        done = alone("status", "--server", f"127.0.0.1:{rest.server_port}")
        rest.shutdown()
    assert done.code == 1
    assert "does not speak gRPC" in done.err
    assert "give the address of gRPC (that of REST is another)" in done.err


READERS = """\
kind: Pipeline
metadata: {name: source}
spec:
  steps: [{name: a, model: m}]
  output: {steps: [a]}
---
kind: Pipeline
metadata: {name: reader}
spec:
  input:
    externalInputs: [source.step.a.outputs.WANTED, source.inputs.x]
    externalTriggers: [source.outputs]
  steps: [{name: b, model: m}]
  output: {steps: [b]}
---
kind: Model
metadata: {name: m}
spec:
  python: nowhere:nothing
  outputs: [{name: GIVEN, datatype: FP32, shape: [1]}]
"""


def test_check_draws_and_checks_what_is_read_of_other_pipelines(alone: Penstock) -> None:
    (alone.folder / "readers.yaml").write_text(READERS.replace("WANTED", "GIVEN"))
    done = alone("check", "readers.yaml")
    for line in ("│ pipeline source", "│ source.step.a.outputs.GIVEN", "│ when source.outputs"):
        assert line in done.out
    (alone.folder / "readers.yaml").write_text(READERS)
    done = alone("check", "readers.yaml")
    assert done.code == 1
    assert (
        "spec.input.externalInputs[0]: the input reads 'source.step.a.outputs.WANTED', but "
        "'source.step.a.outputs' holds 'GIVEN' (FP32 [1])" in done.err
    )
