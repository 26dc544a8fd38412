"""Random inputs that fit the signature of what is called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from penstock.core.arrays import Array, object_array
from penstock.core.datatypes import datatype_named
from penstock.core.errors import InvalidRequestError
from penstock.core.tensors import Tensor


def made_tensors(
    target: str, inputs: Sequence[Mapping[str, Any]], rows: int, seed: int
) -> tuple[Tensor, ...]:
    """A tensor for each input of V2 metadata, ``rows`` long where the first axis is open, and 1
    along other open axes.

    Raises InvalidRequestError where the metadata do not tell enough.
    """
    if not inputs:
        raise InvalidRequestError(
            f"nothing is known of the inputs of '{target}', so none can be made up; say what to "
            "send: DATA, or --tensor NAME=VALUE"
        )
    random = np.random.default_rng(seed)
    return tuple(_made(target, each, rows, random) for each in inputs)


def _made(
    target: str, described: Mapping[str, Any], rows: int, random: np.random.Generator
) -> Tensor:
    name, datatype = str(described["name"]), str(described["datatype"])
    if not datatype:
        raise InvalidRequestError(
            f"the datatype of input '{name}' of '{target}' is not known; say what to send: DATA, "
            "or --tensor NAME=VALUE"
        )
    shape = [
        size if size >= 0 else (rows if axis == 0 else 1)
        for axis, size in enumerate(map(int, described["shape"]))
    ]
    return Tensor.from_numpy(name, _array(datatype, shape, random))


def _array(datatype: str, shape: Sequence[int], random: np.random.Generator) -> Array:
    dtype = datatype_named(datatype).dtype
    if datatype == "BYTES":
        words = [f"word-{number}".encode() for number in random.integers(0, 1000, shape).ravel()]
        return object_array(words).reshape(shape)
    if dtype.kind == "b":
        return random.integers(0, 2, shape).astype(dtype)
    if dtype.kind in "iu":
        return random.integers(0, 100, shape).astype(dtype)
    return random.random(shape).astype(dtype)
