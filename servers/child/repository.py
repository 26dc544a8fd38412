"""The folder of models that a server reads, which is its own."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from penstock.core.contracts.model import ModelSpec
from penstock.core.errors import InvalidRequestError, NotFoundError, NotReadyError

LayOut: TypeAlias = Callable[[ModelSpec, str, Path], None]
"""Writes what a server wants to find in the folder of a model. It is given the model, its name on
the server, and the folder, which is there and empty."""


class ModelRepository:
    """A folder with one folder for each model. All methods block."""

    def __init__(self, root: Path, lay_out: LayOut) -> None:
        self._root = root
        self._lay_out = lay_out

    def add(self, spec: ModelSpec, name: str) -> None:
        """Write the folder of a model, which the server sees whole or not at all.

        Raises PenstockError for artifacts that the server cannot have.
        """
        if spec.artifacts is not None and not spec.artifacts.exists():
            raise NotFoundError(f"the artifacts of model '{spec.name}' ({spec.artifacts}) are gone")
        making = self._root.parent / f"making-{name}"
        try:
            making.mkdir()
            self._lay_out(spec, name, making)
            making.rename(self._root / name)
        except OSError as error:
            raise NotReadyError(
                f"the folder of model '{spec.name}' cannot be written: {error}; make room in "
                f"{self._root.parent}"
            ) from error
        finally:
            shutil.rmtree(making, ignore_errors=True)

    def remove(self, name: str) -> None:
        """Remove the folder of a model, if it is there."""
        shutil.rmtree(self._root / name, ignore_errors=True)


def link_all(artifacts: Path, folder: Path, *, but: frozenset[str] = frozenset()) -> None:
    """Have what is in a folder of artifacts, or the one file, appear in ``folder``, without a copy
    of what may be large."""
    entries = artifacts.iterdir() if artifacts.is_dir() else [artifacts]
    for entry in entries:
        if entry.name not in but:
            (folder / entry.name).symlink_to(entry.absolute())


def artifacts_of(spec: ModelSpec, kind: str) -> Path:
    """The artifacts of a model that has some. Raises InvalidRequestError for one that has not."""
    if spec.artifacts is None:
        raise InvalidRequestError(
            f"model '{spec.name}' has no storageUri; {kind} loads models from folders, and "
            "spec.python is for models in this process"
        )
    return spec.artifacts
