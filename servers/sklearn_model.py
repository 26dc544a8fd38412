"""A fitted scikit-learn estimator as a model, named and shaped as MLServer's runtime has it.

Outputs are named like the methods that make them, and have at least two dimensions: what
``predict`` gives as [n] is [n, 1] here, as in MLServer, so that clients see no difference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import joblib
import numpy as np

from penstock.core.arrays import Array
from penstock.core.errors import InvalidRequestError, NotFoundError
from penstock.core.model import InvalidRequest, Model
from penstock.core.nearest import did_you_mean
from penstock.core.signature import Signature
from penstock.servers.text_elements import as_text

METHODS: Final = (
    "predict",
    "predict_proba",
    "predict_log_proba",
    "decision_function",
    "score_samples",
    "transform",
)
"""What an estimator can be asked for."""

SUFFIXES: Final = (".joblib", ".pickle", ".pkl")
FILE_NAMES: Final = tuple(f"model{suffix}" for suffix in SUFFIXES)


class SklearnModel(Model):
    """Calls ``methods`` of an estimator with one tensor [n, features], or with one per column.

    ``signature`` is what is known from elsewhere, for metadata; ``estimator`` is for explainers of
    trees.
    """

    def __init__(
        self, estimator: Any, methods: Sequence[str], signature: Signature | None = None
    ) -> None:
        self.estimator = estimator
        self._methods = [(name, getattr(estimator, name)) for name in methods]
        self._columns: list[str] | None = None
        columns = getattr(estimator, "feature_names_in_", None)
        if columns is not None:
            self._columns = [str(column) for column in columns]
        self._features: int | None = getattr(estimator, "n_features_in_", None)
        self.signature = signature

    def predict(self, **tensors: Array) -> dict[str, Any]:
        """The outputs by the names of the methods."""
        features = self._matrix(tensors)
        return {name: _two_dimensional(method(features)) for name, method in self._methods}

    def _matrix(self, tensors: Mapping[str, Array]) -> Any:
        if len(tensors) == 1:
            [(name, array)] = tensors.items()
            if self._columns is None or name not in self._columns or len(self._columns) > 1:
                return self._checked(name, as_text(array))
        if self._columns is None:
            raise InvalidRequest(
                f"the model wants one tensor, of shape [n, {self._features or 'features'}], and "
                f"got {len(tensors)}: it was fitted without names of columns"
            )
        missing = [column for column in self._columns if column not in tensors]
        if missing:
            raise InvalidRequest(
                f"the model wants the columns {', '.join(map(repr, self._columns))} as tensors; "
                f"{', '.join(map(repr, missing))} did not come"
            )
        columns = {column: _column(column, tensors[column]) for column in self._columns}
        lengths = {column: len(values) for column, values in columns.items()}
        if len(set(lengths.values())) > 1:
            raise InvalidRequest(f"the columns have different lengths: {lengths}")
        return _frame(columns)

    def _checked(self, name: str, array: Array) -> Any:
        if self._features is None:
            # Models of text take a sequence, not a matrix.
            return array.reshape(-1) if array.dtype == object else array
        if array.ndim != 2 or array.shape[1] != self._features:
            raise InvalidRequest(
                f"the model takes tensors of shape [n, {self._features}], and tensor '{name}' is "
                f"{list(array.shape)}"
            )
        if self._columns is None:
            return array
        return _frame(dict(zip(self._columns, array.T, strict=True)))


def load_estimator(path: Path) -> Any:
    """Unpickle an estimator from a file of joblib or pickle. The file is code: trust it.

    Raises InvalidRequestError when the file cannot be read.
    """
    try:
        return joblib.load(path)
    except (Exception, SystemExit) as error:
        raise InvalidRequestError(
            f"{path} cannot be loaded with joblib: {type(error).__name__}: {error}; it must come "
            "from compatible versions of Python and scikit-learn, and the modules of its own "
            "classes must be installed"
        ) from error


def find_file(artifacts: Path) -> Path | None:
    """The file of an estimator: ``artifacts`` itself, ``model.joblib`` or the like in it, or the
    only file of that kind in it. None when there is none."""
    if artifacts.is_file():
        return artifacts if artifacts.suffix in SUFFIXES else None
    for name in FILE_NAMES:
        if (artifacts / name).is_file():
            return artifacts / name
    found = [path for path in artifacts.glob("*") if path.suffix in SUFFIXES and path.is_file()]
    return found[0] if len(found) == 1 else None


def methods_of(estimator: Any, parameters: Mapping[str, Any]) -> list[str]:
    """The methods that the parameter ``outputs`` names; without it ``predict``, or ``transform``.

    Raises InvalidRequestError when the parameter or the estimator does not fit.
    """
    able = [name for name in METHODS if callable(getattr(estimator, name, None))]
    kind = type(estimator).__name__
    if not able:
        raise InvalidRequestError(
            f"a {kind} is no estimator that can be served: it has none of {', '.join(METHODS)}"
        )
    wanted = parameters.get("outputs")
    if wanted is None:
        return [able[0] if able[0] == "predict" else able[-1]]
    names = [wanted] if isinstance(wanted, str) else wanted
    if not isinstance(names, list | tuple) or not names:
        raise InvalidRequestError(
            "the parameter 'outputs' is a list of methods, as [predict, predict_proba]"
        )
    for name in names:
        if name not in able:
            hint = did_you_mean(str(name), able)
            raise InvalidRequestError(
                f"the parameter 'outputs' names '{name}', which a {kind} does not have; it has "
                f"{', '.join(able)}{f'; {hint}' if hint else ''}"
            )
    return list(names)


def missing_file(artifacts: Path | None) -> NotFoundError:
    """The error when there is no file of an estimator."""
    if artifacts is None:
        return NotFoundError("the model has no artifacts; write spec.storageUri")
    return NotFoundError(
        f"{artifacts} holds no estimator; put a file {', '.join(FILE_NAMES[:-1])} or "
        f"{FILE_NAMES[-1]} there"
    )


def _two_dimensional(result: Any) -> Any:
    if hasattr(result, "toarray"):
        result = result.toarray()
    array = np.asarray(result)
    return array.reshape(-1, 1) if array.ndim == 1 else array


def _column(name: str, array: Array) -> Array:
    if array.ndim > 2 or (array.ndim == 2 and array.shape[1] != 1) or array.ndim == 0:
        raise InvalidRequest(
            f"the column '{name}' has the shape {list(array.shape)}; send [n] or [n, 1]"
        )
    return as_text(array).reshape(-1)


def _frame(columns: Mapping[str, Array]) -> Any:
    """The columns as estimators that know their names want them, or as a matrix."""
    try:
        import pandas
    except ModuleNotFoundError:
        return np.column_stack(list(columns.values()))
    return pandas.DataFrame(dict(columns))
