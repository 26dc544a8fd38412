"""The redactor ``redaction``: drops or digests tensors that the configuration names."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Final

import numpy as np
from pydantic import BaseModel, Field

from penstock.core.config import Section
from penstock.core.contracts.redactor import Redactor, TensorPlace, Withheld
from penstock.core.plugins import hookimpl
from penstock.core.tensors import Tensor

penstock_api = 1

DIGEST_LENGTH: Final = 32
"""So many hexadecimal digits of a digest are written."""


class RedactionOptions(Section):
    """What does not leave the server in a case file. Names may have ``*`` and ``?`` in them."""

    drop: tuple[str, ...] = Field(default=(), description="Tensors whose contents are left out.")
    hash: tuple[str, ...] = Field(
        default=(),
        description="Tensors that are replaced by digests, by which equal ones are still known.",
    )
    headers: tuple[str, ...] = Field(
        default=(), description="Headers of requests that are left out."
    )
    salt: str | None = Field(
        default=None,
        description="What digests are made with; without it, each process has one of its own.",
    )


class NamedRedactor(Redactor):
    """Goes by the names of tensors, and of headers.

    The elements of a BYTES tensor are replaced by their digests one by one, so that it can still be
    played; of another tensor the contents as a whole become one digest, and are left out.
    """

    def __init__(self, options: RedactionOptions) -> None:
        self._options = options
        self._salt = (options.salt or secrets.token_hex()).encode()

    def redact(self, tensor: Tensor, place: TensorPlace) -> Tensor | Withheld:
        if _matches(tensor.name, self._options.drop):
            return Withheld("dropped")
        if not _matches(tensor.name, self._options.hash):
            return tensor
        if tensor.datatype != "BYTES":
            return Withheld(f"hmac-sha256:{self._digest(tensor.tobytes())}")
        digests = [self._digest(element).encode() for element in tensor.array.ravel()]
        array = np.array(digests, object).reshape(tensor.shape)
        return Tensor.from_numpy(tensor.name, array, tensor.parameters)

    def redact_header(self, name: str, value: str) -> str | None:
        return None if _matches(name, self._options.headers) else value

    def _digest(self, data: bytes) -> str:
        return hmac.new(self._salt, data, hashlib.sha256).hexdigest()[:DIGEST_LENGTH]


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


@hookimpl
def penstock_register_config() -> type[BaseModel]:
    """The options."""
    return RedactionOptions


@hookimpl
def penstock_register_redactors() -> Mapping[str, type[Redactor]]:
    """The redactor."""
    return {"redaction": NamedRedactor}
