"""What annotations say of tensors, also when they are text (as they are in this file)."""

from __future__ import annotations

from typing import Annotated, Any, NotRequired, Required, TypedDict, TypeVar

import ml_dtypes
import numpy as np
import pytest
from numpy.typing import NDArray
from typing_extensions import TypeAliasType

from penstock import Shape
from penstock.core.annotations import AnnotationError, hints_of, outputs_of, tensor_of
from penstock.core.signature import TensorSpec


class Loose(TypedDict, total=False):
    a: NDArray[np.float32]
    sure: Required[NDArray[np.bool_]]


class Scores(Loose):
    b: NotRequired[Annotated[NDArray[np.float64], Shape("n", None, 3)]]
    c: NDArray[np.int64] | None
    d: float


@pytest.mark.parametrize(
    ("hint", "datatype", "shape", "optional"),
    [
        (NDArray[np.float32], "FP32", None, False),
        (NDArray[np.bool_], "BOOL", None, False),
        (NDArray[ml_dtypes.bfloat16], "BF16", None, False),
        (NDArray[np.str_] | None, "BYTES", None, True),
        (NDArray[np.object_], "BYTES", None, False),
        (Annotated[NDArray[np.int8], Shape("n", 4)], "INT8", ("n", 4), False),
        (Annotated[NDArray[np.int8] | None, Shape()], "INT8", (), True),
        (Annotated[NDArray[np.int8], Shape(2)] | None, "INT8", (2,), True),
        (Annotated[np.ndarray, Shape(None)], None, (None,), False),
        (NDArray[np.floating[Any]], None, None, False),
        (NDArray[np.number[Any]], None, None, False),
        (NDArray[Any], None, None, False),
        (NDArray[np.float32] | NDArray[np.float64], None, None, False),
        (np.ndarray, None, None, False),
        (float, None, None, False),
        (None, None, None, False),
    ],
)
def test_what_an_annotation_says(
    hint: Any, datatype: str | None, shape: tuple[Any, ...] | None, optional: bool
) -> None:
    assert tensor_of("x", hint) == TensorSpec("x", datatype, shape, optional)


Element = TypeVar("Element", bound=np.generic)
Floats = TypeAliasType("Floats", np.ndarray[Any, np.dtype[np.float32]])
Arrays = TypeAliasType("Arrays", np.ndarray[Any, np.dtype[Element]], type_params=(Element,))
Rows = TypeAliasType("Rows", Annotated[Arrays[np.int8], Shape("n", 4)])
Maybe = TypeAliasType("Maybe", Arrays[np.bool_] | None)


@pytest.mark.parametrize(
    ("hint", "datatype", "shape", "optional"),
    [
        (Floats, "FP32", None, False),
        (Arrays[np.float64], "FP64", None, False),
        (Rows, "INT8", ("n", 4), False),
        (Maybe, "BOOL", None, True),
        (Annotated[Floats, Shape(2)] | None, "FP32", (2,), True),
    ],
)
def test_aliases_of_the_statement_type_are_written_out(
    hint: Any, datatype: str | None, shape: tuple[Any, ...] | None, optional: bool
) -> None:
    assert tensor_of("x", hint) == TensorSpec("x", datatype, shape, optional)


def test_a_type_without_a_datatype_is_named() -> None:
    with pytest.raises(AnnotationError, match="tensor 'x': numpy's complex64"):
        tensor_of("x", NDArray[np.complex64])


def test_a_typed_dict_is_the_outputs() -> None:
    assert outputs_of(Scores) == (
        TensorSpec("a", "FP32", None, optional=True),
        TensorSpec("sure", "BOOL"),
        TensorSpec("b", "FP64", ("n", None, 3), optional=True),
        TensorSpec("c", "INT64", None, optional=True),
        TensorSpec("d"),
    )


def test_a_result_that_may_be_none_makes_every_output_optional() -> None:
    outputs = outputs_of(Scores | None)
    assert outputs is not None
    assert all(spec.optional for spec in outputs)


@pytest.mark.parametrize("hint", [dict, dict[str, Any], None, Any, NDArray[np.float32]])
def test_other_results_say_nothing(hint: Any) -> None:
    assert outputs_of(hint) is None


def test_annotations_that_cannot_be_evaluated_are_an_error_that_names_the_function() -> None:
    def predict(x: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(AnnotationError, match=r"of 'predict' .* 'Nowhere' .*type check"):
        hints_of(predict, "'predict'")


@pytest.mark.parametrize(
    ("wrong", "error"), [(-1, ValueError), (1.5, TypeError), (True, TypeError)]
)
def test_a_shape_takes_lengths_names_and_none(wrong: Any, error: type[Exception]) -> None:
    assert Shape("n", 4, None).dimensions == ("n", 4, None)
    assert Shape("n") == Shape("n")
    with pytest.raises(error, match="a dimension is"):
        Shape(wrong)
