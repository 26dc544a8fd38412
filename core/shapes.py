"""Shapes: how many elements they stand for, and which of them no array can have."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TypeAlias

from penstock.core.errors import InvalidRequestError

Shape: TypeAlias = tuple[int, ...]

MAX_RANK = 64
"""What numpy can hold."""

MAX_ELEMENTS = 2**48
"""Far beyond any request; keeps the dimensions beside a 0 within what numpy can multiply."""


def element_count(name: str, shape: Sequence[object]) -> int:
    """The number of elements of a shape from outside, in Python's unbounded integers.

    Raises InvalidRequestError, naming the tensor, for what is no shape of an array.
    """
    if len(shape) > MAX_RANK:
        raise InvalidRequestError(
            f"tensor '{name}': the shape has {len(shape)} dimensions, {MAX_RANK} are the most"
        )
    for dimension in shape:
        if type(dimension) is not int or dimension < 0:
            raise InvalidRequestError(
                f"tensor '{name}': the shape's dimensions are integers from 0 on, "
                f"not {str(dimension)[:40]}"
            )
    dimensions = [dimension for dimension in shape if isinstance(dimension, int)]
    if prod(filter(None, dimensions)) > MAX_ELEMENTS:
        raise InvalidRequestError(
            f"tensor '{name}': shape {shape_text(shape)} is larger than any tensor can be"
        )
    return prod(dimensions)


def shape_text(shape: Sequence[object]) -> str:
    """The shape as people write it: ``[2, 3]``."""
    return f"[{', '.join(map(str, shape))}]"[:200]
