"""SHAP values of games, against the definition and against what has to hold of any."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from math import comb, factorial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.arrays import Array
from penstock.core.errors import InvalidRequestError
from penstock.plugins.shap import walks
from penstock.plugins.shap.coalitions import Coalitions, every_coalition
from penstock.plugins.shap.walks import Walks, random_walks
from penstock.plugins.shap.weighted import MOST_CELLS, weighted_coalitions

KINDS: dict[str, Callable[[int, int], Coalitions]] = {
    "every": lambda features, _: every_coalition(features),
    "walks": lambda features, seed: random_walks(features, 3, seed),
    "weighted": lambda features, seed: weighted_coalitions(features, 3 * features, seed),
}


class Game:
    """``outputs`` numbers for every coalition of ``features``, given by chance."""

    def __init__(self, features: int, seed: int, outputs: int = 2) -> None:
        self.features = features
        self._worth = np.random.default_rng(seed).normal(size=(2**features, outputs))

    def means(self, masks: Array) -> Array:
        means: Array = self._worth[masks @ (1 << np.arange(self.features))]
        return means

    def values(self, coalitions: Coalitions) -> Array:
        """As an explanation has them."""
        masks = coalitions.masks(0, coalitions.count)
        assert masks.dtype == bool
        assert not masks[0].any()
        whole = np.ones((1, self.features), bool)
        return coalitions.values(self.means(np.concatenate([masks, whole])))

    def defined(self) -> Array:
        """What each feature adds when it comes, on the average over all orders of coming."""
        total = np.zeros((self.features, self._worth.shape[1]))
        for order in permutations(range(self.features)):
            mask = np.zeros((1, self.features), bool)
            for feature in order:
                before = self.means(mask)[0]
                mask[0, feature] = True
                total[feature] += self.means(mask)[0] - before
        return total / factorial(self.features)


@pytest.mark.parametrize("features", [1, 2, 3, 6])
def test_of_every_coalition_the_values_are_those_of_the_definition(features: int) -> None:
    game = Game(features, 0)
    coalitions = every_coalition(features)
    masks = np.packbits(coalitions.masks(0, coalitions.count), axis=1)
    assert len(np.unique(masks, axis=0)) == 2**features - 1  # without the whole
    assert np.allclose(game.values(coalitions), game.defined())


@pytest.mark.parametrize("features", [1, 2, 4, 5])
def test_walks_in_every_order_have_the_values_of_the_definition(features: int) -> None:
    coalitions = Walks(np.array(list(permutations(range(features)))))
    assert coalitions.count == 2**features - 1
    game = Game(features, 1)
    assert np.allclose(game.values(coalitions), game.defined())


@given(
    kind=st.sampled_from(sorted(KINDS)),
    features=st.integers(1, 9),
    seed=st.integers(0, 100),
)
def test_values_add_up_to_what_there_is(kind: str, features: int, seed: int) -> None:
    if kind == "weighted" and 3 * features >= 2**features - 2:
        kind = "every"
    game = Game(features, seed)
    total = game.means(np.ones((1, features), bool)) - game.means(np.zeros((1, features), bool))
    values = game.values(KINDS[kind](features, seed))
    assert values.shape == (features, 2)
    assert np.allclose(values.sum(axis=0), total[0], rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_what_features_add_on_their_own_is_found_by_any_sample(kind: str) -> None:
    features = 12
    weights = np.random.default_rng(0).normal(size=(features, 3))
    coalitions = KINDS[kind](features, 0)
    masks = coalitions.masks(0, coalitions.count)
    means = np.concatenate([masks, np.ones((1, features), bool)]) @ weights + 5.0
    assert np.allclose(coalitions.values(means), weights)


def test_what_walks_have_in_common_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    merged = random_walks(7, 10, 3)
    monkeypatch.setattr(walks, "MOST_COMPARED", 0)
    apart = random_walks(7, 10, 3)
    assert apart.count == 1 + 2 * 10 * 6
    assert merged.count < apart.count
    assert len(np.unique(merged.masks(0, merged.count), axis=0)) == merged.count
    game = Game(7, 2)
    assert np.allclose(game.values(merged), game.values(apart))


def test_masks_can_be_had_in_parts() -> None:
    for kind in KINDS.values():
        coalitions = kind(6, 0)
        whole = coalitions.masks(0, coalitions.count)
        assert np.array_equal(coalitions.masks(3, 8), whole[3:8])


def test_walks_go_from_both_ends() -> None:
    masks = random_walks(20, 1, 0).masks(1, 39)
    sizes = masks.sum(axis=1)
    assert sizes.tolist() == [*range(1, 20), *range(1, 20)]
    assert np.array_equal(masks[:19], ~masks[19:][::-1])


@pytest.mark.parametrize(
    ("features", "samples", "whole_sizes"),
    [(10, 200, 1), (20, 60, 0), (50, 40, 0), (9, 300, 2), (20, 300, 1), (8, 200, 2)],
)
def test_sizes_that_samples_suffice_for_are_whole(
    features: int, samples: int, whole_sizes: int
) -> None:
    coalitions = weighted_coalitions(features, samples, 0)
    masks = coalitions.masks(1, coalitions.count)
    assert len(np.unique(masks, axis=0)) == len(masks)
    assert samples - 1 <= len(masks) <= samples
    sizes = masks.sum(axis=1)
    for size in range(1, features // 2 + 1):
        there = int(np.isin(sizes, [size, features - size]).sum())
        whole = comb(features, size) * (1 if 2 * size == features else 2)
        assert (there == whole) == (size <= whole_sizes)
    complements = {mask.tobytes() for mask in ~masks}
    assert complements == {mask.tobytes() for mask in masks}


def test_the_same_seed_draws_the_same() -> None:
    for kind in (KINDS["walks"], KINDS["weighted"]):
        one, again, other = kind(20, 1), kind(20, 1), kind(20, 2)
        masks = [each.masks(0, each.count).tolist() for each in (one, again, other)]
        assert masks[0] == masks[1]
        assert masks[0] != masks[2]


@pytest.mark.parametrize("samples", [1, 2, 3])
def test_of_few_samples_features_have_equal_parts_of_what_is_not_known(samples: int) -> None:
    game = Game(6, 0)
    values = game.values(weighted_coalitions(6, samples, 0))
    total = game.means(np.ones((1, 6), bool)) - game.means(np.zeros((1, 6), bool))
    assert np.allclose(values.sum(axis=0), total[0])
    if samples == 1:
        assert np.allclose(values, total[0] / 6)


def test_a_regression_that_is_too_large_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="write fewer 'samples', or use permutation_shap"):
        weighted_coalitions(MOST_CELLS // 100, 101, 0)
