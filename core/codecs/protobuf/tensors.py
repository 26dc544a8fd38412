"""Tensors in protobuf: the entries of ``inputs`` and ``outputs``, and their raw contents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from penstock.core.byte_elements import Buffer
from penstock.core.codecs.extensions import refuse_extensions
from penstock.core.codecs.protobuf.parameters import read_parameters
from penstock.core.codecs.protobuf.typed_contents import read_contents
from penstock.core.errors import InvalidRequestError
from penstock.core.parameters import Parameters
from penstock.core.shapes import Shape, element_count
from penstock.core.tensor_checks import known_datatype
from penstock.core.tensors import Tensor
from penstock.proto.open_inference_pb2 import ModelInferRequest, ModelInferResponse

Entry: TypeAlias = ModelInferRequest.InferInputTensor | ModelInferResponse.InferOutputTensor


def read_tensors(
    entries: Sequence[Entry], raws: Sequence[Buffer], side: str, omitted: bool = False
) -> tuple[Tensor, ...]:
    """The tensors of ``side`` (``inputs`` or ``outputs``); raw contents are kept, not copied.

    With ``omitted``, empty raw contents are those of a tensor of which only the signature is kept.
    Raises InvalidRequestError, naming the tensor.
    """
    if raws and len(raws) != len(entries):
        field = f"raw_{side[:-1]}_contents"
        raise InvalidRequestError(
            f"{field} has {len(raws)} entries for {len(entries)} {side}; send one for each, in "
            "their order, or none"
        )
    return tuple(
        [
            read_tensor(entry, raws[index] if raws else None, f"{side}[{index}]", omitted)
            for index, entry in enumerate(entries)
        ]
    )


def read_tensor(entry: Entry, raw: Buffer | None, where: str, omitted: bool = False) -> Tensor:
    """One tensor, of raw contents where there are any."""
    name = entry.name
    if not name:
        raise InvalidRequestError(f"{where} has no name")
    datatype = entry.datatype
    shape = tuple(entry.shape)
    parameters: Parameters | None = None
    if entry.parameters:
        where = f"tensor '{name}'"
        parameters = read_parameters(entry.parameters, where)
        refuse_extensions(parameters, where)
    if raw is None:
        return read_typed(entry, name, datatype, shape, parameters)
    if entry.HasField("contents") and entry.contents.ListFields():
        raise InvalidRequestError(
            f"tensor '{name}' has typed contents beside raw ones; send all tensors raw, or all "
            "typed"
        )
    if omitted and not len(raw):
        known_datatype(name, datatype)
        element_count(name, shape)
        return Tensor(name, datatype, shape, b"", parameters)
    return Tensor.checked(name, datatype, shape, raw, parameters)


def read_typed(
    entry: Entry, name: str, datatype: str, shape: Shape, parameters: Parameters | None
) -> Tensor:
    """One tensor of typed contents."""
    kind = known_datatype(name, datatype)
    size = element_count(name, shape)
    array = read_contents(name, kind, shape, size, entry.contents)
    return Tensor(name, datatype, shape, array, parameters)
