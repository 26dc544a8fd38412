"""The features of a request: the columns of some of its tensors as one matrix, and back."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from penstock.core.arrays import Array
from penstock.core.errors import InvalidRequestError
from penstock.core.nearest import did_you_mean
from penstock.core.records import Tensors
from penstock.core.signature import Signature
from penstock.core.tensors import Tensor


class Features:
    """Those of one request. ``matrix`` [n, features] is typed as its tensors are, as FP64 where
    these are typed differently or as what numpy does not compute with."""

    def __init__(
        self, tensors: Tensors, names: Sequence[str] | None, signature: Signature | None
    ) -> None:
        self._tensors = _features_among(tensors, names)
        self._rows = _rows_of(self._tensors)
        parts = [_matrix(tensor) for tensor in self._tensors]
        self.matrix: Array = np.concatenate(parts, axis=1, dtype=_common_type(parts))
        self._ends = list(accumulate(part.shape[1] for part in parts))
        once = _without_rows(signature)
        others = [tensor for tensor in tensors if tensor not in self._tensors]
        self._fixed = [each for each in others if self._has_rows(each) and each.name not in once]
        self.beside: Tensors = tuple(each for each in others if each not in self._fixed)
        """What is the same for all rows, and goes with every call as it is."""

    def tensors(self, matrix: Array, rows: Array) -> Tensors:
        """What a model takes that has ``matrix`` as features, each of it in the place of those of
        the row whose number ``rows`` has there."""
        changed = [
            _like(tensor, matrix[:, begin:end])
            for tensor, begin, end in zip(self._tensors, [0, *self._ends], self._ends, strict=False)
        ]
        fixed = [_taken(tensor, rows) for tensor in self._fixed]
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
            f"the tensor '{tensor.name}' is text, and features are numbers; explain the model or "
            "the pipeline from where it is encoded as numbers"
        )
    return tensor.array.reshape(tensor.shape[0], -1)


def _common_type(parts: Sequence[Array]) -> np.dtype[Any]:
    types = {part.dtype for part in parts}
    [*_, dtype] = types
    return dtype if len(types) == 1 and dtype.kind in "biuf" else np.dtype(np.float64)


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


def _taken(tensor: Tensor, rows: Array) -> Tensor:
    array = tensor.array[rows]
    return Tensor(tensor.name, tensor.datatype, array.shape, array, tensor.parameters)
