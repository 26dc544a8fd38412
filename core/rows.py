"""Rows: tensors put together along their first axis, and taken apart again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from penstock.core.arrays import Array
from penstock.core.byte_elements import Buffer, element_bounds
from penstock.core.datatypes import DATATYPES
from penstock.core.records import Tensors
from penstock.core.tensors import Tensor


def common_rows(tensors: Tensors) -> int | None:
    """How many rows all of them have; None where they differ, or one has no axis."""
    shape = tensors[0].shape
    if not shape:
        return None
    rows = shape[0]
    for tensor in tensors:
        if not tensor.shape or tensor.shape[0] != rows:
            return None
    return rows


def put_together(blocks: Sequence[Tensors]) -> Tensors:
    """Tensors that hold the rows of every block, in order.

    All blocks have tensors of the same names, datatypes, axes but the first, and parameters, in
    the same order. The contents are copied once.
    """
    return tuple([_joined(same) for same in zip(*blocks, strict=True)])


def take_apart(tensors: Tensors, counts: Sequence[int]) -> list[Tensors]:
    """For each count the next so many rows of every tensor, whose rows add up to these counts.

    The blocks share the contents, which live for as long as one of them does.
    """
    by_tensor = [_slices(tensor, counts) for tensor in tensors]
    return [tuple([slices[i] for slices in by_tensor]) for i in range(len(counts))]


def _joined(same: tuple[Tensor, ...]) -> Tensor:
    first = same[0]
    shape = (sum([tensor.shape[0] for tensor in same]), *first.shape[1:])
    contents: Buffer | Array
    if first.datatype == "BYTES" and any(tensor.is_array for tensor in same):
        # To pack elements that a model will unpack again costs more than their pointers do.
        contents = np.concatenate([tensor.array for tensor in same])
    else:
        # Also of BYTES: each element has its length before it.
        contents = b"".join([tensor.raw for tensor in same])
    return Tensor(first.name, first.datatype, shape, contents, first.parameters)


def _slices(tensor: Tensor, counts: Sequence[int]) -> list[Tensor]:
    if tensor.is_array:
        return _of_array(tensor, counts)
    row = 1
    for length in tensor.shape[1:]:
        row *= length
    lengths = [count * row for count in counts]  # in elements
    if tensor.datatype == "BYTES":
        lengths = _byte_lengths(tensor.raw, lengths)
    else:
        itemsize = DATATYPES[tensor.datatype].itemsize
        lengths = [length * itemsize for length in lengths]
    view = memoryview(tensor.raw)
    slices = []
    start = 0
    for count, length in zip(counts, lengths, strict=True):
        slices.append(_block(tensor, count, view[start : start + length]))
        start += length
    return slices


def _of_array(tensor: Tensor, counts: Sequence[int]) -> list[Tensor]:
    array = tensor.array
    slices = []
    start = 0
    for count in counts:
        slices.append(_block(tensor, count, array[start : start + count]))
        start += count
    return slices


def _block(tensor: Tensor, rows: int, contents: Buffer | Array) -> Tensor:
    shape = (rows, *tensor.shape[1:])
    return Tensor(tensor.name, tensor.datatype, shape, contents, tensor.parameters)


def _byte_lengths(raw: Buffer, elements: Sequence[int]) -> list[int]:
    """How many bytes of ``raw`` each next so many elements take."""
    bounds = element_bounds(raw)
    lengths = []
    start = end = 0
    for wanted in elements:
        for _ in range(wanted):
            _, end = next(bounds)
        lengths.append(end - start)
        start = end
    return lengths
