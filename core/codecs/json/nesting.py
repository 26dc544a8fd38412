"""Nested and flat data: a tensor's values in row-major order."""

from __future__ import annotations

from itertools import chain
from typing import Any

from penstock.core.codecs.json.document import described
from penstock.core.errors import InvalidRequestError
from penstock.core.shapes import shape_text

LISTS = frozenset((list,))


def flatten(name: str, datatype: str, shape: list[int], size: int, data: object) -> list[Any]:
    """The ``size`` values of ``data``, which is flat or nested exactly as ``shape`` says.

    Raises InvalidRequestError, naming the tensor, what was got and what the shape wants.
    """
    if type(data) is not list:
        if not shape and type(data) is not dict:
            return [data]
        raise InvalidRequestError(
            f"tensor '{name}': data is {described(data)}; it must be an array of {datatype} values"
        )
    if len(shape) > 1 and data and type(data[0]) is list:
        return flatten_nested(name, shape, data)
    if len(data) != size:
        raise InvalidRequestError(
            f"tensor '{name}': shape {shape_text(shape)} wants {size} {datatype} values, data has "
            f"{len(data)}; send as many values as the shape says"
        )
    return data


def flatten_nested(name: str, shape: list[int], data: list[Any]) -> list[Any]:
    """The same for nested data, axis by axis."""
    level: list[Any] = [data]
    for axis, dimension in enumerate(shape):
        if not LISTS.issuperset(map(type, level)):
            other = next(row for row in level if type(row) is not list)
            raise InvalidRequestError(
                f"tensor '{name}': shape {shape_text(shape)} has {len(shape)} dimensions, data has "
                f"{described(other)} at depth {axis}; nest it as the shape says, or send it flat"
            )
        lengths = set(map(len, level))
        if lengths - {dimension}:
            got = min(lengths - {dimension})
            raise InvalidRequestError(
                f"tensor '{name}': shape {shape_text(shape)} wants {dimension} values along axis "
                f"{axis}, nested data has {got} there; make data and shape agree"
            )
        level = list(chain.from_iterable(level))
    return level
