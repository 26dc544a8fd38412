"""The loader ``sklearn``: fitted estimators in files of joblib or pickle."""

from __future__ import annotations

from penstock.core.contracts.model import Loader, ModelSpec
from penstock.servers.mlserver_settings import SETTINGS_FILE
from penstock.servers.sklearn_model import (
    FILE_NAMES,
    SklearnModel,
    find_file,
    load_estimator,
    methods_of,
    missing_file,
)


class SklearnLoader(Loader):
    """Loads an estimator from ``model.joblib``, ``model.pickle`` or ``model.pkl``.

    The model's parameter ``outputs`` names the methods to call: ``[predict, predict_proba]``.
    """

    looks_for = f"a file {', '.join(FILE_NAMES)}"

    def capabilities(self) -> frozenset[str]:
        return frozenset(("sklearn",))

    def recognises(self, spec: ModelSpec) -> bool:
        artifacts = spec.artifacts
        if spec.python is not None or artifacts is None or (artifacts / SETTINGS_FILE).exists():
            return False
        return find_file(artifacts) is not None

    def load(self, spec: ModelSpec) -> SklearnModel:
        path = None if spec.artifacts is None else find_file(spec.artifacts)
        if path is None:
            raise missing_file(spec.artifacts)
        estimator = load_estimator(path)
        return SklearnModel(estimator, methods_of(estimator, spec.parameters))

    def definition(self, spec: ModelSpec) -> SklearnModel | None:
        return None if spec.artifacts is None else self.load(spec)
