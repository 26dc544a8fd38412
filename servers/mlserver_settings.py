"""``model-settings.json``: how a folder says what it is to MLServer.

Source of the format: MLServer's documentation, "Model Settings"
(https://mlserver.readthedocs.io/en/latest/reference/model-settings.html).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from penstock.core.datatypes import DATATYPES
from penstock.core.errors import InvalidRequestError
from penstock.core.signature import Signature, TensorSpec

SETTINGS_FILE: Final = "model-settings.json"


@dataclass(frozen=True, slots=True)
class MLServerSettings:
    """What is used of the file. ``uri`` is relative to its folder; None: a well-known name."""

    implementation: str | None
    uri: str | None
    signature: Signature | None


def read_settings(folder: Path) -> MLServerSettings:
    """Read the file in ``folder``. Raises InvalidRequestError when it is no such file."""
    path = folder / SETTINGS_FILE
    document = read_document(folder)
    parameters = document.get("parameters") or {}
    uri = parameters.get("uri") if isinstance(parameters, dict) else None
    inputs = _tensors(path, document, "inputs")
    outputs = _tensors(path, document, "outputs")
    return MLServerSettings(
        _text(path, document.get("implementation"), "implementation"),
        _text(path, uri, "parameters.uri"),
        None if inputs is None and outputs is None else Signature(inputs, outputs),
    )


def read_document(folder: Path) -> dict[str, Any]:
    """The file in ``folder`` as it is written. Raises InvalidRequestError."""
    path = folder / SETTINGS_FILE
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InvalidRequestError(f"{path} cannot be read: {error}") from error
    if not isinstance(document, dict):
        raise InvalidRequestError(f"{path} must hold a JSON object")
    return document


def _text(path: Path, value: object, key: str) -> str | None:
    if value is None or isinstance(value, str):
        return value or None
    raise InvalidRequestError(f"{path}: {key} must be text, not {type(value).__name__}")


def _tensors(path: Path, document: dict[str, Any], key: str) -> tuple[TensorSpec, ...] | None:
    written = document.get(key)
    if not written:
        return None
    try:
        return tuple(_tensor(each) for each in written)
    except (TypeError, KeyError, ValueError) as error:
        raise InvalidRequestError(
            f"{path}: {key} must be a list of {{name, datatype, shape}} ({error!r})"
        ) from error


def _tensor(written: dict[str, Any]) -> TensorSpec:
    shape = tuple(None if size == -1 else int(size) for size in written["shape"])
    datatype = str(written["datatype"])
    if datatype not in DATATYPES:
        raise ValueError(f"'{datatype}' is no datatype")
    return TensorSpec(str(written["name"]), datatype, shape)
