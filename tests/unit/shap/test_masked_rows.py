"""Masked rows: each as it is defined, however they are cut, and none twice where it is the same."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.arrays import Array
from penstock.plugins.shap.blocks import (
    LEAST_ROWS,
    MOST_BYTES,
    MOST_EXPLAINED,
    blocks_of,
    rows_of_blocks,
)
from penstock.plugins.shap.buffers import Buffers
from penstock.plugins.shap.coalitions import Coalitions, every_coalition
from penstock.plugins.shap.masked_rows import (
    MOST_PLACES,
    MaskedRows,
    masked_rows,
    places_of,
)
from penstock.plugins.shap.walks import random_walks

DTYPES = (np.float64, np.float32, np.float16, np.int64, np.int32, np.uint8, np.bool_)


def made(masked: MaskedRows, cuts: list[int]) -> Array:
    """All rows, made up to each of the cuts."""
    bounds = [0, *sorted(cut % (masked.count + 1) for cut in cuts), masked.count]
    rows = np.empty((masked.count, len(masked.row)), masked.row.dtype)
    for begin, end in pairwise(bounds):
        if begin < end:
            masked.fill(rows[begin:end], begin)
    return rows


def defined(coalitions: Coalitions, row: Array, background: Array) -> Array:
    """[coalitions, background, features]"""
    masks = coalitions.masks(0, coalitions.count)
    return np.where(masks[:, None, :], row, background)


def drawn(dtype: Any, features: int, background: int, most: int, seed: int) -> tuple[Array, Array]:
    random = np.random.default_rng(seed)
    numbers = random.integers(0, most, size=(1 + background, features))
    return numbers[0].astype(dtype), numbers[1:].astype(dtype)


@given(
    dtype=st.sampled_from(DTYPES),
    features=st.integers(1, 8),
    background=st.integers(1, 7),
    most=st.sampled_from([1, 2, 3, 200]),
    cuts=st.lists(st.integers(0, 400), max_size=4),
    seed=st.integers(0, 50),
    held=st.booleans(),
)
def test_means_are_those_of_the_rows_as_they_are_defined(
    dtype: Any, features: int, background: int, most: int, cuts: list[int], seed: int, held: bool
) -> None:
    row, usual = drawn(dtype, features, background, most, seed)
    coalitions = random_walks(features, 2, seed)
    masked = masked_rows(
        coalitions, row, usual, places_of(coalitions, background) if held else None
    )
    rows = made(masked, cuts)
    assert rows.dtype == row.dtype
    assert np.array_equal(rows[-1], row)

    def model(rows: Array) -> Array:
        numbers = rows.astype(np.float64)
        return np.stack([numbers.sum(axis=-1), (numbers[..., 0] * numbers[..., -1])], axis=-1)

    means = masked.means(model(rows))
    expected = model(defined(coalitions, row, usual)).mean(axis=1)
    assert np.allclose(means, np.concatenate([expected, model(row[None])]))
    assert masked.least <= masked.count <= 1 + coalitions.count * background


def test_what_differs_is_asked_once() -> None:
    coalitions = every_coalition(4)
    usual = np.array([[1.0, 2.0, 3.0, 4.0], [5.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]])
    masked = masked_rows(coalitions, np.array([1.0, 2.0, 3.0, 4.0]), usual)
    # Of the first nothing differs, of the second one feature, of the third all.
    assert masked.count == 1 + 2 + 15 + 1
    rows = made(masked, [])
    assert len(np.unique(rows[:-1], axis=0)) == 1 + 1 + 15 - 1  # that of the second is the row too


@pytest.mark.parametrize("held", [True, False])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_where_everything_differs_nothing_is_looked_for(dtype: Any, held: bool) -> None:
    coalitions = every_coalition(3)
    row = np.array([0.0, -0.0, np.nan], dtype)
    usual = np.arange(1, 13, dtype=dtype).reshape(4, 3)
    masked = masked_rows(coalitions, row, usual, places_of(coalitions, 4) if held else None)
    assert masked.least == masked.count == 1 + 7 * 4
    rows, expected = made(masked, [5, 13])[:-1], defined(coalitions, row, usual)
    assert rows.tobytes() == expected.tobytes()


def test_places_are_held_for_no_more_than_so_many_cells() -> None:
    coalitions = every_coalition(8)
    most = MOST_PLACES // (8 * coalitions.count)
    places = places_of(coalitions, most)
    assert places is not None
    assert places.shape == (coalitions.count * most, 8)
    assert places_of(coalitions, most + 1) is None


def test_what_is_no_number_differs_from_itself() -> None:
    row, usual = np.array([np.nan, 1.0]), np.array([[np.nan, 1.0], [2.0, 1.0]])
    masked = masked_rows(every_coalition(2), row, usual)
    rows = made(masked, [])
    assert np.isnan(rows[:, 0]).sum() >= 3
    means = masked.means(np.nan_to_num(rows, nan=10.0))
    assert means[:, 0].tolist() == [6.0, 10.0, 6.0, 10.0]


def test_many_features_are_not_compared() -> None:
    row, usual = np.zeros(60), np.zeros((9, 60))
    coalitions = random_walks(60, 1, 0)
    assert masked_rows(coalitions, row, usual).count == 1 + coalitions.count * 9


@pytest.mark.parametrize(
    ("rows_per_call", "row_bytes", "expected"),
    [
        (4096, 80, 4096),
        (1, 80, LEAST_ROWS),
        (150, 80, 1050),
        (4096, 8192, MOST_BYTES // 8192),
        (1, MOST_BYTES * 2, 1),
        (4096, 0, 4096),
    ],
)
def test_blocks_are_full_calls_within_bounds(
    rows_per_call: int, row_bytes: int, expected: int
) -> None:
    assert rows_of_blocks(rows_per_call, row_bytes) == expected


def test_a_block_has_rows_of_several_and_says_whose() -> None:
    coalitions = every_coalition(2)
    usual = np.array([[7.0, 8.0]])
    rows = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    masked = [masked_rows(coalitions, row, usual) for row in rows]
    blocks = [(block.rows.copy(), block.of.tolist()) for block in blocks_of(masked, 5, Buffers(1))]
    assert [of for _, of in blocks] == [[0, 0, 0, 0, 1], [1, 1, 1, 2, 2], [2, 2]]
    whole = np.concatenate([made(each, []) for each in masked])
    assert np.array_equal(np.concatenate([block for block, _ in blocks]), whole)


def test_a_block_has_rows_of_no_more_than_so_many() -> None:
    masked = [masked_rows(every_coalition(1), np.array([1.0]), np.array([[0.0]]))] * 100
    blocks = list(blocks_of(masked, 10_000, Buffers(4)))
    assert [len(set(block.of.tolist())) for block in blocks] == [
        MOST_EXPLAINED,
        100 - MOST_EXPLAINED,
    ]
