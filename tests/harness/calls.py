"""Calls of models, without an engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from penstock.core.contracts.model import CallOrigin, ModelCall, ModelInstance
from penstock.core.records import Tensors
from penstock.core.tensors import Tensor


def call_with(deadline_ms: float = float("inf"), *, step: str = "step", **values: Any) -> ModelCall:
    """A call with the tensors of these names; lists and numbers become FP32."""
    return call_of(values, deadline_ms, step=step)


def call_of(
    values: Mapping[str, Any], deadline_ms: float = float("inf"), *, step: str = "step"
) -> ModelCall:
    """The same for names that are no identifiers."""
    tensors = tuple(
        Tensor.from_numpy(
            name, value if isinstance(value, np.ndarray) else np.asarray(value, np.float32)
        )
        for name, value in values.items()
    )
    return ModelCall(step, tensors, CallOrigin("01ID", "caller's id"), deadline_ms)


async def ask(instance: ModelInstance, call: ModelCall) -> Tensors:
    """The answer of a model, however it comes."""
    result = instance.infer(call)
    return result if isinstance(result, tuple) else await result


def values(tensors: Tensors) -> dict[str, Any]:
    """The contents of tensors, by name, as lists."""
    return {tensor.name: tensor.array.tolist() for tensor in tensors}
