"""A model: a named, versioned artifact that turns named tensors into named tensors."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from penstock.core.contracts.model import Execution
from penstock.core.resources.artifact_digest import ArtifactDigest, without_digest
from penstock.core.resources.dataflow import ModelDataflow
from penstock.core.resources.explainer import Explainer
from penstock.core.resources.manifest import Manifest
from penstock.core.resources.parameters import ModelParameters
from penstock.core.resources.quantity import Bytes
from penstock.core.resources.scaling import ReplicaBounds, bounds_of
from penstock.core.resources.tensor import DeclaredTensor
from penstock.core.resources.value import Count, Flag, Name, PositiveCount, Text, Value
from penstock.core.signature import Signature

_PYTHON_OBJECT: Final = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")
_ADDRESS: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?!$)")


def _python_object(written: str) -> str:
    if _PYTHON_OBJECT.fullmatch(written) is None:
        raise ValueError(
            f"'{written}' names no Python object; write module and object, "
            "as mypackage.models:Router"
        )
    return written


class Logging(Value):
    """Seldon's ``logger`` section: where requests are sent a copy of, and how many percent."""

    uri: Text | None = None
    percent: Annotated[int, Field(strict=True, ge=0, le=100)] = 100


class ModelDeclaration(Value):
    """The ``spec`` of a model.

    ``storage_uri`` is where its artifacts are (None for a model that is named by ``python``
    alone), ``python`` the object that serves it (``module:name``); a model that a server elsewhere
    has needs neither. ``artifact_digest`` is what the artifacts must be. ``requirements`` are
    capabilities that its server must have. ``memory`` is in bytes. ``inputs`` and ``outputs`` are
    its declared signature, each None where it is not declared.
    """

    storage_uri: Text | None = None
    python: Annotated[str, AfterValidator(_python_object)] | None = None
    artifact_version: Count | None = None
    artifact_digest: ArtifactDigest | None = None
    requirements: tuple[Text, ...] = ()
    parameters: ModelParameters = Field(default_factory=dict)
    memory: Bytes | None = None
    replicas: Count | None = None
    min_replicas: Count | None = None
    max_replicas: Count | None = None
    execution: Execution = "auto"
    concurrency: PositiveCount | None = None
    inputs: tuple[DeclaredTensor, ...] | None = None
    outputs: tuple[DeclaredTensor, ...] | None = None
    server: Name | None = None
    explainer: Explainer | None = None
    model_type: Text | None = None
    schema_uri: Text | None = None
    secret_name: Text | None = None
    logger: Logging | None = None
    preloaded: Flag = False
    dedicated: Flag = False
    dataflow: ModelDataflow | None = None

    @model_validator(mode="after")
    def _can_be_found(self) -> Self:
        named = self.storage_uri or self.python or self.requirements or self.explainer
        if not named:
            raise ValueError(
                "nothing says what the model is; write storageUri (a folder or an address), "
                "python (module:name), or requirements (of a server elsewhere that has it)"
            )
        return self

    @model_validator(mode="after")
    def _has_one_digest(self) -> Self:
        if self.storage_uri is None:
            if self.artifact_digest is not None:
                raise ValueError("artifactDigest is of what storageUri names, and there is none")
            return self
        behind = without_digest(self.storage_uri)[1]
        if self.artifact_digest is not None and behind not in (None, self.artifact_digest):
            raise ValueError(
                f"artifactDigest is not the digest that stands behind storageUri, {behind}; "
                "write it once"
            )
        return self

    @property
    def artifact_address(self) -> str | None:
        """``storage_uri`` without the digest that may stand behind it."""
        return None if self.storage_uri is None else without_digest(self.storage_uri)[0]

    @property
    def declared_digest(self) -> str | None:
        """What the artifacts must be, wherever that is written."""
        if self.artifact_digest is not None or self.storage_uri is None:
            return self.artifact_digest
        return without_digest(self.storage_uri)[1]

    def bounds(self, start: int) -> ReplicaBounds | None:
        """Between how many copies it is scaled by its load, where it begins with ``start``; None
        where it is not."""
        return bounds_of(start, self.min_replicas, self.max_replicas)

    @property
    def signature(self) -> Signature | None:
        """What is declared of the model's inputs and outputs, None when nothing is."""
        if self.inputs is None and self.outputs is None:
            return None
        return Signature(
            None if self.inputs is None else tuple(tensor.spec() for tensor in self.inputs),
            None if self.outputs is None else tuple(tensor.spec() for tensor in self.outputs),
        )


class Model(Manifest):
    """The manifest of a model."""

    kind: Literal["Model"] = "Model"
    spec: ModelDeclaration

    @property
    def has_relative_storage(self) -> bool:
        """Whether ``spec.storageUri`` is a path that means something in one folder only."""
        uri = self.spec.storage_uri
        return uri is not None and _ADDRESS.match(uri) is None and not os.path.isabs(uri)

    def in_folder(self, folder: Path) -> Model:
        """The same model, its relative path made absolute from ``folder``. Reads no files."""
        if not self.has_relative_storage:
            return self
        # Not Path.resolve(): a link may be turned to another version while the system runs.
        absolute = os.path.normpath(folder / str(self.spec.storage_uri))
        spec = self.spec.model_copy(update={"storage_uri": absolute})
        return self.model_copy(update={"spec": spec})
