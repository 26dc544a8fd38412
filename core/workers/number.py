"""Which of several workers a process is, and what is numbered by that."""

from __future__ import annotations

from typing import NamedTuple


class WorkerNumber(NamedTuple):
    """One of so many ``workers``, which have the numbers from 1 on."""

    number: int
    workers: int

    @property
    def letters(self) -> range:
        """The numbers of its dead letters: no other worker has one of them, and each says whose it
        is."""
        return range(self.number, 2**63, self.workers)
