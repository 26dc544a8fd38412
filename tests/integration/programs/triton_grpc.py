"""Checks with tritonclient over gRPC, run by a Python that has it and nothing of ours.

triton_grpc.py HOST:PORT PART
"""

from __future__ import annotations

import asyncio
import queue
import sys
from typing import Any

import ml_dtypes
import numpy as np
import tritonclient.grpc as grpc
import tritonclient.grpc.aio as grpc_aio
from tritonclient.grpc import service_pb2
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

PATIENCE_S = 30.0
DTYPES = (
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float16", "float32", "float64", ml_dtypes.bfloat16),
)
TYPED = {
    "BOOL": ("bool_contents", [True, False]),
    "INT8": ("int_contents", [-128, 127]),
    "INT16": ("int_contents", [-(2**15), 1]),
    "INT32": ("int_contents", [-(2**31), 1]),
    "INT64": ("int64_contents", [2**53 + 1, -(2**63)]),
    "UINT8": ("uint_contents", [0, 255]),
    "UINT16": ("uint_contents", [0, 2**16 - 1]),
    "UINT32": ("uint_contents", [0, 2**32 - 1]),
    "UINT64": ("uint64_contents", [0, 2**64 - 1]),
    "FP32": ("fp32_contents", [0.5, -1.0]),
    "FP64": ("fp64_contents", [0.1, -1e300]),
    "BYTES": ("bytes_contents", [b"a\x00b", b""]),
}


def asked(name: str, array: Any) -> Any:
    """An input of a request."""
    given = grpc.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
    given.set_data_from_numpy(array)
    return given


def refusal(call: Any, status: str) -> str:
    """The sentence of the error with which ``call`` must end."""
    try:
        call()
    except InferenceServerException as error:
        refused = error
    else:
        raise AssertionError("there was an answer")
    assert refused.status() == f"StatusCode.{status}", refused
    return str(refused.message())


def health(client: Any) -> None:
    """Live and ready: the server, models and pipelines."""
    assert client.is_server_live()
    assert client.is_server_ready()
    for name in ("echo", "total", "flow", "flow.pipeline"):
        assert client.is_model_ready(name), name
    assert client.is_model_ready("echo", "1")
    sentence = refusal(lambda: client.is_model_ready("eco"), "NOT_FOUND")
    assert "'echo'" in sentence, sentence


def metadata(client: Any) -> None:
    """What the server, a model with a signature and a pipeline say of themselves."""
    server = client.get_server_metadata(as_json=True)
    assert server["name"] == "penstock", server
    model = client.get_model_metadata("total", as_json=True)
    assert model["name"] == "total"
    assert model["versions"] == ["1"]
    assert model["inputs"] == [{"name": "x", "datatype": "FP32", "shape": ["-1", "4"]}], model
    assert model["outputs"] == [{"name": "total", "datatype": "FP32", "shape": ["-1"]}], model
    assert client.get_model_metadata("flow").name == "flow"
    index = client.get_model_repository_index().models
    states = {entry.name: entry.state for entry in index}
    assert states == dict.fromkeys(("echo", "total", "broken", "slow", "flow"), "READY"), states


def raw(client: Any) -> None:
    """Every datatype of numpy there and back, BF16 among them, and no element at all."""
    for dtype in DTYPES:
        for shape in ((3, 4), (0, 4)):
            array = np.arange(shape[0] * shape[1]).astype(dtype).reshape(shape)
            answer = client.infer("echo", [asked("x", array)]).as_numpy("x")
            assert answer.dtype == array.dtype
            assert np.array_equal(answer, array), dtype
    text = np.array([["a", "", "ü"], ["b" * 10_000, "\x00", " "]], dtype=np.object_)
    answer = client.infer("echo", [asked("x", text)]).as_numpy("x")
    assert [[each.decode() for each in row] for row in answer] == text.tolist()


def typed(client: Any) -> None:
    """Typed contents, which tritonclient's classes cannot make, through its generated stub."""
    for datatype, (field, values) in TYPED.items():
        contents = service_pb2.InferTensorContents(**{field: values})
        request = service_pb2.ModelInferRequest(model_name="echo")
        request.inputs.add(name="x", datatype=datatype, shape=[2], contents=contents)
        response = client._client_stub.ModelInfer(request, timeout=PATIENCE_S)
        answer = grpc.InferResult(response).as_numpy("x")
        assert answer.tolist() == values, (datatype, answer)


def pipelines(client: Any) -> None:
    """A pipeline by its name, by its suffix and by the header; sizes from small to 16 MiB."""
    for size in (1, 1_000, 100_000, 1_000_000):
        array = np.arange(4 * size, dtype=np.float32).reshape(size, 4)
        result = client.infer(
            "flow",
            [asked("x", array)],
            outputs=[grpc.InferRequestedOutput("total")],
            request_id="mine",
        )
        assert np.array_equal(result.as_numpy("total"), array.sum(axis=1, dtype=np.float32))
        response = result.get_response()
        assert (response.id, response.model_name) == ("mine", "flow"), response.id
    array = np.ones((1, 4), np.float32)
    for name, headers in (("flow.pipeline", None), ("echo", {"seldon-model": "flow.pipeline"})):
        result = client.infer(name, [asked("x", array)], headers=headers)
        assert result.as_numpy("total").tolist() == [4.0]


def errors(client: Any) -> None:
    """Errors have their status, and a sentence that names what is wrong."""
    good = [asked("x", np.zeros((1, 4), np.float32))]
    narrow = [asked("x", np.zeros((1, 3), np.float32))]
    wide = [asked("x", np.zeros((1, 4), np.float64))]
    other = [asked("z", np.zeros((1, 4), np.float32))]
    short = [grpc.InferInput("x", [1, 4], "FP32")]
    short[0]._raw_content = b"\x00" * 12
    big = [asked("x", np.zeros((20, 1 << 20), np.float32))]
    cases = (
        ("nothing", good, "NOT_FOUND", "nothing"),
        ("total", narrow, "INVALID_ARGUMENT", "'x'"),
        ("total", wide, "INVALID_ARGUMENT", "'x'"),
        ("total", other, "INVALID_ARGUMENT", "'x'"),
        ("total", short, "INVALID_ARGUMENT", "'x'"),
        ("flow", narrow, "INVALID_ARGUMENT", "'x'"),
        ("broken", good, "INTERNAL", "it broke"),
        ("total", big, "RESOURCE_EXHAUSTED", str(64 << 20)),
    )
    for name, inputs, status, part in cases:
        sentence = refusal(lambda name=name, inputs=inputs: client.infer(name, inputs), status)
        assert part in sentence, sentence
    array = good[0]
    sentence = refusal(lambda: client.infer("total", [array], model_version="7"), "NOT_FOUND")
    assert "7" in sentence, sentence
    sentence = refusal(lambda: client.load_model("ecco"), "NOT_FOUND")
    assert "did you mean 'echo'" in sentence, sentence
    sentence = refusal(lambda: client.load_model("echo", config="{}"), "INVALID_ARGUMENT")
    assert "penstock apply" in sentence, sentence
    sentence = refusal(lambda: client.unload_model("echo"), "ABORTED")
    assert "pipeline 'flow'" in sentence, sentence
    refusal(lambda: client.get_inference_statistics("echo"), "UNIMPLEMENTED")
    assert client.infer("total", good).as_numpy("total").tolist() == [0.0]


def repository(client: Any) -> None:
    """A model goes off its server, and comes back."""
    client.unload_model("broken")
    assert not client.is_model_ready("broken")
    client.load_model("broken")
    assert client.is_model_ready("broken")


def timeouts(client: Any) -> None:
    """A model that takes longer than the client waits does not hold up the next request."""
    inputs = [asked("x", np.zeros(1, np.float32))]
    refusal(lambda: client.infer("slow", inputs, client_timeout=0.2), "DEADLINE_EXCEEDED")
    assert client.infer("echo", inputs, client_timeout=PATIENCE_S).as_numpy("x").tolist() == [0.0]


def callbacks(client: Any) -> None:
    """Requests that run beside each other, and one that is called off."""
    answers: queue.Queue[Any] = queue.Queue()
    arrays = [np.full(1 + 5000 * number, number, np.float32) for number in range(20)]

    def take(number: int, result: Any, error: Any) -> None:
        answers.put((number, result, error))

    for number, array in enumerate(arrays):
        client.async_infer(
            "echo", [asked("x", array)], lambda result, error, n=number: take(n, result, error)
        )
    for _ in arrays:
        number, result, error = answers.get(timeout=PATIENCE_S)
        assert error is None, error
        assert np.array_equal(result.as_numpy("x"), arrays[number])
    call = client.async_infer(
        "slow", [asked("x", arrays[0])], lambda result, error: take(0, result, error)
    )
    call.cancel()
    _, result, error = answers.get(timeout=PATIENCE_S)
    assert result is None
    assert error.status() == "StatusCode.CANCELLED", error


def stream(client: Any) -> None:
    """Many requests over one stream; an error answers its own request and ends nothing."""
    answers: queue.Queue[Any] = queue.Queue()
    client.start_stream(lambda result, error: answers.put((result, error)))
    for number in range(100):
        array = np.full((1, 4), number, np.float32)
        client.async_stream_infer("flow", [asked("x", array)], request_id=str(number))
    seen = set()
    for _ in range(100):
        result, error = answers.get(timeout=PATIENCE_S)
        assert error is None, error
        number = int(result.get_response().id)
        assert result.as_numpy("total").tolist() == [4.0 * number]
        seen.add(number)
    assert seen == set(range(100))
    client.async_stream_infer("nothing", [asked("x", np.zeros(1, np.float32))], request_id="wrong")
    result, error = answers.get(timeout=PATIENCE_S)
    assert result is None
    assert "'nothing'" in error.message(), error
    client.async_stream_infer("echo", [asked("x", np.ones(1, np.float32))])
    result, error = answers.get(timeout=PATIENCE_S)
    assert error is None, error
    assert result.as_numpy("x").tolist() == [1.0]
    client.stop_stream()


def compression(client: Any) -> None:
    """Messages that the client packs."""
    array = np.arange(100_000, dtype=np.float32)
    for algorithm in ("gzip", "deflate"):
        result = client.infer("echo", [asked("x", array)], compression_algorithm=algorithm)
        assert np.array_equal(result.as_numpy("x"), array)


async def with_asyncio(address: str) -> None:
    """The client for asyncio."""
    array = np.arange(300_000, dtype=np.float32)

    async def requests() -> Any:
        for number in range(5):
            yield {"model_name": "echo", "inputs": [asked("x", array)], "request_id": str(number)}

    async with grpc_aio.InferenceServerClient(address) as client:
        assert await client.is_server_ready()
        results = await asyncio.gather(
            *(client.infer("echo", [asked("x", array)]) for _ in range(8))
        )
        assert all(np.array_equal(result.as_numpy("x"), array) for result in results)
        streamed = [each async for each in client.stream_infer(requests())]
        assert [error for _, error in streamed] == [None] * 5
        assert {result.get_response().id for result, _ in streamed} == set("01234")


def main(address: str, part: str) -> None:
    """One part of the checks."""
    if part == "aio":
        asyncio.run(with_asyncio(address))
        return
    client = grpc.InferenceServerClient(address)
    try:
        PARTS[part](client)
    finally:
        client.close()


PARTS = {
    each.__name__: each
    for each in (
        *(health, metadata, raw, typed, pipelines, errors),
        *(repository, timeouts, callbacks, stream, compression),
    )
}

if __name__ == "__main__":
    main(*sys.argv[1:])
