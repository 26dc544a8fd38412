"""Tensors into JSON."""

from __future__ import annotations

from base64 import b64encode
from math import isfinite
from typing import Any, Literal, TypeAlias

import numpy as np
from orjson import OPT_SERIALIZE_NUMPY, JSONEncodeError, dumps

from penstock.core.byte_elements import Buffer
from penstock.core.errors import InvalidRequestError, StepFailedError
from penstock.core.parameters import Parameters
from penstock.core.tensors import Tensor

TextForm: TypeAlias = Literal["utf-8", "base64", "auto"]
"""How BYTES are written: as text, as base64, or as base64 where they are no text."""


def write_tensor(
    tensor: Tensor, binary: bool, form: TextForm, buffers: list[Buffer]
) -> dict[str, Any]:
    """What stands in JSON for ``tensor``; binary contents are appended to ``buffers``.

    Raises InvalidRequestError for BYTES that are no text and shall be.
    """
    datatype = tensor.datatype
    item: dict[str, Any] = {"name": tensor.name, "datatype": datatype, "shape": tensor.shape}
    if tensor.parameters:
        item["parameters"] = dict(tensor.parameters)
    if binary:
        raw = tensor.raw
        buffers.append(raw)
        item.setdefault("parameters", {})["binary_data_size"] = len(raw)
    elif datatype == "BYTES":
        write_text(tensor, form, item)
    elif datatype == "BF16":
        item["data"] = tensor.flat().astype(np.float32)  # which orjson knows
    else:
        item["data"] = tensor.flat()
    return item


def write_text(tensor: Tensor, form: TextForm, item: dict[str, Any]) -> None:
    """Put the elements of a BYTES tensor into ``item``."""
    elements = tensor.flat().tolist()
    if form != "base64":
        try:
            item["data"] = [element.decode() for element in elements]
            return
        except UnicodeDecodeError:
            if form == "utf-8":
                raise InvalidRequestError(no_text(tensor.name, elements)) from None
    item["data"] = [b64encode(element).decode("ascii") for element in elements]
    item.setdefault("parameters", {})["content_type"] = "base64"


def no_text(name: str, elements: list[bytes]) -> str:
    """The sentence for BYTES that are asked for as text."""
    index = next(index for index, element in enumerate(elements) if not is_text(element))
    return (
        f"tensor '{name}': value {index} is no UTF-8 text; ask for the output with the parameter "
        "content_type: base64, or as binary data"
    )


def is_text(element: bytes) -> bool:
    """Whether the bytes are UTF-8."""
    try:
        element.decode()
    except UnicodeDecodeError:
        return False
    return True


def write_json(document: dict[str, Any], side: str) -> bytes:
    """The document as JSON; its tensors are those of ``side``.

    Raises InvalidRequestError, naming tensor or parameter, for NaN and infinities.
    """
    try:
        text = dumps(document, None, OPT_SERIALIZE_NUMPY)
    except JSONEncodeError as error:
        raise StepFailedError(f"the answer cannot be written as JSON: {error}") from error
    # orjson writes null for NaN and infinities, and nothing else that is written here is null:
    # one search of the text is cheaper than a look at every array.
    if b"null" in text:
        refuse_nonfinite(document.get("parameters", {}))
        for item in document[side]:
            refuse_nonfinite(item.get("parameters", {}))
            data = item.get("data")
            if isinstance(data, np.ndarray) and not np.isfinite(data).all():
                raise InvalidRequestError(
                    f"tensor '{item['name']}' holds NaN or an infinity, which JSON cannot; ask for "
                    "it as binary data (parameter binary_data), or over gRPC"
                )
    return text


def refuse_nonfinite(parameters: Parameters) -> None:
    """Parameters that JSON cannot hold."""
    for key, value in parameters.items():
        if isinstance(value, float) and not isfinite(value):
            raise InvalidRequestError(f"parameter '{key}' is {value}, which JSON cannot hold")
