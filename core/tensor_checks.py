"""Whether raw contents from outside fit the datatype and the shape that came with them."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np

from penstock.core.byte_elements import Buffer, count_elements
from penstock.core.datatypes import DATATYPES, Datatype, datatype_named
from penstock.core.errors import InvalidRequestError
from penstock.core.shapes import Shape, element_count, shape_text

PLAIN_RANK: Final = 8
"""Up to here a shape is remembered with the size of its contents."""


def check_contents(name: str, datatype: str, shape: Shape, raw: Buffer) -> None:
    """Raise InvalidRequestError, naming the tensor, unless ``raw`` is what the others promise."""
    if (
        datatype in DATATYPES
        and len(shape) <= PLAIN_RANK
        and len(raw) == plain_size(datatype, shape)
    ):
        return
    size = element_count(name, shape)
    kind = known_datatype(name, datatype)
    if kind.itemsize == 0:
        check_elements(name, shape, size, raw)
    elif len(raw) != size * kind.itemsize:
        raise InvalidRequestError(
            f"tensor '{name}': shape {shape_text(shape)} of {datatype} wants "
            f"{size * kind.itemsize} bytes, the contents have {len(raw)}; send as many elements "
            "as the shape says"
        )
    elif kind.name == "BOOL" and size and np.frombuffer(raw, np.uint8).max() > 1:
        raise InvalidRequestError(
            f"tensor '{name}': the bytes of a BOOL are 0 or 1, the contents hold others"
        )


@lru_cache(maxsize=1024)
def plain_size(datatype: str, shape: Shape) -> int | None:
    """How many bytes tensors have whose contents need no other look; None for all others."""
    try:
        size = element_count("", shape) * DATATYPES[datatype].itemsize
    except InvalidRequestError:
        return None
    return None if datatype in ("BYTES", "BOOL") else size


def check_elements(name: str, shape: Shape, size: int, raw: Buffer) -> None:
    """The same for BYTES, element by element."""
    try:
        count = count_elements(raw, size)
    except ValueError as error:
        raise InvalidRequestError(
            f"tensor '{name}': the contents {error}; BYTES elements stand after their length as "
            "4 bytes, little-endian"
        ) from error
    if count != size:
        got = f"more than {size}" if count > size else str(count)
        raise InvalidRequestError(
            f"tensor '{name}': shape {shape_text(shape)} wants {size} BYTES elements, the contents "
            f"have {got}; send as many elements as the shape says"
        )


def known_datatype(name: str, datatype: str) -> Datatype:
    """The datatype of that name; the error for an unknown one names the tensor."""
    try:
        return datatype_named(datatype)
    except InvalidRequestError as error:
        raise InvalidRequestError(f"tensor '{name}': {error}") from None
