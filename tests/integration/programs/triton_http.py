"""Checks with tritonclient over HTTP, run by a Python that has it and nothing of ours.

triton_http.py HOST:PORT PART
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import numpy as np
import tritonclient.http as http
import tritonclient.http.aio as http_aio
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

DTYPES = (
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float16", "float32", "float64"),
)


def asked(name: str, array: Any, binary: bool = True) -> Any:
    """An input of a request."""
    given = http.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
    given.set_data_from_numpy(array, binary_data=binary)
    return given


def information(client: Any) -> None:
    """What the server says of itself."""
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("echo")
    assert client.is_model_ready("echo", "1")
    assert not client.is_model_ready("nothing")
    assert client.get_server_metadata()["name"] == "fake"
    metadata = client.get_model_metadata("echo")
    assert metadata["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}]
    index = client.get_model_repository_index()
    assert {entry["name"] for entry in index} == {"echo", "flow", "broken"}


def datatypes(client: Any) -> None:
    """Every datatype of numpy, there and back."""
    for dtype in DTYPES:
        array = np.arange(12).astype(dtype).reshape(3, 4)
        result = client.infer("echo", [asked("x", array)])
        assert np.array_equal(result.as_numpy("x"), array), dtype
    text = np.array([["a", "", "ü"]], dtype=np.object_)
    result = client.infer("echo", [asked("x", text)])
    assert [each.decode() for each in result.as_numpy("x").ravel()] == ["a", "", "ü"]


def binary(client: Any) -> None:
    """Binary tensors of any size, several at once, and a choice among the outputs."""
    for size in (1, 1000, 100_000, 2_000_000):
        first = np.arange(size, dtype=np.float32)
        second = first[:1].astype(np.int64)
        result = client.infer(
            "flow",
            [asked("a", first), asked("b", second)],
            outputs=[http.InferRequestedOutput("a", binary_data=True)],
            request_id="mine",
            headers={"x-request-id": "yours"},
        )
        assert np.array_equal(result.as_numpy("a"), first)
        assert result.as_numpy("b") is None
        response = result.get_response()
        assert (response["id"], response["model_name"]) == ("mine", "flow")


def json(client: Any) -> None:
    """JSON in, JSON out, and both mixed with binary tensors."""
    array = np.array([[1, -2], [2**60, 4]], dtype=np.int64)
    for given in (True, False):
        for wanted in (True, False):
            result = client.infer(
                "echo",
                [asked("x", array, given)],
                model_version="1",
                outputs=[http.InferRequestedOutput("x", binary_data=wanted)],
            )
            assert np.array_equal(result.as_numpy("x"), array)


def failure(client: Any, model: str, array: Any) -> Any:
    """The error of a model that must not answer."""
    try:
        client.infer(model, [asked("x", array)])
    except InferenceServerException as error:
        return error
    raise AssertionError(f"{model} answered")


def errors(client: Any) -> None:
    """Errors come as their sentences."""
    array = np.zeros((1, 4), np.float32)
    for model, status, sentence in (("broken", "500", "it broke"), ("nothing", "404", "nothing")):
        error = failure(client, model, array)
        assert error.status() == status, error.status()
        assert sentence in error.message()
    assert client.infer("echo", [asked("x", array)]).as_numpy("x").shape == (1, 4)


def compression(client: Any) -> None:
    """Packed bodies, and answers that are not."""
    array = np.arange(100_000, dtype=np.float32)
    for algorithm in ("gzip", "deflate"):
        result = client.infer(
            "echo",
            [asked("x", array)],
            request_compression_algorithm=algorithm,
            response_compression_algorithm=algorithm,
        )
        assert np.array_equal(result.as_numpy("x"), array)


def threads(client: Any) -> None:
    """Requests that run beside each other."""
    arrays = [np.full(1 + 5000 * number, number, np.float32) for number in range(20)]
    running = [client.async_infer("echo", [asked("x", array)]) for array in arrays]
    for array, each in zip(arrays, running, strict=True):
        assert np.array_equal(each.get_result().as_numpy("x"), array)


async def with_asyncio(url: str) -> None:
    """The client for asyncio."""
    async with http_aio.InferenceServerClient(url) as client:
        assert await client.is_server_ready()
        array = np.arange(300_000, dtype=np.float32)
        results = await asyncio.gather(
            *(client.infer("echo", [asked("x", array)]) for _ in range(8))
        )
        assert all(np.array_equal(result.as_numpy("x"), array) for result in results)


def main(url: str, part: str) -> None:
    """One part of the checks."""
    if part == "aio":
        asyncio.run(with_asyncio(url))
        return
    client = http.InferenceServerClient(url, concurrency=4)
    try:
        PARTS[part](client)
    finally:
        client.close()


PARTS = {
    each.__name__: each
    for each in (information, datatypes, binary, json, errors, compression, threads)
}

if __name__ == "__main__":
    main(*sys.argv[1:])
