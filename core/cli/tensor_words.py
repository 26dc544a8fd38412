"""Inputs as they are written on a command line."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import click
import orjson

from penstock.core.cli.tensor_files import SUFFIXES, load_tensors
from penstock.core.codecs.json import decode_request
from penstock.core.errors import InvalidRequestError, NotFoundError
from penstock.core.inference import InferenceRequest
from penstock.core.tensors import Tensor


def inputs_of(data: str | None, tensors: tuple[str, ...], stdin: BinaryIO) -> InferenceRequest:
    """The request that DATA and ``--tensor`` say; the tensors come after those of DATA.

    Raises InvalidRequestError or NotFoundError with a sentence.
    """
    given = _read(data, stdin)
    named = tuple(_tensor(written) for written in tensors)
    if not given.tensors and not named and data is None:
        raise click.UsageError("say what to send: DATA, or --tensor NAME=VALUE")
    return InferenceRequest(given.id, given.tensors + named, given.parameters, given.outputs)


def _read(data: str | None, stdin: BinaryIO) -> InferenceRequest:
    if data is None:
        return InferenceRequest(None, ())
    if data == "-":
        return decode_request(stdin.read())
    path = Path(data.removeprefix("@"))
    if path.suffix in SUFFIXES:
        return InferenceRequest(None, load_tensors(path))
    if data.startswith("@"):
        return decode_request(_bytes(path))
    return decode_request(data.encode())


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise NotFoundError(f"the file '{path}' cannot be read: {error.strerror}") from error


def _from_file(name: str, path: Path) -> Tensor:
    """The only tensor of a file, or the one of a .npz file that has this name."""
    tensors = load_tensors(path)
    for tensor in tensors:
        if len(tensors) == 1 or tensor.name == name:
            return tensor.renamed(name)
    names = ", ".join(tensor.name for tensor in tensors) or "none"
    raise NotFoundError(f"the file '{path}' has no array '{name}'; it has {names}")


def _tensor(written: str) -> Tensor:
    name, equals, value = written.partition("=")
    if not equals or not name:
        raise click.BadParameter(f"'{written}' is no tensor; write NAME=VALUE[:DATATYPE]")
    if value.startswith("@"):
        return _from_file(name, Path(value[1:]))
    text, colon, datatype = value.rpartition(":")
    if not colon or not datatype.isalnum() or not datatype.isupper():
        text, datatype = value, ""
    try:
        contents = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidRequestError(
            f"tensor '{name}': '{text}' is no JSON; write numbers as [1, 2], text as [\"a\"]"
        ) from error
    values = contents if isinstance(contents, list) else [contents]
    if datatype:
        # As a server would read it, which takes nothing for something else.
        item = {"name": name, "datatype": datatype, "shape": _shape(values), "data": values}
        return decode_request(orjson.dumps({"inputs": [item]})).tensors[0]
    try:
        return Tensor.from_numpy(name, values)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidRequestError(str(error)) from error


def _shape(values: object) -> list[int]:
    """The shape that nested lists have when all are as long as the first of their level."""
    shape = []
    while isinstance(values, list):
        shape.append(len(values))
        values = values[0] if values else None
    return shape
