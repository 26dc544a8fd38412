"""The loader ``mlserver-folder``: folders of MLServer with a runtime that is stood in for here."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Final

from penstock.core.contracts.model import Loader, ModelSpec
from penstock.core.errors import InvalidRequestError, NotFoundError, UnsupportedError
from penstock.core.model import Model
from penstock.servers.mlserver_settings import SETTINGS_FILE, MLServerSettings, read_settings

_SKLEARN: Final = "mlserver_sklearn.SKLearnModel"

RUNTIMES: Final = {
    _SKLEARN: "sklearn",
    "mlserver_xgboost.XGBoostModel": "xgboost",
    "mlserver_lightgbm.LightGBMModel": "lightgbm",
    "mlserver_catboost.CatboostModel": "catboost",
    "mlserver_mlflow.MLflowRuntime": "mlflow",
    "mlserver_onnx.OnnxModel": "onnx",
    "mlserver_huggingface.HuggingFaceRuntime": "huggingface",
    "mlserver_alibi_detect.AlibiDetectRuntime": "alibi-detect",
    "mlserver_alibi_explain.AlibiExplainRuntime": "alibi-explain",
}
"""MLServer's own runtimes, and the requirement that a manifest asks for each with."""


class MLServerFolderLoader(Loader):
    """Loads folders with a ``model-settings.json`` of MLServer's scikit-learn runtime.

    Metadata in the file are served and not checked, as in MLServer.
    """

    looks_for = f"a file {SETTINGS_FILE}"

    def capabilities(self) -> frozenset[str]:
        return frozenset(("sklearn",)) if has_sklearn() else frozenset()

    def recognises(self, spec: ModelSpec) -> bool:
        return (
            spec.python is None
            and spec.artifacts is not None
            and (spec.artifacts / SETTINGS_FILE).is_file()
        )

    def load(self, spec: ModelSpec) -> Model:
        if spec.artifacts is None:
            raise NotFoundError("the model has no artifacts; write spec.storageUri")
        settings = read_settings(spec.artifacts)
        _check_runtime(settings, spec)
        # Not before it is known to be needed: it is an extra.
        from penstock.servers import sklearn_model

        path = _file(settings, spec.artifacts) or sklearn_model.find_file(spec.artifacts)
        if path is None:
            raise sklearn_model.missing_file(spec.artifacts)
        estimator = sklearn_model.load_estimator(path)
        methods = sklearn_model.methods_of(estimator, spec.parameters)
        return sklearn_model.SklearnModel(estimator, methods, settings.signature)

    def definition(self, spec: ModelSpec) -> Model | None:
        return None if spec.artifacts is None else self.load(spec)


def _check_runtime(settings: MLServerSettings, spec: ModelSpec) -> None:
    written = settings.implementation
    if written is None and "sklearn" in spec.requirements:
        written = _SKLEARN
    where = f"{spec.artifacts} ({SETTINGS_FILE})"
    if written is None:
        raise InvalidRequestError(
            f'{where} names no implementation; write one, as "{_SKLEARN}", or name the runtime '
            "in spec.requirements"
        )
    # Both the package's name and the module inside it are in use.
    known = next((name for name in RUNTIMES if _same_class(written, name)), None)
    if known is None:
        raise UnsupportedError(
            f"{where} has an implementation of its own, '{written}': it needs a server with the "
            "capability mlserver"
        )
    if known != _SKLEARN:
        raise UnsupportedError(
            f"{where} is for MLServer's runtime '{written}', which is not loaded in this process: "
            f"it needs a server with the capabilities mlserver and {RUNTIMES[known]}"
        )
    if not has_sklearn():
        raise UnsupportedError(
            f"{where} needs scikit-learn, which is not installed: pip install 'penstock[sklearn]'"
        )


def _same_class(written: str, name: str) -> bool:
    package, _, class_name = name.partition(".")
    return written.startswith(f"{package}.") and written.endswith(f".{class_name}")


def _file(settings: MLServerSettings, folder: Path) -> Path | None:
    """The file that the settings name, which must lie in the folder."""
    if settings.uri is None:
        return None
    path = (folder / settings.uri).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise InvalidRequestError(
            f"{folder / SETTINGS_FILE}: parameters.uri ('{settings.uri}') leads out of the folder"
        )
    if path.is_dir():
        return None
    if not path.is_file():
        raise NotFoundError(f"{folder} holds no '{settings.uri}', which {SETTINGS_FILE} names")
    return path


def has_sklearn() -> bool:
    """Whether scikit-learn and what its files are read with are installed."""
    return all(importlib.util.find_spec(name) is not None for name in ("sklearn", "joblib"))
