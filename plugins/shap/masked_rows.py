"""Masked rows: a row with the background in the place of the features that are left out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from typing import Final

import numpy as np

from penstock.core.arrays import Array
from penstock.plugins.shap.coalitions import Coalitions

WORTH: Final = 0.05
"""How much of the background has to be as the row is, for what is the same to be looked for."""

KEY_BITS: Final = 63
"""Of the numbers by which rows are compared."""

MOST_PLACES: Final = 1 << 21
"""Held for an explainer: 16 MiB. Where there are more, they come from memory more slowly than rows
are made of bits."""


class MaskedRows(ABC):
    """Those of one row: for each coalition as many as the background has, then the row itself."""

    def __init__(self, coalitions: Coalitions, row: Array, background: Array) -> None:
        self._coalitions = coalitions
        self.row = row
        self._background = background

    @property
    def count(self) -> int:
        """How many are asked."""
        return self._masked_count + 1

    @property
    @abstractmethod
    def least(self) -> int:
        """How many are asked at least, as far as is known without looking for it."""

    def fill(self, rows: Array, begin: int) -> None:
        """Make ``rows`` [n, features], which are contiguous and typed as the row and the background
        are, the next n from ``begin`` on."""
        end = begin + len(rows)
        self._fill(rows[: self._masked_count - begin], begin)
        if end == self.count:
            rows[-1] = self.row

    def means(self, outputs: Array) -> Array:
        """As :meth:`Coalitions.values` takes them, of the outputs of all that are asked [count,
        outputs]."""
        return np.concatenate([self._means(outputs[:-1]), outputs[-1:]])

    @property
    @abstractmethod
    def _masked_count(self) -> int: ...

    @abstractmethod
    def _fill(self, rows: Array, begin: int) -> None: ...

    @abstractmethod
    def _means(self, outputs: Array) -> Array: ...


def places_of(coalitions: Coalitions, times: int) -> Array | None:
    """Whence the cells of all masked rows are taken, whatever the row: intp [coalitions * times,
    features], of a background of so many rows, cell by cell, with the row behind it. None where
    they are too many to be held."""
    masks = coalitions.masks(0, coalitions.count)
    features = masks.shape[1]
    usual = times * features
    if len(masks) * usual > MOST_PLACES:
        return None
    of_row = np.arange(usual, usual + features)
    of_background = np.arange(usual).reshape(times, features)
    return np.where(masks[:, None], of_row, of_background).reshape(-1, features)


def masked_rows(
    coalitions: Coalitions, row: Array, background: Array, places: Array | None = None
) -> MaskedRows:
    """Those of ``row`` [features], which is typed as ``background`` [rows, features] is; ``places``
    are those of :func:`places_of`."""
    differs = row != background
    bits = differs.shape[1] + len(background).bit_length()
    if bits <= KEY_BITS and differs.mean() <= 1.0 - WORTH:
        return _Different(coalitions, row, background, differs)
    if places is None:
        return _Turned(coalitions, row, background)
    return _Taken(coalitions, row, background, places)


class _All(MaskedRows):
    """By coalition, then by background."""

    @property
    def least(self) -> int:
        return self.count

    @property
    def _masked_count(self) -> int:
        return self._coalitions.count * len(self._background)

    def _means(self, outputs: Array) -> Array:
        by_coalition = outputs.reshape(self._coalitions.count, len(self._background), -1)
        means: Array = by_coalition.mean(axis=1)
        return means


class _Taken(_All):
    """Each cell is taken from the background or the row.

    It is one call of numpy, which needs the interpreter at its begin and end alone. Where a model
    runs in a thread, whoever makes rows by several waits before each for the model to let go.
    """

    def __init__(
        self, coalitions: Coalitions, row: Array, background: Array, places: Array
    ) -> None:
        super().__init__(coalitions, row, background)
        self._places = places
        self._cells = np.concatenate([background.reshape(-1), row])

    def _fill(self, rows: Array, begin: int) -> None:
        places = self._places[begin : begin + len(rows)]
        np.take(self._cells, places, out=rows, mode="clip")  # none is outside: no copy to see it


class _Turned(_All):
    """They are made as whole numbers of the same bits: those bits in which the row differs from the
    background are turned where a feature is in. It takes half as long as to choose.
    """

    def __init__(self, coalitions: Coalitions, row: Array, background: Array) -> None:
        super().__init__(coalitions, row, background)
        self._bits = _bits(background)
        self._differing = self._bits ^ _bits(row)

    def _fill(self, rows: Array, begin: int) -> None:
        bits = _bits(rows)
        times, filled = len(self._background), 0
        while filled < len(rows):
            coalition, skipped = divmod(begin + filled, times)
            left = len(rows) - filled
            if skipped or left < times:
                coalitions, of_each = 1, min(times - skipped, left)
            else:
                coalitions, of_each = left // times, times
            part = bits[filled : filled + coalitions * of_each]
            masks = self._coalitions.masks(coalition, coalition + coalitions)
            ones = np.where(masks, ~part.dtype.type(0), part.dtype.type(0))
            part.reshape(len(masks), of_each, -1)[:] = ones[:, None]
            background = slice(skipped, skipped + of_each)
            # As long rows, of all of the background: numpy goes through short ones more slowly.
            part = part.reshape(len(masks), -1)
            part &= self._differing[background].reshape(-1)
            part ^= self._bits[background].reshape(-1)
            filled += coalitions * of_each


class _Different(MaskedRows):
    """Those that differ, each once: to put in a feature that is as it was changes nothing."""

    def __init__(
        self, coalitions: Coalitions, row: Array, background: Array, differs: Array
    ) -> None:
        super().__init__(coalitions, row, background)
        self._differs = differs

    @property
    def least(self) -> int:
        return 1

    @cached_property
    def _places(self) -> tuple[Array, Array]:
        """Of each that differs, its place among all; of all, by coalition and by background, the
        place among those that differ."""
        features = len(self.row)
        powers = 1 << np.arange(features)
        masks = self._coalitions.masks(0, self._coalitions.count)
        keys = (masks @ powers)[:, None] & (self._differs @ powers)
        keys |= np.arange(len(self._background)) << features
        _, first, found = np.unique(keys, return_index=True, return_inverse=True)
        return first, found.reshape(keys.shape)

    @property
    def _masked_count(self) -> int:
        return len(self._places[0])

    def _fill(self, rows: Array, begin: int) -> None:
        places = self._places[0][begin : begin + len(rows)]
        coalitions, of_background = np.divmod(places, len(self._background))
        masks = self._coalitions.masks(0, self._coalitions.count)
        np.take(self._background, of_background, axis=0, out=rows, mode="clip")
        np.putmask(rows, masks[coalitions], self.row)

    def _means(self, outputs: Array) -> Array:
        means: Array = outputs[self._places[1]].mean(axis=1)
        return means


def _bits(array: Array) -> Array:
    return array.view(f"u{array.itemsize}")
