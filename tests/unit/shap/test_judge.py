"""The library shap is the judge of what is computed here without it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("shap", reason="shap is not installed: pip install 'penstock[shap]'")

import shap

from penstock.core.arrays import Array
from penstock.plugins.shap.coalitions import Coalitions, every_coalition
from penstock.plugins.shap.masked_rows import masked_rows
from penstock.plugins.shap.walks import Walks, random_walks
from penstock.plugins.shap.weighted import weighted_coalitions

SEEDS = range(40)


def model(rows: Array) -> Array:
    """Two outputs in which features act together, three at a time."""
    products = rows[:, :-2] * rows[:, 1:-1] * rows[:, 2:] + rows[:, :-2] * rows[:, 2:]
    return np.stack([np.tanh(rows).sum(axis=1) + products.sum(axis=1), np.sin(rows[:, 0])], axis=1)


def drawn(features: int, background: int = 15, seed: int = 0) -> tuple[Array, Array]:
    """A row, and a background."""
    random = np.random.default_rng(seed)
    return random.normal(size=features), random.normal(size=(background, features))


def ours(coalitions: Coalitions, row: Array, background: Array) -> tuple[Array, Array]:
    """Values [features, outputs], and base values [outputs]."""
    masked = masked_rows(coalitions, row, background)
    rows = np.empty((masked.count, len(row)))
    masked.fill(rows, 0)
    means = masked.means(model(rows))
    values = coalitions.values(means)
    assert np.allclose(values.sum(axis=0) + means[0], model(row[None])[0])
    return values, means[0]


def of_kernel(row: Array, background: Array, samples: int, seed: int = 0) -> Any:
    """What shap.KernelExplainer says."""
    np.random.seed(seed)
    explainer = shap.KernelExplainer(model, background, seed=seed)
    return explainer.shap_values(row[None], nsamples=samples, l1_reg=False, silent=True)[0]


def of_permutations(row: Array, background: Array, orders: int, seed: int = 0) -> Any:
    """What shap.PermutationExplainer says."""
    masker = shap.maskers.Independent(background, max_samples=len(background))
    explainer = shap.PermutationExplainer(model, masker, seed=seed)
    evaluations = orders * (2 * len(row) + 1)
    return explainer(row[None], max_evals=evaluations, silent=True)


@pytest.mark.parametrize("features", [2, 5, 9, 20])
def test_the_same_permutations_have_the_same_values(
    features: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    row, background = drawn(features)
    random = np.random.default_rng(1)
    orders = np.array([random.permutation(features) for _ in range(3)])
    waiting = iter(orders)

    def shuffle(numbers: Array) -> None:
        numbers[:] = next(waiting)

    monkeypatch.setattr(np.random, "shuffle", shuffle)
    judge = of_permutations(row, background, 3)
    assert next(waiting, None) is None
    values, base = ours(Walks(orders), row, background)
    assert np.allclose(values, judge.values[0])
    assert np.allclose(base, judge.base_values[0])


@pytest.mark.parametrize("features", [2, 3, 7, 10])
def test_of_every_coalition_they_are_those_of_kernel_explainer_and_exact(features: int) -> None:
    row, background = drawn(features)
    values, base = ours(every_coalition(features), row, background)
    assert np.allclose(values, of_kernel(row, background, 2**features - 2))
    exact = shap.ExactExplainer(model, shap.maskers.Independent(background, max_samples=15))
    judge = exact(row[None])
    assert np.allclose(values, judge.values[0])
    assert np.allclose(base, judge.base_values[0])


def error(say: Callable[[Array, Array, int], Array], features: int) -> float:
    """The root of the mean square of what values are off by, over rows and seeds."""
    squares = []
    for seed in SEEDS:
        row, background = drawn(features, 5, seed)
        exact, _ = ours(every_coalition(features), row, background)
        squares.append(np.mean((say(row, background, seed) - exact) ** 2))
    return float(np.sqrt(np.mean(squares)))


@pytest.mark.parametrize("samples", [40, 200])
def test_a_sample_of_coalitions_is_off_by_no_more_than_the_librarys(samples: int) -> None:
    features = 12

    def say(row: Array, background: Array, seed: int) -> Array:
        return ours(weighted_coalitions(features, samples, seed), row, background)[0]

    def judge(row: Array, background: Array, seed: int) -> Any:
        return of_kernel(row, background, samples, seed)

    assert error(say, features) < 1.1 * error(judge, features)


def test_walks_are_off_by_no_more_than_the_librarys() -> None:
    def say(row: Array, background: Array, seed: int) -> Array:
        return ours(random_walks(12, 4, seed), row, background)[0]

    def judge(row: Array, background: Array, seed: int) -> Any:
        return of_permutations(row, background, 4, seed).values[0]

    assert error(say, 12) < 1.1 * error(judge, 12)
