"""The arrays that tensors hold, made of what models and callers have at hand."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from penstock.core.datatypes import datatype_of

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]


def as_array(name: str, value: Any) -> Array:
    """What numpy makes of a scalar, a list, or another library's array."""
    try:
        array = _of_numpy(value)
        if array.dtype.kind in "SU" and not isinstance(value, np.ndarray | np.generic):
            # Numpy's own strings drop trailing null bytes and turn numbers beside them into text.
            array = np.asarray(value, dtype=object)
    except ValueError as error:
        raise ValueError(f"tensor '{name}': the nested lists are ragged ({error})") from error
    return array


def _of_numpy(value: Any) -> Array:
    try:
        return np.asarray(value)
    except UnicodeDecodeError:
        # Numpy reads bytes that stand beside str as ASCII; these are none.
        return np.asarray(value, dtype=object)


def normalised(name: str, array: Array) -> Array:
    """``array`` little-endian, and strings and objects as objects of type ``bytes``."""
    try:
        datatype = datatype_of(array.dtype)
    except TypeError as error:
        raise TypeError(f"tensor '{name}': {error}") from error
    if datatype.itemsize:
        return array.astype(datatype.dtype)
    flat = array.astype(object).reshape(-1)
    return object_array([as_bytes(name, index, item) for index, item in enumerate(flat)]).reshape(
        array.shape
    )


def as_bytes(name: str, index: int, item: object) -> bytes:
    """One element of a BYTES tensor."""
    if isinstance(item, bytes):
        return bytes(item)
    if isinstance(item, str):
        return item.encode()
    raise TypeError(
        f"tensor '{name}': element {index} is of type {type(item).__name__}, and only bytes and "
        "str can stand in a tensor of objects"
    )


def object_array(elements: list[bytes]) -> Array:
    """A one-dimensional array of objects; numpy alone would look into the elements."""
    array = np.empty(len(elements), dtype=object)
    array[:] = elements
    return array
