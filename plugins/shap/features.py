"""The features of a request: the columns of some of its tensors as one matrix, and back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from penstock.core.arrays import Array
from penstock.core.errors import InvalidRequestError
from penstock.core.nearest import did_you_mean
from penstock.core.records import Tensors
from penstock.core.signature import Signature
from penstock.core.tensors import Tensor


class Features:
    """Those of one request. ``matrix`` is FP64 [n, features]."""

    def __init__(
        self, tensors: Tensors, names: Sequence[str] | None, signature: Signature | None
    ) -> None:
        self._tensors = _features_among(tensors, names)
        self._rows = _rows_of(self._tensors)
        parts = [_matrix(tensor) for tensor in self._tensors]
        self.matrix: Array = np.hstack(parts)
        self._ends = np.cumsum([part.shape[1] for part in parts])
        once = _without_rows(signature)
        others = [tensor for tensor in tensors if tensor not in self._tensors]
        self._fixed = [each for each in others if self._has_rows(each) and each.name not in once]
        self.beside: Tensors = tuple(each for each in others if each not in self._fixed)
        """What is the same for all rows, and goes with every call as it is."""

    @property
    def groups(self) -> list[slice]:
        """Rows that can be explained together: each alone where something is fixed with it."""
        if self._fixed:
            return [slice(row, row + 1) for row in range(self._rows)]
        return [slice(0, self._rows)]

    def tensors(self, matrix: Array, row: int) -> Tensors:
        """What a model takes that has ``matrix`` as features, in the place of those of ``row``."""
        parts = np.split(np.asarray(matrix), self._ends[:-1], axis=1)
        changed = [_like(tensor, part) for tensor, part in zip(self._tensors, parts, strict=True)]
        fixed = [_repeated(tensor, row, len(matrix)) for tensor in self._fixed]
        return (*changed, *fixed)

    def _has_rows(self, tensor: Tensor) -> bool:
        return bool(tensor.shape) and tensor.shape[0] == self._rows


def _features_among(tensors: Tensors, names: Sequence[str] | None) -> list[Tensor]:
    there = [tensor.name for tensor in tensors]
    if names is None:
        if len(tensors) != 1:
            raise InvalidRequestError(
                f"the request has the tensors {', '.join(there) or 'none'}; say in the parameter "
                "'features' of the explainer which of them are the features"
            )
        return list(tensors)
    missing = [name for name in names if name not in there]
    if missing:
        hint = did_you_mean(missing[0], there) or f"it has {', '.join(there) or 'none'}"
        raise InvalidRequestError(
            f"the request lacks the tensor '{missing[0]}', which is a feature; {hint}"
        )
    return [next(tensor for tensor in tensors if tensor.name == name) for name in names]


def _rows_of(tensors: Sequence[Tensor]) -> int:
    counts = {tensor.name: tensor.shape[0] if tensor.shape else 0 for tensor in tensors}
    if len(set(counts.values())) != 1 or not all(counts.values()):
        raise InvalidRequestError(
            f"tensors of features have rows, and the same number of them; here they have {counts}"
        )
    return next(iter(counts.values()))


def _matrix(tensor: Tensor) -> Array:
    if tensor.datatype == "BYTES":
        raise InvalidRequestError(
            f"the tensor '{tensor.name}' is text, which has no SHAP values; explain the model or "
            "the pipeline from where it is encoded as numbers"
        )
    array = tensor.array
    return array.reshape(len(array), -1).astype(np.float64)


def _without_rows(signature: Signature | None) -> frozenset[str]:
    """Inputs whose first axis is fixed: it does not count rows."""
    inputs = () if signature is None or signature.inputs is None else signature.inputs
    return frozenset(
        tensor.name
        for tensor in inputs
        if tensor.shape is not None and (not tensor.shape or isinstance(tensor.shape[0], int))
    )


def _like(tensor: Tensor, part: Array) -> Tensor:
    shape = (len(part), *tensor.shape[1:])
    array = np.ascontiguousarray(part.reshape(shape), dtype=tensor.array.dtype)
    return Tensor(tensor.name, tensor.datatype, shape, array, tensor.parameters)


def _repeated(tensor: Tensor, row: int, times: int) -> Tensor:
    array = np.repeat(tensor.array[row : row + 1], times, axis=0)
    return Tensor(tensor.name, tensor.datatype, array.shape, array, tensor.parameters)
