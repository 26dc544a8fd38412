"""The pipelines of ``examples/state`` on a real server, with answers worked out by hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import grpc
import pytest

from harness.inference import fetch, send
from harness.up import penstock_up
from penstock.proto import open_inference_pb2 as pb

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "state"

SOON_S = 1.5
"""By when an answer is wanted: on a busy machine, too, there is time for all but what sleeps."""
LATE_S = 4.0
TRIES = 10


@pytest.fixture(scope="module", params=[None, 3], ids=["one process", "three workers"])
def server(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Mapping[str, str]]:
    folder = tmp_path_factory.mktemp("state")
    manifests = sorted(EXAMPLES.glob("*.yaml"))
    with penstock_up(folder, *manifests, workers=request.param) as addresses:
        yield addresses


@pytest.fixture(scope="module")
def rest(server: Mapping[str, str]) -> str:
    return server["rest"]


def keyed(key: str, value: str, **numbers: float) -> dict[str, Any]:
    return {
        key: ("BYTES", [1], [value]),
        **{name: ("FP32", [1], [number]) for name, number in numbers.items()},
    }


def ask(rest: str, pipeline: str, tensors: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    status, _, answer = send(rest, f"/v2/pipelines/{pipeline}/infer", tensors)
    return status, answer


def number(rest: str, pipeline: str, tensors: dict[str, Any]) -> float:
    status, answer = ask(rest, pipeline, tensors)
    assert status == 200, answer
    (output,) = answer["outputs"]
    (only,) = output["data"]
    return float(only)


def test_latest_value_of_the_key(rest: str) -> None:
    status, answer = ask(rest, "rates", keyed("currency", "eur", amount=5))
    assert (status, answer["code"]) == (422, "no-output")
    assert "no value of rates.inputs.rate is there" in answer["details"][0]
    for key, rate in (("eur", 2), ("eur", 3), ("usd", 7)):
        assert number(rest, "rates", keyed("currency", key, rate=rate)) == rate
    assert number(rest, "rates", keyed("currency", "eur", amount=5)) == 15
    assert number(rest, "rates", keyed("currency", "usd", amount=5)) == 35


def test_without_where_there_is_none(rest: str) -> None:
    assert number(rest, "rates-or-not", keyed("currency", "dkk", amount=5)) == 5
    status, answer = ask(rest, "rates-or-not", {"amount": ("FP32", [1], [5])})
    assert (status, answer["code"]) == (400, "invalid-request")
    assert "takes its key from the input tensor 'currency'" in answer["error"]


def test_first_with_first_and_second_with_second(rest: str) -> None:
    for paid in (10, 20):
        status, answer = ask(rest, "owed", keyed("customer", "ann", paid=paid))
        assert (status, answer["code"]) == (422, "no-output")
    assert number(rest, "owed", keyed("customer", "ann", ordered=11)) == 1
    assert number(rest, "owed", keyed("customer", "ann", ordered=25)) == 5


def test_best_answer_in_time(rest: str) -> None:
    late = {"INPUT": ("FP32", [1], [LATE_S])}
    status, headers, answer = send(
        rest, "/v2/pipelines/in-time/infer", late, {"x-penstock-timeout-ms": f"{SOON_S * 1e3:g}"}
    )
    assert status == 200, answer
    assert [each["name"] for each in answer["outputs"]] == ["OUTPUT"]
    assert answer["parameters"] == {"penstock-missing": "sleepy"}
    assert headers["penstock-missing"] == "sleepy"
    story = fetch(rest, f"/v1/requests/{headers['penstock-request']}")
    assert story["missing"] == ["sleepy"]


def test_nothing_is_missing_where_all_is_there_in_time(rest: str) -> None:
    soon = {"INPUT": ("FP32", [1], [0])}
    status, headers, answer = send(rest, "/v2/pipelines/in-time/infer", soon)
    assert status == 200
    assert [each["name"] for each in answer["outputs"]] == ["OUTPUT", "slept"]
    assert "penstock-missing" not in headers
    assert "parameters" not in answer


def test_missing_steps_over_grpc(server: Mapping[str, str]) -> None:
    tensor = pb.ModelInferRequest.InferInputTensor(name="INPUT", datatype="FP32", shape=[1])
    tensor.contents.fp32_contents.append(LATE_S)
    request = pb.ModelInferRequest(model_name="in-time.pipeline", inputs=[tensor])
    with grpc.insecure_channel(server["grpc"]) as channel:
        infer = channel.unary_unary(
            "/inference.GRPCInferenceService/ModelInfer",
            request_serializer=pb.ModelInferRequest.SerializeToString,
            response_deserializer=pb.ModelInferResponse.FromString,
        )
        for left in reversed(range(TRIES)):
            try:
                # Of that the server hears 1.51 s: what ends just before it is too late for the
                # caller. What ends in time has some 10 ms to get there.
                answer, call = infer.with_call(request, timeout=SOON_S + 0.004)
                break
            except grpc.RpcError as error:
                if not left or error.code() is not grpc.StatusCode.DEADLINE_EXCEEDED:
                    raise
    assert [output.name for output in answer.outputs] == ["OUTPUT"]
    assert answer.parameters["penstock-missing"].string_param == "sleepy"
    assert ("penstock-missing", "sleepy") in call.trailing_metadata()
