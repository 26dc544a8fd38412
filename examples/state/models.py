"""Small models for pipelines whose joins keep state, and for one that is in time."""

from __future__ import annotations

import time
from typing import Annotated, TypedDict

import numpy as np
from numpy.typing import NDArray

from penstock import Shape

Numbers = Annotated[NDArray[np.float32], Shape("n")]


class Output(TypedDict):
    """One tensor of numbers."""

    OUTPUT: Numbers


def product(a: Numbers, b: Numbers | None = None) -> Output:
    """One times the other, where there is another."""
    return {"OUTPUT": a if b is None else a * b}


def difference(a: Numbers, b: Numbers) -> Output:
    """One less the other."""
    return {"OUTPUT": a - b}


def unchanged(INPUT: Numbers) -> Output:  # noqa: N803 - as in the other examples
    """What it was given."""
    return {"OUTPUT": INPUT}


def sleepy(INPUT: Numbers) -> Output:  # noqa: N803 - as above
    """What it was given, after as many seconds as its first number says."""
    time.sleep(float(INPUT[0]))
    return {"OUTPUT": INPUT}
