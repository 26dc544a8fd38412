"""Explanations as tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import orjson

from penstock.core.records import Tensors
from penstock.core.signature import Signature, TensorSpec
from penstock.core.tensors import Tensor
from penstock.plugins.lux.explanation import Explanation

TENSORS: Final = (
    TensorSpec("rule", "BYTES", (None,)),
    TensorSpec("counterfactuals", "BYTES", (None,)),
    TensorSpec("precision", "FP64", (None,)),
    TensorSpec("fidelity", "FP64", (None,)),
)
"""One element for each row; those of BYTES are JSON."""


def answer_of(explanations: Sequence[Explanation]) -> Tensors:
    """The tensors of :data:`TENSORS`, in that order."""
    return (
        _json("rule", [each.rule for each in explanations]),
        _json("counterfactuals", [each.counterfactuals for each in explanations]),
        Tensor.from_numpy("precision", np.array([each.precision for each in explanations])),
        Tensor.from_numpy("fidelity", np.array([each.fidelity for each in explanations])),
    )


def signature_of(explained: Signature | None) -> Signature:
    """What goes in is what goes into what is explained."""
    return Signature(None if explained is None else explained.inputs, TENSORS)


def _json(name: str, documents: Sequence[object]) -> Tensor:
    texts = np.array([orjson.dumps(each) for each in documents], object)
    return Tensor.from_numpy(name, texts, {"content_type": "str"})
