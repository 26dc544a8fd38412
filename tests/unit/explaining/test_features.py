"""Features of requests: columns of tensors as a matrix, and tensors again."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from penstock.core.errors import InvalidRequestError
from penstock.core.explaining.tabular.features import Features
from penstock.core.signature import Signature, TensorSpec
from penstock.core.tensors import Tensor


def tensor(name: str, value: Any) -> Tensor:
    return Tensor.from_numpy(name, np.asarray(value))


AGE = tensor("age", np.array([30, 40], np.int32))
PIXELS = tensor("pixels", np.arange(8, dtype=np.float32).reshape(2, 2, 2))
CITY = tensor("city", np.array([b"here", b"there"], object))
LIMIT = tensor("limit", np.array([0.5]))


def test_columns_of_several_tensors_are_one_matrix() -> None:
    features = Features((AGE, CITY, PIXELS), ("pixels", "age"), None)
    assert features.matrix.tolist() == [[0, 1, 2, 3, 30], [4, 5, 6, 7, 40]]
    assert features.matrix.dtype == np.float64


def test_a_matrix_is_tensors_again_as_they_were_typed() -> None:
    features = Features((AGE, PIXELS), ("pixels", "age"), None)
    pixels, age = features.tensors(features.matrix[[1, 0, 1]], np.zeros(3, int))
    assert (pixels.name, pixels.datatype, pixels.shape) == ("pixels", "FP32", (3, 2, 2))
    assert pixels.array.tolist() == PIXELS.array[[1, 0, 1]].tolist()
    assert (age.name, age.datatype, age.shape) == ("age", "INT32", (3,))
    assert age.array.tolist() == [40, 30, 40]


def test_the_only_tensor_needs_no_name() -> None:
    assert Features((AGE,), None, None).matrix.tolist() == [[30], [40]]


@pytest.mark.parametrize(
    ("tensors", "dtype"),
    [
        ((AGE,), np.int32),
        ((PIXELS,), np.float32),
        ((AGE, PIXELS), np.float64),
        ((tensor("x", np.ones((1, 2), ml_dtypes.bfloat16)),), np.float64),
    ],
)
def test_the_matrix_is_typed_as_its_tensors_where_these_agree(
    tensors: tuple[Tensor, ...], dtype: type
) -> None:
    features = Features(tensors, [each.name for each in tensors], None)
    assert features.matrix.dtype == dtype
    again = features.tensors(features.matrix, np.arange(len(features.matrix)))
    assert [each.array.tolist() for each in again] == [each.array.tolist() for each in tensors]
    assert [each.datatype for each in again] == [each.datatype for each in tensors]


def test_what_has_rows_is_held_at_those_of_the_row() -> None:
    features = Features((AGE, CITY), ("age",), None)
    assert features.beside == ()
    _, city = features.tensors(np.array([[1.0], [2.0], [3.0]]), np.array([1, 1, 0]))
    assert city.array.tolist() == [b"there", b"there", b"here"]


def test_what_has_no_rows_goes_beside() -> None:
    features = Features((AGE, LIMIT), ("age",), None)
    assert features.beside == (LIMIT,)
    assert [each.name for each in features.tensors(features.matrix, np.arange(2))] == ["age"]


def test_the_signature_says_what_has_no_rows() -> None:
    age = tensor("age", np.array([30]))
    fixed = Signature((TensorSpec("age", None, ("n",)), TensorSpec("limit", None, (1,))))
    assert Features((age, LIMIT), ("age",), fixed).beside == (LIMIT,)
    assert Features((age, LIMIT), ("age",), None).beside == ()


@pytest.mark.parametrize(
    ("tensors", "names", "said"),
    [
        ((AGE, PIXELS), None, "has the tensors age, pixels; say in the parameter 'features'"),
        ((), None, "has the tensors none"),
        ((AGE,), ("ages",), "lacks the tensor 'ages', which is a feature; did you mean 'age'"),
        ((CITY,), None, "the tensor 'city' is text"),
        ((AGE, LIMIT), ("age", "limit"), "the same number of them; here they have"),
        ((tensor("x", 1.0),), None, "have rows"),
        ((tensor("x", np.zeros((0, 2))),), None, "have rows"),
    ],
)
def test_what_cannot_be_features_is_refused(
    tensors: tuple[Tensor, ...], names: tuple[str, ...] | None, said: str
) -> None:
    with pytest.raises(InvalidRequestError, match=said):
        Features(tensors, names, None)
