"""Small models whose answers tell them apart, and one that does not work."""

from __future__ import annotations

from typing import Annotated, TypedDict

import numpy as np
from numpy.typing import NDArray

from penstock import Shape

Numbers = Annotated[NDArray[np.float32], Shape("n")]


class Output(TypedDict):
    """One tensor of numbers."""

    OUTPUT: Numbers


def old(INPUT: Numbers) -> Output:  # noqa: N803 - as in the other examples
    """A price as it always was."""
    return {"OUTPUT": INPUT + np.float32(10)}


def new(INPUT: Numbers) -> Output:  # noqa: N803 - as above
    """A price by a new rule."""
    return {"OUTPUT": INPUT + np.float32(20)}


def newest(INPUT: Numbers) -> Output:  # noqa: N803 - as above
    """A price by a rule that is newer still."""
    return {"OUTPUT": INPUT + np.float32(30)}


def broken(INPUT: Numbers) -> Output:  # noqa: N803 - as above
    """A price that nobody gets."""
    raise RuntimeError("this model does not work")
