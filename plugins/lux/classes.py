"""The class of each row, from the output of a model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from penstock.core.arrays import Array
from penstock.core.contracts.explainer import Explained
from penstock.core.errors import InvalidRequestError
from penstock.core.tensors import Tensor


def classes_of(tensor: Tensor, names: Sequence[str] | None, explained: Explained) -> list[str]:
    """The class of each row of ``tensor`` [n], [n, 1] or [n, classes].

    Of several columns the largest has the class. One column has it itself: text, a whole number,
    or a boolean. Raises InvalidRequestError for one column of other numbers, which has no classes.
    """
    columns = tensor.array.reshape(tensor.shape[0], -1)
    if columns.shape[1] == 1 and tensor.datatype == "BYTES":
        return [label.decode(errors="replace") for label in columns[:, 0]]
    if columns.shape[1] > 1 and tensor.datatype != "BYTES":
        numbers = columns.astype(np.float64).argmax(axis=1)
    elif columns.dtype.kind in "iub":
        numbers = columns[:, 0]
    else:
        raise InvalidRequestError(
            f"the output '{tensor.name}' of {explained.explains} ({tensor.datatype}, "
            f"{list(tensor.shape)}) has no class for each row; name an output of labels, or of one "
            "column for each class, in the parameter 'output', and explain numbers that are no "
            "classes by permutation_shap"
        )
    return _named(numbers, names, tensor.name)


def _named(numbers: Array, names: Sequence[str] | None, output: str) -> list[str]:
    if names is None:
        return [str(number) for number in numbers.tolist()]
    outside = [int(number) for number in numbers if not 0 <= number < len(names)]
    if outside:
        raise InvalidRequestError(
            f"classNames has {len(names)} names, and the output '{output}' the class {outside[0]}"
        )
    return [names[int(number)] for number in numbers]
