"""What is no graph in ONNX: the mean of two classifiers."""

from __future__ import annotations

from typing import Annotated, TypedDict

import numpy as np
from numpy.typing import NDArray

from penstock import Shape

Probabilities = Annotated[NDArray[np.float32], Shape("n", 3)]


class Decision(TypedDict):
    """The kind of iris, 0 to 2, and the probability of each kind."""

    kind: Annotated[NDArray[np.int64], Shape("n")]
    probabilities: Probabilities


def mean(one: Probabilities, other: Probabilities) -> Decision:
    """The mean of both, and the kind that it makes most likely."""
    probabilities = (one + other) / 2
    return {"kind": probabilities.argmax(axis=1), "probabilities": probabilities}
