"""BYTES as text, which is what many libraries take strings as."""

from __future__ import annotations

import numpy as np

from penstock.core.arrays import Array
from penstock.core.model import InvalidRequest


def as_text(array: Array) -> Array:
    """An array of objects with every element decoded; any other array as it is.

    Raises InvalidRequest for an element that is not UTF-8.
    """
    if array.dtype != object:
        return array
    try:
        text = [each.decode() for each in array.reshape(-1)]
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"a BYTES element is not UTF-8: {error}") from error
    decoded = np.empty(len(text), dtype=object)
    decoded[:] = text
    return decoded.reshape(array.shape)
