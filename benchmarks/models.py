"""The benchmark's models: as little work as a model can do, in numpy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def one(x: NDArray[np.generic]) -> dict[str, NDArray[np.generic]]:
    """One more."""
    return {"y": x + 1}


def again(y: NDArray[np.generic]) -> dict[str, NDArray[np.generic]]:
    """One more, for the next in a chain."""
    return {"y": y + 1}


def double(x: NDArray[np.generic]) -> dict[str, NDArray[np.generic]]:
    """Twice as much."""
    return {"y": x + x}


def total(a: NDArray[np.generic], b: NDArray[np.generic]) -> dict[str, NDArray[np.generic]]:
    """Both together."""
    return {"y": a + b}
