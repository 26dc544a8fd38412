"""The datatypes of the Open Inference Protocol (V2), and the numpy types that hold them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from penstock.core.errors import InvalidRequestError
from penstock.core.nearest import nearest

try:
    from ml_dtypes import bfloat16
except ImportError:
    # Only in a worker in another environment, of which numpy alone is asked.
    _BF16: dict[str, np.dtype[Any]] = {}
else:
    _BF16 = {"BF16": np.dtype(bfloat16)}


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
        *(_numeric(name, dtype) for name, dtype in _BF16.items()),
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
    """The datatype of that name; raises InvalidRequestError that says what is likely meant."""
    datatype = DATATYPES.get(name)
    if datatype is None:
        raise InvalidRequestError(f"'{name[:40]}' is not a datatype; {datatype_hint(name)}")
    return datatype


def datatype_hint(name: str) -> str:
    """What to write for ``name``, which is no datatype: that of numpy's name (``float32``), or
    else the nearest; where there is none, they are all listed."""
    meant = _NAMED_ELSEWHERE.get(name.lower()) or nearest(name, DATATYPES)
    return f"did you mean {meant}?" if meant else f"V2 has {', '.join(DATATYPES)}"


_NAMED_ELSEWHERE = {
    **{dtype.name: datatype.name for dtype, datatype in DATATYPES_OF_DTYPES.items()},
    **dict.fromkeys(("str", "string"), "BYTES"),
    "double": "FP64",
}
