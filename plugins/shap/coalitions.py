"""Coalitions: which features are put in together, and the SHAP values that follow from that."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from penstock.core.arrays import Array


class Coalitions(ABC):
    """Those that are asked for each row, whatever the row is.

    The first is empty. That of all features is not among them: there the row itself is asked.
    """

    @property
    @abstractmethod
    def count(self) -> int:
        """How many there are."""

    @abstractmethod
    def masks(self, begin: int, end: int) -> Array:
        """Which features are in those from ``begin`` to ``end``: bool [end - begin, features]."""

    @abstractmethod
    def values(self, means: Array) -> Array:
        """SHAP values [features, outputs].

        ``means`` [count + 1, outputs] is what is put out with the features of each coalition, the
        others as in the background, on the average over that; the last is that of the row. Values
        add up to the last less the first.
        """


@dataclass(frozen=True, slots=True)
class LinearCoalitions(Coalitions):
    """Held as masks, bool [count, features], and as the matrix that makes values of means, FP64
    [features, count + 1]."""

    held: Array
    matrix: Array

    @property
    def count(self) -> int:
        return len(self.held)

    def masks(self, begin: int, end: int) -> Array:
        return self.held[begin:end]

    def values(self, means: Array) -> Array:
        return self.matrix @ means


def every_coalition(features: int) -> LinearCoalitions:
    """All of them, 2 to the power of ``features``, from which the values are exact.

    By the definition: Shapley, A Value for n-Person Games, 1953.
    """
    numbers = np.arange(2**features)
    masks = (numbers[:, None] >> np.arange(features)) & 1 == 1
    sizes = masks.sum(axis=1)
    # By the size of a coalition, in what share of all orders its features come before another.
    shares = np.ones(features)
    for size in range(1, features):
        shares[size] = shares[size - 1] * size / (features - size)
    shares /= features
    put_in = shares[sizes - 1]  # of the feature that came last; none did in the empty one
    left_out = shares[np.minimum(sizes, features - 1)]
    matrix = np.where(masks, put_in[:, None], -left_out[:, None]).T
    return LinearCoalitions(masks[:-1], np.ascontiguousarray(matrix))
