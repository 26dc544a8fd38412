"""Typed contents of protobuf's tensors, which are turned raw once, at intake."""

from __future__ import annotations

import numpy as np

from penstock.core.arrays import Array, object_array
from penstock.core.datatypes import Datatype
from penstock.core.errors import InvalidRequestError
from penstock.core.shapes import Shape, shape_text
from penstock.proto.open_inference_pb2 import InferTensorContents

FIELDS = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
"""Where V2 wants the elements of each datatype; FP16 and BF16 have no field."""

WIDER = {
    "INT8": np.dtype(np.int32),
    "INT16": np.dtype(np.int32),
    "UINT8": np.dtype(np.uint32),
    "UINT16": np.dtype(np.uint32),
}
"""Datatypes that share the field of a wider one, and what that holds."""


def read_contents(
    name: str, datatype: Datatype, shape: Shape, size: int, contents: InferTensorContents
) -> Array:
    """The elements as an array of ``shape``, in the one field that belongs to the datatype.

    Raises InvalidRequestError, naming the tensor, for elements in another field, too many or too
    few of them, and integers out of range.
    """
    field = FIELDS.get(datatype.name)
    filled = [descriptor.name for descriptor, _ in contents.ListFields()]
    if field is None:
        raise InvalidRequestError(
            f"tensor '{name}': {datatype.name} has no typed contents; send it raw"
        )
    if filled and filled != [field]:
        raise InvalidRequestError(
            f"tensor '{name}': the contents are in {' and '.join(filled)}, {datatype.name} values "
            f"belong in {field}"
        )
    values = getattr(contents, field)
    if len(values) != size:
        raise InvalidRequestError(
            f"tensor '{name}': shape {shape_text(shape)} wants {size} {datatype.name} values, "
            f"contents have {len(values)}; send as many values as the shape says"
        )
    if datatype.itemsize == 0:
        array = object_array(list(values))
    else:
        # Protobuf's fields are buffers, which np.array copies at once; np.fromiter would not.
        array = np.array(values, WIDER.get(datatype.name, datatype.dtype))
        if datatype.name in WIDER:
            array = narrowed(name, datatype, array)
    array = array.reshape(shape)
    array.setflags(write=False)
    return array


def narrowed(name: str, datatype: Datatype, array: Array) -> Array:
    """The array in its own dtype; a value that does not fit is an error."""
    narrow = array.astype(datatype.dtype)
    wrong = np.flatnonzero(narrow != array)
    if wrong.size:
        limits = np.iinfo(datatype.dtype)
        raise InvalidRequestError(
            f"tensor '{name}': value {wrong[0]} is {array[wrong[0]]}, and {datatype.name} holds "
            f"{limits.min} to {limits.max}"
        )
    return narrow
