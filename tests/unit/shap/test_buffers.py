"""Memory of masked rows is used again, but never while anybody can look at what is in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from penstock.core.arrays import Array
from penstock.core.tensors import Tensor
from penstock.plugins.shap.buffers import Buffers

FP64 = np.dtype(np.float64)
FP32 = np.dtype(np.float32)


def place(array: Array) -> int:
    """Where it is in memory."""
    return int(array.ctypes.data)


def test_what_nobody_has_is_given_again() -> None:
    buffers = Buffers(1)
    array = buffers.empty((4, 3), FP64)
    assert (array.shape, array.dtype, array.flags.c_contiguous) == ((4, 3), FP64, True)
    there = place(array)
    del array
    smaller = buffers.empty((8, 2), FP32)
    assert (smaller.shape, smaller.dtype, place(smaller)) == ((8, 2), FP32, there)
    del smaller
    assert buffers.empty((40, 3), FP64).shape == (40, 3)


@pytest.mark.parametrize(
    "keep",
    [
        lambda array: array,
        lambda array: array[2:],
        lambda array: array[1:].reshape(-1)[::2].view(np.uint64).T,
        lambda array: array.data,
        lambda array: array[0].data.cast("B"),
        lambda array: Tensor.from_numpy("x", array).array[:1],
        lambda array: Tensor.from_numpy("x", array).raw,
        lambda array: np.asarray(memoryview(array)),
    ],
)
def test_what_somebody_has_in_any_form_is_left_alone(keep: Callable[[Array], Any]) -> None:
    buffers = Buffers(2)
    array = buffers.empty((4, 3), FP64)
    array[:] = 1.0
    there = place(array)
    kept = keep(array)
    before = bytes(kept)
    del array
    others = [buffers.empty((4, 3), FP64) for _ in range(3)]
    for number, other in enumerate(others):
        other[:] = number
    assert bytes(kept) == before
    assert [float(other[0, 0]) for other in others] == [0.0, 1.0, 2.0]
    del kept, others, other
    assert there in [place(each) for each in [buffers.empty((4, 3), FP64) for _ in range(2)]]
