"""Tensors out of JSON."""

from __future__ import annotations

from typing import Any, cast

from penstock.core.codecs.extensions import refuse_extensions
from penstock.core.codecs.json.document import (
    Document,
    array_member,
    described,
    missing,
    refuse_misspelt,
    string_member,
)
from penstock.core.codecs.json.elements import (
    ELEMENT_KINDS,
    PACK_ERRORS,
    Contents,
    pack_base64,
    pack_elements,
)
from penstock.core.codecs.json.nesting import flatten, flatten_nested
from penstock.core.codecs.json.parameters import read_parameters
from penstock.core.codecs.json.tail import HEADER, BinaryTail
from penstock.core.errors import InvalidRequestError
from penstock.core.shapes import element_count
from penstock.core.tensor_checks import known_datatype
from penstock.core.tensors import Tensor

MEMBERS = ("name", "datatype", "shape", "data", "parameters")

PLAIN_RANK = 8
"""Up to here a shape needs no look at what numpy can hold."""


def read_tensors(items: list[Any], side: str, tail: BinaryTail | None) -> tuple[Tensor, ...]:
    """The tensors of the array ``side`` (``inputs`` or ``outputs``), in its order.

    Binary data is a view of the body. Raises InvalidRequestError, naming the tensor.
    """
    if len(items) == 1:
        plain = read_plain(items[0])
        if plain is not None:
            return (plain,)
    return tuple(
        [
            read_plain(item) or read_tensor(item, f"{side}[{index}]", tail)
            for index, item in enumerate(items)
        ]
    )


def read_plain(item: Any) -> Tensor | None:
    """A tensor with nothing unusual; None leaves it, and what is wrong, to :func:`read_tensor`.

    Hot: what it takes must be what ``read_tensor`` would take, with the same result.
    """
    try:
        name = item["name"]
        datatype = item["datatype"]
        shape = item["shape"]
        data = item["data"]
        kind = ELEMENT_KINDS[datatype]
        size = 1
        for dimension in shape:
            if type(dimension) is not int or dimension < 1:
                return None
            size *= dimension
        if (
            len(item) != 4
            or type(name) is not str
            or not name
            or type(data) is not list
            or type(shape) is not list
            or len(shape) > PLAIN_RANK
        ):
            return None
        if len(shape) > 1 and type(data[0]) is list:
            data = flatten_nested(name, shape, data)
        if len(data) != size or not kind.types.issuperset(map(type, data)):
            return None
        contents = kind.pack(data)
    except (KeyError, TypeError, IndexError, InvalidRequestError, *PACK_ERRORS):
        return None
    if type(contents) is not bytes:
        contents = shaped(contents, shape)
    return Tensor(name, datatype, tuple(shape), contents)


def shaped(contents: Contents, shape: list[int]) -> Contents:
    """Contents that a tensor can hold: an array of objects has its shape."""
    return contents if isinstance(contents, bytes) else contents.reshape(shape)


def read_tensor(item: Any, where: str, tail: BinaryTail | None) -> Tensor:
    """Any tensor, or the error that says what is wrong with it."""
    if type(item) is not dict:
        raise InvalidRequestError(
            f"{where} is {described(item)}; it must be an object with {', '.join(MEMBERS[:4])}"
        )
    document = cast(Document, item)
    name = string_member(document, "name", where)
    if not name:
        raise missing(document, "name", MEMBERS, where)
    where = f"tensor '{name}'"
    datatype = string_member(document, "datatype", where)
    if datatype is None:
        raise missing(document, "datatype", MEMBERS, where)
    known_datatype(name, datatype)
    shape = cast(list[int] | None, array_member(document, "shape", where))
    if shape is None:
        raise missing(document, "shape", MEMBERS, where)
    size = element_count(name, shape)
    refuse_misspelt(document, MEMBERS, where)
    parameters = read_parameters(document, where)
    refuse_extensions(parameters, where)
    data = document.get("data")
    binary_size = parameters.pop("binary_data_size", None)
    if binary_size is not None:
        if data is not None:
            raise InvalidRequestError(
                f"{where} has both 'data' and binary_data_size; send one of them"
            )
        view = take_binary(name, binary_size, tail)
        return Tensor.checked(name, datatype, tuple(shape), view, parameters)
    if data is None:
        raise missing(document, "data", MEMBERS, where)
    values = flatten(name, datatype, shape, size, data)
    if datatype == "BYTES" and parameters.get("content_type") == "base64":
        del parameters["content_type"]
        contents: Contents = pack_base64(name, values)
    else:
        contents = pack_elements(name, datatype, values)
    return Tensor(name, datatype, tuple(shape), shaped(contents, shape), parameters)


def take_binary(name: str, size: object, tail: BinaryTail | None) -> memoryview:
    """The binary data of one tensor."""
    if type(size) is not int or size < 0:
        raise InvalidRequestError(
            f"tensor '{name}': binary_data_size is {described(size)}; it must be a number of bytes"
        )
    if tail is None:
        raise InvalidRequestError(
            f"tensor '{name}' has binary_data_size, and the header {HEADER} is missing; send the "
            "length of the JSON in it"
        )
    return tail.take(name, size)
