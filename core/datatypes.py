"""The datatypes of the Open Inference Protocol (V2), and the numpy types that hold them."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import ml_dtypes
import numpy as np

from penstock.core.errors import InvalidRequestError


@dataclass(frozen=True, slots=True)
class Datatype:
    """A V2 datatype.

    ``itemsize`` is in bytes, 0 for BYTES, whose elements have lengths of their own. ``dtype`` is
    little-endian; BYTES are held as objects of type ``bytes``.
    """

    name: str
    itemsize: int
    dtype: np.dtype[Any]


def _numeric(name: str, dtype: np.dtype[Any]) -> Datatype:
    return Datatype(name, dtype.itemsize, dtype)


DATATYPES: dict[str, Datatype] = {
    datatype.name: datatype
    for datatype in (
        _numeric("BOOL", np.dtype("?")),
        _numeric("UINT8", np.dtype("u1")),
        _numeric("UINT16", np.dtype("<u2")),
        _numeric("UINT32", np.dtype("<u4")),
        _numeric("UINT64", np.dtype("<u8")),
        _numeric("INT8", np.dtype("i1")),
        _numeric("INT16", np.dtype("<i2")),
        _numeric("INT32", np.dtype("<i4")),
        _numeric("INT64", np.dtype("<i8")),
        _numeric("FP16", np.dtype("<f2")),
        _numeric("BF16", np.dtype(ml_dtypes.bfloat16)),
        _numeric("FP32", np.dtype("<f4")),
        _numeric("FP64", np.dtype("<f8")),
        Datatype("BYTES", 0, np.dtype("O")),
    )
}
"""Every V2 datatype by its name."""

DATATYPES_OF_DTYPES: dict[np.dtype[Any], Datatype] = {
    datatype.dtype: datatype for datatype in DATATYPES.values()
}
"""The datatype of each little-endian numpy type; of objects: BYTES."""


def datatype_of(dtype: np.dtype[Any]) -> Datatype:
    """The V2 datatype of arrays of ``dtype`` in either byte order; of strings and objects: BYTES.

    Raises TypeError for what V2 has no datatype for: complex numbers, times, records, and floats
    of more than 64 bits.
    """
    if dtype.kind in "SUT":
        return DATATYPES["BYTES"]
    datatype = DATATYPES_OF_DTYPES.get(dtype.newbyteorder("<"))
    if datatype is None:
        raise TypeError(
            f"numpy's {dtype} has no V2 datatype; convert to a boolean, an integer, a float of at "
            "most 64 bits, bytes or str"
        )
    return datatype


def datatype_named(name: str) -> Datatype:
    """The datatype of that name; raises InvalidRequestError with the nearest one."""
    datatype = DATATYPES.get(name)
    if datatype is None:
        nearest = get_close_matches(name[:40].upper(), DATATYPES, 1, 0.5)
        advice = f"did you mean {nearest[0]}?" if nearest else f"V2 has {', '.join(DATATYPES)}"
        raise InvalidRequestError(f"'{name[:40]}' is not a datatype; {advice}")
    return datatype
