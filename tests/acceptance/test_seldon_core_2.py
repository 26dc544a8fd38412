"""Where a manifest of Seldon Core 2 answers differently here: the rows of the page, one by one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

import grpc
import pytest
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from harness.command_line import Penstock
from harness.inference import fetch, send
from harness.up import penstock_up

PAGE = Path(__file__).resolve().parents[2] / "docs" / "explanation" / "seldon-core-2.md"

MODELS = """\
def route(x):
    return {"low": x} if x[0] < 0 else {"low": x, "high": x}

def either(low=None, high=None):
    return {"y": low if high is None else high}

def one(x):
    return {"y": x + 1}

def broken(x):
    raise RuntimeError("it is broken")
"""

MANIFESTS = "\n---\n".join(
    [
        *(
            "apiVersion: mlops.seldon.io/v1alpha1\nkind: Model\n"
            f"metadata: {{name: {name}}}\nspec: {{python: 'models:{name}'}}"
            for name in ("route", "either", "one", "broken")
        ),
        *(
            "apiVersion: mlops.seldon.io/v1alpha1\nkind: Pipeline\n"
            f"metadata: {{name: {name}}}\nspec: {{{spec}}}"
            for name, spec in {
                "wants-both": (
                    "steps: [{name: route}, {name: either, inputs: [route.outputs.low, "
                    "route.outputs.high]}], output: {steps: [either]}"
                ),
                "wants-one": (
                    "steps: [{name: route}, {name: either, inputsJoinType: outer, "
                    "inputs: [route.outputs.low, route.outputs.high]}], output: {steps: [either]}"
                ),
                "fails": "steps: [{name: one}, {name: broken}], output: {steps: [one, broken]}",
                "twice": (
                    "record: all, steps: [{name: one}, {name: again, model: one, inputs: "
                    "[one.outputs.y], tensorMap: {one.outputs.y: x}}], output: {steps: [again]}"
                ),
                "nobody-waits": "steps: [{name: broken}]",
            }.items()
        ),
        *(
            "apiVersion: mlops.seldon.io/v1alpha1\nkind: Experiment\n"
            f"metadata: {{name: {name}}}\nspec: {{{spec}}}"
            for name, spec in {
                "inner": "candidates: [{name: one, weight: 50}, {name: route, weight: 50}]",
                "outer": (
                    "resourceType: experiment, candidates: [{name: inner, weight: 50}, "
                    "{name: other, weight: 50}]"
                ),
                "other": "candidates: [{name: either, weight: 100}]",
            }.items()
        ),
    ]
)

UP = {"x": ("FP32", [1], [1.0])}
DOWN = {"x": ("FP32", [1], [-1.0])}


@pytest.fixture(scope="module")
def penstock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Penstock]:
    folder = tmp_path_factory.mktemp("seldon")
    (folder / "models.py").write_text(MODELS)
    (folder / "theirs.yaml").write_text(MANIFESTS)
    with penstock_up(folder, Path("theirs.yaml")) as addresses:
        yield Penstock(folder, addresses["rest"], addresses["grpc"])


@pytest.fixture
def rest(penstock: Penstock) -> str:
    return f"http://{penstock.rest}"


def test_several_tensors_of_one_source(penstock: Penstock, rest: str) -> None:
    assert send(rest, "/v2/pipelines/wants-both/infer", UP).status == 200
    reply = send(rest, "/v2/pipelines/wants-both/infer", DOWN)
    assert (reply.status, reply.document["code"]) == (422, "no-output")
    assert reply.document["details"] == [
        "either.outputs: step 'either' was skipped: route.outputs.high is absent"
    ]
    checked = penstock("check", "theirs.yaml")
    [warning] = [line for line in checked.err.splitlines() if "Seldon" in line]
    assert "spec.steps[1].inputs: all 2 tensors of 'route.outputs' are wanted here" in warning
    table = checked.out.partition("pipeline wants-both\n")[2].partition("\npipeline ")[0]
    [row] = [line for line in table.splitlines() if "route puts out low and leaves" in line]
    assert re.search(r"no-output: .*route\.outputs\.high is absent +either answers$", row)


def test_outer_goes_on_without_one(penstock: Penstock, rest: str) -> None:
    reply = send(rest, "/v2/pipelines/wants-one/infer", DOWN)
    assert reply.document["outputs"][0]["data"] == [-1.0]
    checked = penstock("check", "theirs.yaml")
    assert "wants-one" not in checked.err
    table = checked.out.partition("pipeline wants-one\n")[2].partition("\npipeline ")[0]
    assert "in Seldon Core 2" not in table


def test_a_failure_names_its_step(penstock: Penstock, rest: str) -> None:
    reply = send(rest, "/v2/pipelines/fails/infer", UP)
    assert reply.status == 500
    assert (reply.document["code"], reply.document["step"]) == ("step-failed", "broken")
    assert "it is broken" in reply.document["error"]
    done = penstock("infer", "fails", "--tensor", "x=[1]:FP32", "--server", penstock.rest)
    assert "[step-failed, step broken]" in done.err


def test_no_output_says_why(rest: str) -> None:
    reply = send(rest, "/v2/pipelines/wants-both/infer", DOWN)
    assert reply.status == 422
    assert reply.document["error"].startswith("no output: either.outputs is absent")


def test_sticky_routes_hold_through_nested_experiments(rest: str) -> None:
    for way in (":outer.inner:inner.one:", ":outer.inner:inner.route:"):
        for _ in range(20):
            wanted = {"x-seldon-route": way}
            reply = send(rest, "/v2/models/outer.experiment/infer", UP, wanted)
            assert reply.status == 200, reply.document
            assert reply.headers["x-seldon-route"] == way
            assert reply.document["model_name"] == way.rpartition(".")[2].rstrip(":")


def test_x_request_id_is_the_callers(rest: str) -> None:
    for _ in range(2):  # it may repeat, and the request's own identity does not
        reply = send(rest, "/v2/pipelines/twice/infer", UP, {"x-request-id": "mine"})
        assert reply.headers["x-request-id"] == "mine"
        assert reply.headers["penstock-request"] not in ("mine", None)


def test_streams_are_of_steps(rest: str) -> None:
    identity = send(rest, "/v2/pipelines/twice/infer", UP).headers["penstock-request"]
    ports = {each["port"] for each in fetch(rest, f"/v1/requests/{identity}")["records"]}
    assert ports == {
        "inputs",
        "one.inputs",
        "one.outputs",
        "again.inputs",
        "again.outputs",
        "outputs",
    }


def test_failures_become_dead_letters(rest: str) -> None:
    accepted = send(rest, "/v2/pipelines/nobody-waits/requests", UP)
    assert accepted.status == 202
    # Whoever asks for its end knows that it has one.
    identity = accepted.headers["penstock-request"]
    with pytest.raises(OSError, match="500"):
        fetch(rest, f"/v2/requests/{identity}?wait=20000")
    [letter] = fetch(rest, "/v1/deadletters")["dead_letters"]
    assert (letter["code"], letter["step"]) == ("step-failed", "broken")


def checked(penstock: Penstock, text: str) -> list[str]:
    (penstock.folder / "other.yaml").write_text(text)
    done = penstock("check", "other.yaml")
    assert done.code == 0, done.err
    return done.err.splitlines()


@pytest.mark.parametrize("kind", ["ServerConfig", "SeldonConfig", "SeldonRuntime"])
def test_kinds_of_an_installation_are_skipped(penstock: Penstock, kind: str) -> None:
    text = f"apiVersion: mlops.seldon.io/v1alpha1\nkind: {kind}\nmetadata: {{name: a}}\nspec: {{}}"
    assert checked(penstock, text) == [
        f"warning: other.yaml:2:7: kind: {kind} is about an installation of Seldon Core 2, "
        "and is skipped"
    ]


def test_fields_without_effect_are_warned_of(penstock: Penstock) -> None:
    text = (
        "apiVersion: mlops.seldon.io/v1alpha1\nkind: Model\nmetadata: {name: one}\n"
        "spec:\n  python: models:one\n  logger: {percent: 5}\n  preloaded: true\n"
        "  dedicated: true\n  modelType: sklearn\n"
    )
    warned = checked(penstock, text)
    assert len(warned) == 4
    assert all("has no effect: " in line for line in warned)


def test_with_too_few_servers_a_model_serves_with_fewer_replicas(penstock: Penstock) -> None:
    text = (
        "apiVersion: mlops.seldon.io/v1alpha1\nkind: Model\nmetadata: {name: many}\n"
        "spec: {python: 'models:one', replicas: 3}\n"
    )
    (penstock.folder / "many.yaml").write_text(text)
    assert penstock("apply", "many.yaml").code == 0
    assert penstock("status", "--wait").code == 0
    status = penstock("get", "model", "many", "-o", "json").document
    scarce = [each for each in status["status"]["conditions"] if each["type"] == "ReplicasReady"]
    assert "1 of 3 replicas are loaded" in scarce[0]["message"]
    assert penstock("delete", "model", "many").code == 0


def test_their_scheduler_is_not_imitated(penstock: Penstock) -> None:
    with grpc.insecure_channel(penstock.grpc) as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        asked = reflection_pb2.ServerReflectionRequest(list_services="")
        [answer] = stub.ServerReflectionInfo(iter([asked]))
    services = {each.name for each in answer.list_services_response.service}
    assert "penstock.control.v1.Control" in services
    assert not [name for name in services if "seldon" in name.lower()]
    commands = distribution("penstock").entry_points.select(group="console_scripts")
    assert commands.names == {"penstock"}


def test_every_row_of_the_page_has_its_test() -> None:
    rows = re.findall(r"^\| .* \| `(\w+)` \|$", PAGE.read_text(), re.MULTILINE)
    tests = [name.removeprefix("test_") for name in globals() if name.startswith("test_")]
    assert rows == [name for name in tests if name != "every_row_of_the_page_has_its_test"]
