"""The elements of tensors in JSON: which values each datatype takes, and how they become contents.

Numbers go through :mod:`struct`, which is exact up to 64 bits, refuses what is out of range (numpy
makes infinities of such floats and cuts fractions off), and is faster than numpy on lists.
"""

from __future__ import annotations

import struct
from binascii import a2b_base64
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeAlias

import ml_dtypes
import numpy as np

from penstock.core.arrays import Array, object_array
from penstock.core.codecs.json.document import described
from penstock.core.errors import InvalidRequestError

Contents: TypeAlias = bytes | Array
"""Raw contents; of BYTES a flat array of objects, which is packed when somebody asks for it."""

MOST_SHOWN = 1e25
"""Up to here a number is written out."""

PACK_ERRORS = (struct.error, OverflowError, UnicodeEncodeError)


class ElementKind:
    """What JSON holds for one datatype.

    ``types`` are the types that values may have, ``wanted`` the same in words, ``holds`` the range
    in words. ``pack`` makes contents of a flat list of such values and raises one of
    ``PACK_ERRORS`` for one that is out of range.
    """

    __slots__ = ("holds", "pack", "types", "wanted")

    def __init__(
        self,
        types: frozenset[type],
        wanted: str,
        holds: str,
        pack: Callable[[list[Any]], Contents],
    ) -> None:
        self.types = types
        self.wanted = wanted
        self.holds = holds
        self.pack = pack


@lru_cache(maxsize=1024)
def packer(code: str, count: int) -> Callable[..., bytes]:
    """Writes ``count`` numbers of one of struct's codes, little-endian."""
    return struct.Struct(f"<{count}{code}").pack


def _integer(code: str, low: int, high: int) -> ElementKind:
    def pack(values: list[int]) -> bytes:
        return packer(code, len(values))(*values)

    return ElementKind(frozenset((int,)), "integers", f"{low} to {high}", pack)


def _signed(code: str, bits: int) -> ElementKind:
    return _integer(code, -(1 << bits - 1), (1 << bits - 1) - 1)


def _unsigned(code: str, bits: int) -> ElementKind:
    return _integer(code, 0, (1 << bits) - 1)


def _float(code: str, largest: float) -> ElementKind:
    def pack(values: list[float]) -> bytes:
        return packer(code, len(values))(*values)

    return ElementKind(frozenset((int, float)), "numbers", _at_most(largest), pack)


def _at_most(largest: float) -> str:
    return f"numbers up to {largest:.8g}"


def _pack_bfloat16(values: list[float]) -> bytes:
    with np.errstate(over="ignore"):
        array = np.array(values, np.float64).astype(ml_dtypes.bfloat16)
    if not np.isfinite(array).all():
        raise OverflowError("float too large for BF16")
    return array.tobytes()


def _pack_text(values: list[str]) -> Array:
    return object_array([value.encode() for value in values])


ELEMENT_KINDS = {
    "BOOL": ElementKind(frozenset((bool,)), "true or false", "true and false", bytes),
    "INT8": _signed("b", 8),
    "INT16": _signed("h", 16),
    "INT32": _signed("i", 32),
    "INT64": _signed("q", 64),
    "UINT8": _unsigned("B", 8),
    "UINT16": _unsigned("H", 16),
    "UINT32": _unsigned("I", 32),
    "UINT64": _unsigned("Q", 64),
    "FP16": _float("e", float(np.finfo(np.float16).max)),
    "FP32": _float("f", float(np.finfo(np.float32).max)),
    "FP64": _float("d", float(np.finfo(np.float64).max)),
    "BF16": ElementKind(
        frozenset((int, float)),
        "numbers",
        _at_most(3.3895314e38),
        _pack_bfloat16,
    ),
    "BYTES": ElementKind(frozenset((str,)), "strings", "strings", _pack_text),
}


def pack_elements(name: str, datatype: str, values: list[Any]) -> Contents:
    """The contents of a flat list; raises InvalidRequestError, naming tensor and value."""
    kind = ELEMENT_KINDS[datatype]
    contents = packed(kind, values)
    if contents is None:
        index = first_misfit(kind, values)
        raise InvalidRequestError(
            f"tensor '{name}': value {index} is {_shown(values[index])}, and {datatype} "
            f"{remedy(kind, values[index])}"
        )
    return contents


def _shown(value: object) -> str:
    """A value as a sentence calls it.

    An integer beyond 64 bits has come as the float that is nearest to it, which is shown as one.
    """
    if isinstance(value, float) and 2**63 <= abs(value) < MOST_SHOWN:
        return f"about {value:.0f}"
    return described(value)


def packed(kind: ElementKind, values: list[Any]) -> Contents | None:
    """The contents, or None when a value has another type or is out of range."""
    if not kind.types.issuperset(map(type, values)):
        return None
    try:
        return kind.pack(values)
    except PACK_ERRORS:
        return None


def first_misfit(kind: ElementKind, values: list[Any]) -> int:
    """Where the first value stands that cannot be packed; halving is faster than one by one."""
    low, high = 0, len(values)
    while high - low > 1:
        middle = (low + high) // 2
        if packed(kind, values[low:middle]) is None:
            high = middle
        else:
            low = middle
    return low


def pack_base64(name: str, values: list[Any]) -> Array:
    """The contents of BYTES whose elements are written as base64."""
    elements = []
    for index, value in enumerate(values):
        try:
            if type(value) is not str:
                raise ValueError("not a string")
            elements.append(a2b_base64(value, strict_mode=True))
        except ValueError as error:
            raise InvalidRequestError(
                f"tensor '{name}': value {index} is {described(value)}, and that is no base64 "
                f"({error}), which content_type says"
            ) from None
    return object_array(elements)


def remedy(kind: ElementKind, value: object) -> str:
    """What the datatype takes in place of ``value``."""
    if isinstance(value, list):
        return f"wants {kind.wanted}; nest all values alike, or none"
    if isinstance(value, bool) and int in kind.types:
        return f"wants {kind.wanted}; send 1 and 0, or say BOOL"
    if value is None and float in kind.types:
        return f"wants {kind.wanted}; JSON has no NaN, send it as binary data"
    # Integers beyond 64 bits come as floats.
    if type(value) in kind.types or (isinstance(value, float) and abs(value) >= 2**63):
        return f"holds {kind.holds}"
    return f"wants {kind.wanted}"
