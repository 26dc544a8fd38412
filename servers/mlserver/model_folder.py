"""The folder of a model as MLServer wants it: the artifacts, and ``model-settings.json``.

Source of the format: MLServer's documentation, "Model Settings"
(https://mlserver.readthedocs.io/en/latest/reference/model-settings.html).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from penstock.core.contracts.model import ModelSpec
from penstock.core.errors import InvalidRequestError
from penstock.core.signature import TensorSpec
from penstock.servers.child.repository import artifacts_of, link_all
from penstock.servers.mlserver_folder import RUNTIMES
from penstock.servers.mlserver_settings import SETTINGS_FILE, read_document

_RUNTIME_PREFIX = "mlserver_"
"""What the packages of MLServer's own runtimes begin with."""


def write_folder(
    spec: ModelSpec, name: str, folder: Path, *, environment: Path | None = None
) -> None:
    """Fill ``folder``. ``environment`` is the one in which code of the model's own gets processes
    of its own, None where it is to share those of the others.

    Raises InvalidRequestError for artifacts that say in no way how they are to be loaded.
    """
    artifacts = artifacts_of(spec, "MLServer")
    link_all(artifacts, folder, but=frozenset((SETTINGS_FILE,)))
    written = read_document(artifacts) if (artifacts / SETTINGS_FILE).is_file() else {}
    document = settings_of(spec, name, written, environment=environment)
    (folder / SETTINGS_FILE).write_text(json.dumps(document, indent=2) + "\n")


def settings_of(
    spec: ModelSpec,
    name: str,
    written: Mapping[str, Any],
    *,
    environment: Path | None = None,
) -> dict[str, Any]:
    """The settings of a model that MLServer knows as ``name``: what is ``written`` with its
    artifacts, the rest from its manifest, whose parameters win."""
    settings = dict(written)
    settings["name"] = name
    implementation = settings.get("implementation") or _runtime_of(spec)
    settings["implementation"] = implementation
    parameters = dict(settings.get("parameters") or {})
    if spec.parameters:
        parameters["extra"] = {**(parameters.get("extra") or {}), **spec.parameters}
    if str(implementation).startswith(_RUNTIME_PREFIX):
        parameters.setdefault("uri", _uri(spec.artifacts))
    elif environment is not None and not _has_environment(parameters):
        parameters["environment_path"] = str(environment)
        parameters["inference_pool_gid"] = name
    settings["parameters"] = parameters
    signature = spec.signature
    if signature is not None:
        for side, tensors in (("inputs", signature.inputs), ("outputs", signature.outputs)):
            if tensors is not None and not settings.get(side):
                settings[side] = _metadata(tensors)
    return settings


def _runtime_of(spec: ModelSpec) -> str:
    """The runtime that the requirements of a manifest ask for."""
    found = [runtime for runtime, word in RUNTIMES.items() if word in spec.requirements]
    if len(found) == 1:
        return found[0]
    known = ", ".join(RUNTIMES.values())
    raise InvalidRequestError(
        f"nothing says how MLServer is to load model '{spec.name}': its artifacts have no "
        f"{SETTINGS_FILE} with an implementation, and spec.requirements names "
        f"{'no runtime' if not found else 'several runtimes'}; write one of {known}"
    )


def _uri(artifacts: Path | None) -> str:
    """Where a runtime looks in the folder: for a file of a well-known name, or for this one."""
    return "./" if artifacts is None or artifacts.is_dir() else f"./{artifacts.name}"


def _has_environment(parameters: Mapping[str, Any]) -> bool:
    chosen = ("environment_path", "environment_tarball", "inference_pool_gid")
    return any(parameters.get(key) for key in chosen)


def _metadata(tensors: Iterable[TensorSpec]) -> list[dict[str, Any]]:
    """Tensors as metadata; those of no known datatype cannot be written there."""
    return [
        {"name": each.name, "datatype": each.datatype, "shape": each.metadata_shape()}
        for each in tensors
        if each.datatype is not None
    ]
