"""Signatures as messages of ``penstock.signature.v1``, both ways."""

from __future__ import annotations

from penstock.core.signature import Dimension, Signature, TensorSpec
from penstock.proto import signature_pb2 as pb


def write_signature(signature: Signature | None) -> pb.Signature | None:
    """The message of a signature, None where nothing is known."""
    if signature is None:
        return None
    return pb.Signature(
        inputs=_write_side(signature.inputs), outputs=_write_side(signature.outputs)
    )


def read_signature(message: pb.Signature) -> Signature:
    """The signature in a message."""
    return Signature(
        _read_side(message.inputs) if message.HasField("inputs") else None,
        _read_side(message.outputs) if message.HasField("outputs") else None,
    )


def _write_side(tensors: tuple[TensorSpec, ...] | None) -> pb.Tensors | None:
    return None if tensors is None else pb.Tensors(tensors=map(_write_tensor, tensors))


def _write_tensor(tensor: TensorSpec) -> pb.Tensor:
    shape = tensor.shape
    return pb.Tensor(
        name=tensor.name,
        datatype=tensor.datatype or "",
        shape=None if shape is None else pb.Shape(dimensions=map(_write_dimension, shape)),
        optional=tensor.optional,
    )


def _write_dimension(size: Dimension) -> pb.Dimension:
    if isinstance(size, str):
        return pb.Dimension(named=size)
    return pb.Dimension(fixed=size)


def _read_side(side: pb.Tensors) -> tuple[TensorSpec, ...]:
    return tuple(map(_read_tensor, side.tensors))


def _read_tensor(tensor: pb.Tensor) -> TensorSpec:
    shape = None
    if tensor.HasField("shape"):
        shape = tuple(map(_read_dimension, tensor.shape.dimensions))
    return TensorSpec(tensor.name, tensor.datatype or None, shape, tensor.optional)


def _read_dimension(dimension: pb.Dimension) -> Dimension:
    match dimension.WhichOneof("length"):
        case "fixed":
            return dimension.fixed
        case "named":
            return dimension.named
    return None
