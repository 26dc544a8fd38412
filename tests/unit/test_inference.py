"""Requests and responses as values."""

import numpy as np

from penstock.core.inference import InferenceRequest, InferenceResponse, RequestedOutput
from penstock.core.tensors import Tensor

TENSOR = Tensor.from_numpy("x", np.array([1], "i4"))


def test_what_a_request_is_without_being_told() -> None:
    request = InferenceRequest(None, (TENSOR,))
    assert (request.parameters, request.outputs, request.binary_output) == ({}, None, False)
    assert (request.model_name, request.model_version) == ("", "")


def test_requests_and_responses_show_what_they_are() -> None:
    request = InferenceRequest("7", (TENSOR,), model_name="m")
    assert repr(request) == "InferenceRequest('m', id='7', [Tensor('x', INT32 [1], 4 bytes)])"
    response = InferenceResponse("m", "1", None, (TENSOR,))
    assert repr(response) == "InferenceResponse('m', id=None, [Tensor('x', INT32 [1], 4 bytes)])"
    assert repr(RequestedOutput("y", True, {"a": 1})) == "RequestedOutput('y', True, {'a': 1})"


def test_requested_outputs_are_the_same_when_all_of_them_is() -> None:
    output = RequestedOutput("y", True, {"a": 1})
    assert output == RequestedOutput("y", True, {"a": 1})
    for other in (RequestedOutput("z", True, {"a": 1}), RequestedOutput("y"), "y"):
        assert output != other
