"""Memory that this process and a worker see both."""

from __future__ import annotations

import mmap
import os
import sys
import weakref

import numpy as np

from penstock.servers.environments.arena import Arena
from penstock.servers.processes.frames import copy_into, unfilled


class Region:
    """One piece of shared memory, in which this process alone decides what lies where.

    Takes no memory before it is written to, and goes with the last who sees it. Its size is 0 where
    the system has none (outside Linux) or nobody wants any.
    """

    def __init__(self, size: int) -> None:
        self.size = size if sys.platform == "linux" else 0
        self.arena = Arena(self.size)
        self.fd = -1
        self._memory = memoryview(b"")
        if self.size:
            self.fd = os.memfd_create("penstock")
            os.ftruncate(self.fd, self.size)
            self._memory = memoryview(mmap.mmap(self.fd, self.size))

    def view(self, start: int, size: int) -> memoryview:
        """A part of it."""
        return self._memory[start : start + size]

    def copy(self, start: int, size: int) -> memoryview:
        """A copy of a part."""
        copy = unfilled(size)
        copy_into(copy, self.view(start, size))
        return copy

    @property
    def may_lend(self) -> bool:
        """Whether so much of it is free that what lies in it may stay there for a while."""
        return self.arena.free >= self.size // 2

    def lend(self, start: int, size: int) -> memoryview:
        """A part that the arena has given, for reading. It is given back when nothing of this view
        is held any more."""
        array = np.frombuffer(self.view(start, size), np.uint8)
        weakref.finalize(array, self.arena.give_back_later, start).atexit = False
        return array.data.toreadonly()

    def hand_over(self) -> None:
        """The worker has its own descriptor now; close this one."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
