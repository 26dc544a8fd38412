"""Blocks: the masked rows of a request as questions, each made when there is room for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np

from penstock.core.arrays import Array
from penstock.plugins.shap.buffers import Buffers
from penstock.plugins.shap.masked_rows import MaskedRows

LEAST_ROWS: Final = 1024
"""Of a block, where a call has less: to make one costs the same for a few rows."""

MOST_BYTES: Final = 8 << 20
"""Of a block: a millisecond or two of the event loop."""

MOST_EXPLAINED: Final = 64
"""Rows of a request that a block has masked rows of, for the sake of the event loop as well."""


class Block(NamedTuple):
    """``rows`` [n, features], and of which row of the request each is [n]."""

    rows: Array
    of: Array


def rows_of_blocks(rows_per_call: int, row_bytes: int) -> int:
    """How many rows a block has: full calls, as far as they are not too large."""
    wanted = rows_per_call * -(-LEAST_ROWS // rows_per_call)
    return max(1, min(wanted, MOST_BYTES // max(1, row_bytes)))


def blocks_of(masked: Sequence[MaskedRows], most: int, buffers: Buffers) -> Iterator[Block]:
    """All rows of each of them, in order, at most ``most`` in a block."""
    parts: list[tuple[int, int, int]] = []
    room = most
    for number, each in enumerate(masked):
        begin = 0
        while begin < each.count:
            taken = min(each.count - begin, room)
            parts.append((number, begin, taken))
            room -= taken
            begin += taken
            if not room or len(parts) == MOST_EXPLAINED:
                yield _block(masked, parts, buffers)
                parts, room = [], most
    if parts:
        yield _block(masked, parts, buffers)


def _block(
    masked: Sequence[MaskedRows], parts: Sequence[tuple[int, int, int]], buffers: Buffers
) -> Block:
    """``parts`` say of which of them how many rows are taken from where on."""
    of = np.repeat([number for number, _, _ in parts], [taken for _, _, taken in parts])
    row = masked[0].row
    rows = buffers.empty((len(of), len(row)), row.dtype)
    filled = 0
    for number, begin, taken in parts:
        masked[number].fill(rows[filled : filled + taken], begin)
        filled += taken
    return Block(rows, of)
