"""Walks: features are put in one after the other, in several orders, and left out again."""

from __future__ import annotations

from typing import Final

import numpy as np

from penstock.core.arrays import Array
from penstock.plugins.shap.coalitions import Coalitions

MOST_COMPARED: Final = 16
"""Features. Of more, walks hardly meet in the same coalition."""


class Walks(Coalitions):
    """Each order is gone through from both ends, which takes out much of what chance puts in.

    Štrumbelj and Kononenko, Explaining prediction models and individual predictions with feature
    contributions, 2014; from both ends: Mitchell et al., Sampling Permutations for Shapley Value
    Estimation, 2022. What walks have in common is asked once.

    ``orders`` [orders, features] has the numbers of the features.
    """

    def __init__(self, orders: Array) -> None:
        features = orders.shape[1]
        places = np.argsort(orders, axis=1)
        self._places = np.concatenate([places, features - 1 - places])
        """At which step of each walk a feature is put in."""
        walks = np.arange(len(self._places))
        between = np.arange(1, features)
        self._walks, self._sizes = np.repeat(walks, len(between)), np.tile(between, len(walks))
        found = np.arange(len(self._walks))
        if features <= MOST_COMPARED:
            found = self._without_others_twice()
        stops = np.zeros((len(walks), features + 1), np.int64)  # of each walk, the first is empty
        stops[:, 1:-1] = 1 + found.reshape(len(walks), -1)
        self._walks = np.concatenate([[0], self._walks])
        self._sizes = np.concatenate([[0], self._sizes])
        stops[:, -1] = self.count
        self._before = np.take_along_axis(stops, self._places, axis=1)
        self._after = np.take_along_axis(stops, self._places + 1, axis=1)
        """By walk and feature the coalition without it, and that with it."""

    @property
    def count(self) -> int:
        return len(self._walks)

    def masks(self, begin: int, end: int) -> Array:
        masks: Array = self._places[self._walks[begin:end]] < self._sizes[begin:end, None]
        return masks

    def values(self, means: Array) -> Array:
        values: Array = (means[self._after] - means[self._before]).mean(axis=0)
        return values

    def _without_others_twice(self) -> Array:
        """Keep one of those that are the same; where each of them is now."""
        masks = np.packbits(self.masks(0, self.count), axis=1)
        _, first, found = np.unique(masks, axis=0, return_index=True, return_inverse=True)
        self._walks, self._sizes = self._walks[first], self._sizes[first]
        return found.reshape(-1)


def random_walks(features: int, orders: int, seed: int) -> Walks:
    """As many orders, drawn at random."""
    numbers = np.tile(np.arange(features), (orders, 1))
    return Walks(np.random.default_rng(seed).permuted(numbers, axis=1))
