"""What V2's model metadata say of tensors, as a signature of ours."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from penstock.core.datatypes import DATATYPES
from penstock.core.signature import Signature, TensorSpec


class TensorMetadata(NamedTuple):
    """One tensor as a server describes it."""

    name: str
    datatype: str
    shape: Sequence[int]


def signature_of(inputs: Iterable[TensorMetadata], outputs: Iterable[TensorMetadata]) -> Signature:
    """The signature of both sides; a side that lists nothing is not known."""
    return Signature(_side(inputs), _side(outputs))


def _side(tensors: Iterable[TensorMetadata]) -> tuple[TensorSpec, ...] | None:
    return tuple(map(_spec, tensors)) or None


def _spec(tensor: TensorMetadata) -> TensorSpec:
    datatype = tensor.datatype if tensor.datatype in DATATYPES else None
    if list(tensor.shape) == [-1]:
        return TensorSpec(tensor.name, datatype)
    shape = tuple(None if size < 0 else size for size in tensor.shape)
    return TensorSpec(tensor.name, datatype, shape)
