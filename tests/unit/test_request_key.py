"""The key of a request, as ``input.key`` names it."""

from __future__ import annotations

import numpy as np
import pytest

from penstock.core.errors import InvalidRequestError
from penstock.core.request_key import RequestKey, parse_request_key
from penstock.core.tensors import Tensor


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("x-customer", RequestKey("p", "x-customer", is_header=True)),
        ("X-Customer", RequestKey("p", "x-customer", is_header=True)),
        ("customer", RequestKey("p", "customer", is_header=False)),
        ("traceparent", RequestKey("p", "traceparent", is_header=False)),
        ("p.inputs.x-customer", RequestKey("p", "x-customer", is_header=False)),
        ("p.inputs.a.b", RequestKey("p", "a.b", is_header=False)),
        ("q.inputs.a", RequestKey("p", "q.inputs.a", is_header=False)),
        ("p.inputs.", RequestKey("p", "p.inputs.", is_header=False)),
    ],
)
def test_headers_and_tensors_are_told_apart(written: str, meant: RequestKey) -> None:
    assert parse_request_key(written, pipeline="p") == meant


def test_a_header_with_credentials_is_refused() -> None:
    with pytest.raises(ValueError, match="'x-api-key' cannot be passed on"):
        parse_request_key("x-api-key", pipeline="p")


def test_a_header_is_its_text() -> None:
    assert RequestKey("p", "x-customer", is_header=True).of({"x-customer": "é"}, ()) == "é".encode()


@pytest.mark.parametrize(
    ("value", "key"),
    [
        ([b"abc"], b"abc"),
        (["é"], "é".encode()),
        (np.array([[7]], np.int32), b"7"),
        (np.array(2**64 - 1, np.uint64), b"18446744073709551615"),
        (np.array([-1], np.int8), b"-1"),
        (np.array([True]), b"true"),
        (np.array([False]), b"false"),
    ],
)
def test_a_tensor_is_its_one_element(value: object, key: bytes) -> None:
    tensor = Tensor.from_numpy("customer", value)
    assert RequestKey("p", "customer", is_header=False).of({}, (tensor,)) == key


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (None, "which the request does not have"),
        ([b""], "which is empty"),
        ([b"a", b"b"], "which has 2 elements; a key is one"),
        (np.array([1.5], np.float32), "which is of FP32; a key is BYTES, a whole number or BOOL"),
    ],
)
def test_a_tensor_that_is_no_key(value: object, why: str) -> None:
    tensors = () if value is None else (Tensor.from_numpy("customer", value),)
    with pytest.raises(InvalidRequestError) as error:
        RequestKey("p", "customer", is_header=False).of({}, tensors)
    assert error.value.message == (
        f"pipeline 'p' takes its key from the input tensor 'customer', {why}"
    )


@pytest.mark.parametrize("headers", [{}, {"x-customer": ""}])
def test_a_request_without_the_header(headers: dict[str, str]) -> None:
    with pytest.raises(InvalidRequestError) as error:
        RequestKey("p", "x-customer", is_header=True).of(headers, ())
    assert error.value.message == (
        "pipeline 'p' takes its key from the header 'x-customer', which the request does not have; "
        "send it, and name it under defaults.passedHeaders in the server's configuration, so that "
        "it travels with requests"
    )
