"""Buffers: memory of masked rows that is used again."""

from __future__ import annotations

import weakref
from math import prod
from typing import Any

import numpy as np

from penstock.core.arrays import Array


class Buffers:
    """At most ``most`` are kept.

    The system gives memory by pages of 4 KiB, which it clears: of masked rows that are made anew
    this costs more than to fill them. A buffer is free when no array over it is left, wherever
    such an array went; so a model that keeps what it is called with keeps it as it was.
    """

    def __init__(self, most: int) -> None:
        self._kept = [_Buffer() for _ in range(most)]

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        """An array with anything in it."""
        free = next((buffer for buffer in self._kept if buffer.is_free), None) or _Buffer()
        return free.lend(prod(shape) * dtype.itemsize).view(dtype).reshape(shape)


class _Buffer:
    def __init__(self) -> None:
        self._bytes = np.empty(0, np.uint8)
        self._lent: weakref.ref[Array] | None = None

    @property
    def is_free(self) -> bool:
        return self._lent is None or self._lent() is None

    def lend(self, size: int) -> Array:
        if len(self._bytes) < size:
            self._bytes = np.empty(size, np.uint8)
        # An array over an array may hold what that is over in its place. Where that is no array, as
        # here, it holds the array.
        lent: Array = np.frombuffer(self._bytes[:size].data, np.uint8)
        self._lent = weakref.ref(lent)
        return lent
