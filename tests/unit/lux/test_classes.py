"""The classes in outputs of all kinds, and what has none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.explained import Of
from penstock.core.errors import InvalidRequestError
from penstock.core.tensors import Tensor
from penstock.plugins.lux.classes import classes_of


@pytest.mark.parametrize(
    ("output", "names", "classes"),
    [
        ([b"yes", b"no"], None, ["yes", "no"]),
        ([[b"yes"], [b"no"]], None, ["yes", "no"]),
        ([2, 0], None, ["2", "0"]),
        ([[2], [0]], ("a", "b", "c"), ["c", "a"]),
        ([True, False], None, ["True", "False"]),
        ([True, False], ("bad", "good"), ["good", "bad"]),
        ([[0.1, 0.9], [0.7, 0.3]], None, ["1", "0"]),
        ([[0.1, 0.9], [0.7, 0.3]], ("a", "b"), ["b", "a"]),
        ([[3, 9], [7, 1]], None, ["1", "0"]),
    ],
)
def test_the_class_of_each_row(output: Any, names: tuple[str, ...], classes: list[str]) -> None:
    assert classes_of(Tensor.from_numpy("out", np.array(output)), names, Of()) == classes


@pytest.mark.parametrize("output", [[0.5, 1.5], [[0.5], [1.5]], [[b"a", b"b"], [b"c", b"d"]]])
def test_what_has_no_classes_is_for_other_explainers(output: Any) -> None:
    tensor = Tensor.from_numpy("out", np.array(output, object if "b" in repr(output) else None))
    with pytest.raises(
        InvalidRequestError, match=r"of model 'm' .* explain .* by permutation_shap"
    ):
        classes_of(tensor, None, Of())


@pytest.mark.parametrize("output", [[0, 2], [-1, 1]])
def test_classes_beyond_the_names_are_refused(output: list[int]) -> None:
    with pytest.raises(InvalidRequestError, match="classNames has 2 names, and the output 'out'"):
        classes_of(Tensor.from_numpy("out", np.array(output)), ("a", "b"), Of())
