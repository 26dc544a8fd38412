"""The loader ``onnx``: graphs in ONNX, run by ONNX Runtime in this process."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from penstock.core.contracts.model import Loader, ModelSpec
from penstock.core.errors import NotFoundError
from penstock.core.plugins import hookimpl
from penstock.servers.mlserver_settings import SETTINGS_FILE

if TYPE_CHECKING:
    from penstock.servers.onnx_model import OnnxModel

penstock_api = 1

SUFFIX: Final = ".onnx"
FILE_NAME: Final = f"model{SUFFIX}"
TRITON_SETTINGS: Final = "config.pbtxt"

_log = logging.getLogger(__name__)

if importlib.util.find_spec("onnxruntime") is None:
    # Importing it here would hold every start up; it is imported with the first model.
    raise ModuleNotFoundError("No module named 'onnxruntime'", name="onnxruntime")


class OnnxLoader(Loader):
    """Loads ``model.onnx``, the only ``*.onnx`` file of a folder, or that of the highest number
    where the folder has one for each version, as Triton's have (``1/model.onnx``).

    The model's parameters are those of :class:`penstock.servers.onnx_options.OnnxOptions`.
    """

    looks_for = f"a file {FILE_NAME}"

    def capabilities(self) -> frozenset[str]:
        return frozenset(("onnx",))

    def recognises(self, spec: ModelSpec) -> bool:
        artifacts = spec.artifacts
        if spec.python is not None or artifacts is None or (artifacts / SETTINGS_FILE).exists():
            return False
        return find_file(artifacts) is not None

    def load(self, spec: ModelSpec) -> OnnxModel:
        path = None if spec.artifacts is None else find_file(spec.artifacts)
        if path is None:
            raise _missing_file(spec.artifacts)
        from penstock.servers.onnx_model import OnnxModel
        from penstock.servers.onnx_options import options_of

        if spec.artifacts is not None and (spec.artifacts / TRITON_SETTINGS).exists():
            _log.warning(
                "model '%s': %s is for Triton and not read here; the graph itself says what goes "
                "in and out, spec.parameters the rest",
                spec.name,
                spec.artifacts / TRITON_SETTINGS,
                extra={"model": spec.name},
            )
        return OnnxModel(str(path), options_of(spec), str(path))

    def definition(self, spec: ModelSpec) -> OnnxModel | None:
        return None if spec.artifacts is None else self.load(spec)


def find_file(artifacts: Path) -> Path | None:
    """The graph's file: ``artifacts`` itself, or the one in it; None when there is none, or which
    one is meant cannot be told."""
    if artifacts.is_file():
        return artifacts if artifacts.suffix == SUFFIX else None
    if not artifacts.is_dir():
        return None
    found = _in_folder(artifacts)
    if found is not None:
        return found
    versions = [each for each in artifacts.iterdir() if each.name.isdecimal() and each.is_dir()]
    for version in sorted(versions, key=lambda each: int(each.name), reverse=True):
        found = _in_folder(version)
        if found is not None:
            return found
    return None


def _in_folder(folder: Path) -> Path | None:
    if (folder / FILE_NAME).is_file():
        return folder / FILE_NAME
    found = [path for path in folder.glob(f"*{SUFFIX}") if path.is_file()]
    return found[0] if len(found) == 1 else None


def _missing_file(artifacts: Path | None) -> NotFoundError:
    if artifacts is None:
        return NotFoundError("the model has no artifacts; write spec.storageUri")
    several = sorted(path.name for path in artifacts.glob(f"*{SUFFIX}"))
    if len(several) > 1:
        return NotFoundError(
            f"{artifacts} holds {', '.join(several)}: name one of them in spec.storageUri, or call "
            f"it {FILE_NAME}"
        )
    return NotFoundError(f"{artifacts} holds no graph in ONNX; put a file {FILE_NAME} there")


@hookimpl
def penstock_register_loaders() -> Mapping[str, type[Loader]]:
    """The loader ``onnx``."""
    return {"onnx": OnnxLoader}
