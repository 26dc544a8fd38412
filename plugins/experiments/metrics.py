"""The arm metrics ``tensor-mean`` and ``response-bytes``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from penstock.core.contracts.arm_metric import ArmMetric
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.plugins import hookimpl

penstock_api = 1

MOST_ELEMENTS: Final = 100_000
"""Of larger tensors no mean is computed: it would take longer than a request may be held up."""


class TensorMean(ArmMetric):
    """The mean of a tensor of the answer, by its name; of its first, without one.

    None of BYTES, of empty tensors, and of those with more than 100,000 elements.
    """

    def __init__(self, tensor: str | None = None) -> None:
        self._tensor = tensor

    def measure(self, request: InferenceRequest, response: InferenceResponse) -> float | None:
        for tensor in response.tensors:
            if self._tensor in (None, tensor.name):
                array = tensor.array
                if tensor.datatype == "BYTES" or not 0 < array.size <= MOST_ELEMENTS:
                    return None
                return float(array.mean(dtype="float64"))
        return None


class ResponseBytes(ArmMetric):
    """How many bytes the tensors of the answer have."""

    def measure(self, request: InferenceRequest, response: InferenceResponse) -> float | None:
        return float(sum(len(memoryview(tensor.raw).cast("B")) for tensor in response.tensors))


@hookimpl
def penstock_register_arm_metrics() -> Mapping[str, Callable[..., ArmMetric]]:
    """The metrics ``tensor-mean(tensor=None)`` and ``response-bytes()``."""
    return {"tensor-mean": TensorMean, "response-bytes": ResponseBytes}
