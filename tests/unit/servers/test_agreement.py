"""What a manifest declares, brought together with what the code says."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

import numpy as np
import pytest
from numpy.typing import NDArray

from penstock import Shape
from penstock.core.errors import InvalidRequestError
from penstock.core.signature import Signature, TensorSpec
from penstock.servers.binding.agreement import agree
from penstock.servers.binding.predictor import predictor_of

X = TensorSpec("x", "FP32", ("n", None))


class Out(TypedDict):
    y: Annotated[NDArray[np.float32], Shape("n", 2)]


def annotated(x: Annotated[NDArray[np.float32], Shape("n", None)], z: Any = None) -> Out: ...  # type: ignore[empty-body]  # only its definition counts


def plain(x, z=None): ...  # type: ignore[no-untyped-def]  # as users write it


def rest(**tensors: Any) -> None: ...


def test_nothing_declared_and_nothing_annotated_is_nothing_known() -> None:
    assert agree(predictor_of(plain), None).signature is None


def test_the_declaration_alone_is_the_signature() -> None:
    declared = Signature((X, TensorSpec("z")), (TensorSpec("y", "INT8"),))
    agreement = agree(predictor_of(plain), declared)
    assert agreement.signature == Signature(
        (X, TensorSpec("z", optional=True)), (TensorSpec("y", "INT8"),)
    )


def test_both_say_a_part() -> None:
    declared = Signature((TensorSpec("x", None, (3, "k")),), (TensorSpec("y", "FP32", (None, 2)),))
    agreement = agree(predictor_of(annotated), declared)
    assert agreement.signature == Signature(
        (TensorSpec("x", "FP32", (3, "k")),), (TensorSpec("y", "FP32", ("n", 2)),)
    )


def test_rest_takes_whatever_is_declared() -> None:
    assert agree(predictor_of(rest), Signature((X,))).signature == Signature((X,))
    assert agree(predictor_of(rest), None).signature is None


def test_a_declared_input_that_nobody_takes_is_a_warning() -> None:
    agreement = agree(predictor_of(plain), Signature((X, TensorSpec("zz"))))
    assert agreement.signature == Signature((X,))
    [warning] = agreement.warnings
    assert "declares the input 'zz'" in warning
    assert "did you mean 'z'?" in warning


@pytest.mark.parametrize(
    ("declared", "sentence"),
    [
        (Signature((TensorSpec("z"),)), "wants the tensor 'x', and the manifest declares inputs"),
        (Signature((TensorSpec("x", "FP64"),)), r"as FP64, and .* says FP32 \[n, \?\]"),
        (Signature((TensorSpec("x", None, ("n",)),)), r"as any datatype \[n\]"),
        (Signature(None, (TensorSpec("y", None, (1, 3)),)), r"output 'y' as .*\[1, 3\].*\[n, 2\]"),
        (Signature(None, (TensorSpec("yy"),)), "output 'yy', .*did you mean 'y'"),
    ],
)
def test_contradictions_show_both_ends(declared: Signature, sentence: str) -> None:
    with pytest.raises(InvalidRequestError, match=sentence):
        agree(predictor_of(annotated), declared)
