"""The benchmark's models: as little work as a model can do, in numpy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def one(x: NDArray[np.number]) -> dict[str, NDArray[np.number]]:
    """One more."""
    return {"y": x + 1}


def again(y: NDArray[np.number]) -> dict[str, NDArray[np.number]]:
    """One more, for the next in a chain."""
    return {"y": y + 1}


def double(x: NDArray[np.number]) -> dict[str, NDArray[np.number]]:
    """Twice as much."""
    return {"y": x + x}


def total(a: NDArray[np.number], b: NDArray[np.number]) -> dict[str, NDArray[np.number]]:
    """Both together."""
    return {"y": a + b}
