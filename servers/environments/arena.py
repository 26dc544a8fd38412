"""Room in a piece of memory, taken and given back in any order."""

from __future__ import annotations

from bisect import insort
from collections import deque

from penstock.servers.environments.wire import ALIGNMENT


class Arena:
    """Keeps account of ``size`` bytes; holds none of them. First fit."""

    def __init__(self, size: int) -> None:
        self._free: list[tuple[int, int]] = [(0, size)] if size else []
        """Start and end of each piece, in order; no two touch."""
        self._taken: dict[int, int] = {}
        self._returned: deque[int] = deque()
        self.free = size
        """How many bytes nobody has."""

    def take(self, size: int) -> int | None:
        """Where so many bytes are now the caller's, None where they are not to be had."""
        while self._returned:
            self.give_back(self._returned.popleft())
        wanted = max(ALIGNMENT, -(-size // ALIGNMENT) * ALIGNMENT)
        for index, (start, end) in enumerate(self._free):
            if end - start >= wanted:
                if end - start == wanted:
                    del self._free[index]
                else:
                    self._free[index] = start + wanted, end
                self._taken[start] = start + wanted
                self.free -= wanted
                return start
        return None

    def give_back(self, start: int) -> None:
        """Give back what :meth:`take` gave."""
        piece = start, self._taken.pop(start)
        self.free += piece[1] - start
        insort(self._free, piece)
        index = self._free.index(piece)
        for left in (index, index - 1):
            if 0 <= left < len(self._free) - 1 and self._free[left][1] == self._free[left + 1][0]:
                self._free[left : left + 2] = [(self._free[left][0], self._free[left + 1][1])]

    def give_back_later(self, start: int) -> None:
        """The same, from any thread and within anything, as when an object is forgotten."""
        self._returned.append(start)
