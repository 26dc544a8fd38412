"""Whether a call that took long did so by its own doing.

On a busy machine the system takes the processor from a thread for several milliseconds at a time,
and now and then a full garbage collection falls into a call. A clock cannot tell that from a model
that blocks; Linux and the collector can.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Final

WINDOW_S: Final = 0.02
"""How old a sample may be when a call begins. Taking one costs some microseconds."""


class Interruptions:
    """Compares what the thread was kept waiting with samples from shortly before.

    Used by the thread of the event loop alone. ``waited_s`` gives the seconds for which that
    thread was ready to run and did not, all in all; ``collections`` the number of full
    collections.
    """

    __slots__ = ("_collections", "_collections_then", "_waited_s", "_waited_then_s", "sampled_s")

    def __init__(self, waited_s: Callable[[], float], collections: Callable[[], int]) -> None:
        self._waited_s = waited_s
        self._waited_then_s = 0.0
        self._collections = collections
        self._collections_then = 0
        self.sampled_s = float("-inf")
        """When the last sample was taken, for who has a clock at hand."""

    def sample(self, now_s: float) -> None:
        """Note how things stand; when the last sample is older than WINDOW_S."""
        self.sampled_s = now_s
        self._waited_then_s = self._waited_s()
        self._collections_then = self._collections()

    def may_explain(self, excess_s: float) -> bool:
        """Whether what happened since the sample accounts for so many seconds of a call."""
        if self._collections() != self._collections_then:
            return True
        return self._waited_s() - self._waited_then_s >= excess_s


class ThreadWait:
    """How long the thread that opens it has waited for a processor, where the system says so.

    Source: the second number of ``/proc/<pid>/task/<tid>/schedstat``, in ns (Linux,
    Documentation/scheduler/sched-stats.rst). Elsewhere, and unless it is open, the answer is 0.
    """

    __slots__ = ("_file",)

    def __init__(self) -> None:
        self._file: int | None = None

    def open(self) -> None:
        """Open the file of the calling thread."""
        self.close()
        with suppress(OSError):
            self._file = os.open("/proc/thread-self/schedstat", os.O_RDONLY | os.O_CLOEXEC)

    def __call__(self) -> float:
        if self._file is None:
            return 0.0
        return int(os.pread(self._file, 100, 0).split()[1]) / 1e9

    def close(self) -> None:
        """Close the file; the answer is 0 from then on."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def full_collections() -> int:
    """How many collections of the oldest generation there have been."""
    count: int = gc.get_stats()[2]["collections"]
    return count
