"""Weighted coalitions: SHAP values as a regression over which features are put in."""

from __future__ import annotations

from itertools import combinations
from math import comb
from typing import Final, NamedTuple

import numpy as np

from penstock.core.arrays import Array
from penstock.core.errors import InvalidRequestError
from penstock.plugins.shap.coalitions import LinearCoalitions

MOST_CELLS: Final = 1 << 24
"""Of the matrix of the regression: features times coalitions. It takes 8 bytes for each."""

ROUNDS: Final = 16
"""After so many draws for each pair that is wanted, those that were found are enough."""

NOTHING: Final = 1e-12
"""What is that much smaller than the largest eigenvalue is a direction that no mask shows."""


class _Sample(NamedTuple):
    """``masks`` [n, features], and how much each counts [n]."""

    masks: Array
    weights: Array


def weighted_coalitions(features: int, samples: int, seed: int) -> LinearCoalitions:
    """``samples`` of them, less than there are, and the empty one.

    Kernel SHAP: Lundberg and Lee, A Unified Approach to Interpreting Model Predictions, 2017. Sizes
    that the samples suffice for are gone through, from both ends. Of the others coalitions are
    drawn, each with its complement (Covert and Lee, Improving KernelSHAP, 2021).

    Raises InvalidRequestError where the regression would be too large.
    """
    if features * samples > MOST_CELLS:
        raise InvalidRequestError(
            f"kernel_shap holds a matrix of features times samples, and {features} times {samples} "
            f"are more than {MOST_CELLS}; write fewer 'samples', or use permutation_shap"
        )
    sample = _sample(features, samples, seed)
    masks = np.concatenate([np.zeros((1, features), bool), sample.masks])
    return LinearCoalitions(masks, _solution(sample))


def _sample(features: int, samples: int, seed: int) -> _Sample:
    # A coalition and its complement count the same, so what is said of a size is of both sizes.
    sizes = np.arange(1, features // 2 + 1)
    both = np.where(2 * sizes == features, 1, 2)
    weights = both * (features - 1) / (sizes * (features - sizes))
    parts = []
    left = samples
    for index, size in enumerate(sizes.tolist()):
        there = int(both[index]) * comb(features, size)
        if left * weights[index] < there * weights[index:].sum():
            parts.append(_drawn(features, sizes[index:], weights[index:], left // 2, seed))
            break
        masks = _all_of_size(features, size)
        masks = masks if 2 * size == features else np.concatenate([masks, ~masks])
        parts.append(_Sample(masks, np.full(there, weights[index] / there)))
        left -= there
    return _Sample(*map(np.concatenate, zip(*parts, strict=True)))


def _all_of_size(features: int, size: int) -> Array:
    chosen = np.array(list(combinations(range(features), size)))
    masks = np.zeros((len(chosen), features), bool)
    np.put_along_axis(masks, chosen, True, axis=1)
    return masks


def _drawn(features: int, sizes: Array, weights: Array, pairs: int, seed: int) -> _Sample:
    """So many different pairs; what is drawn again counts again."""
    random = np.random.default_rng(seed)
    drawn = np.empty((0, features), bool)
    for _ in range(ROUNDS):
        of_sizes = random.choice(sizes, pairs, p=weights / weights.sum())
        places = random.permuted(np.tile(np.arange(features), (pairs, 1)), axis=1)
        masks = places < of_sizes[:, None]
        halves = 2 * of_sizes == features  # whose complements are of the same size
        masks[halves] ^= masks[halves, :1]
        drawn = np.concatenate([drawn, masks])
        _, first = np.unique(np.packbits(drawn, axis=1), axis=0, return_index=True)
        if len(first) >= pairs:
            break
    last = np.sort(first)[:pairs][-1:].sum()
    packed = np.packbits(drawn[: last + 1], axis=1)
    _, first, counts = np.unique(packed, axis=0, return_index=True, return_counts=True)
    masks = drawn[first]
    each = counts / counts.sum() * weights.sum() / 2
    return _Sample(np.concatenate([masks, ~masks]), np.concatenate([each, each]))


def _solution(sample: _Sample) -> Array:
    """The matrix that makes values of means: the least squares of what a regression is off by,
    among the values that add up to what there is.

    That is each feature's equal part, and of the rest, which adds up to nothing, the smallest that
    fits best.
    """
    features = sample.masks.shape[1]
    parts = sample.masks.mean(axis=1)  # of the whole, if all features had the same value
    centred = sample.masks - parts[:, None]
    weighted = centred.T * sample.weights
    rest = np.linalg.pinv(weighted @ centred, rcond=NOTHING, hermitian=True) @ weighted
    equal, expected = 1.0 / features, rest @ parts
    empty = expected - equal - rest.sum(axis=1)
    return np.column_stack([empty, rest, equal - expected])
