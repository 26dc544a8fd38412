"""The step after the forest: how far the disease has got, as a number and as a word."""

from __future__ import annotations

from typing import Any

import numpy as np


def grade(predict: np.ndarray[Any, np.dtype[np.float64]]) -> dict[str, Any]:
    """``progress`` [n, 1] between 0 and 1, and ``word`` [n]."""
    progress = np.clip((predict - 50.0) / 250.0, 0.0, 1.0)
    words = np.where(progress.ravel() > 0.5, b"far", b"early").astype(object)
    return {"progress": progress, "word": words}
