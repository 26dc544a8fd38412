"""Whether a call that took long did so by its own doing.

On a busy machine the system takes the processor from a thread for several milliseconds at a time,
or a hypervisor from the system, and now and then a full garbage collection falls into a call. A
clock cannot tell that from a model that blocks; Linux and the collector can.
"""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Final, NamedTuple

PERIOD_S: Final = 0.02
"""Time between two samples while the thread works. One costs some microseconds."""

IDLE_PERIOD_S: Final = 1.0
"""Time between two samples while it does not: who does not run is not kept waiting either."""

STEAL_UNIT_S: Final = 0.01
"""Linux counts stolen time in such units."""

IDLE_SHARE: Final = 0.02
"""A thread that ran for less of the time than this was idle."""


class ThreadTimes(NamedTuple):
    """How long a thread has run, and has been ready to run and did not, all in all; seconds."""

    ran_s: float
    waited_s: float


class Interruptions:
    """Compares what a thread was kept waiting with a sample from shortly before.

    Used by the thread of the event loop alone, whose times ``times`` gives; ``collections`` gives
    the number of full collections, ``stolen_s`` the seconds that a hypervisor has taken from the
    machine. From :meth:`start` to :meth:`stop` it takes its samples itself.
    """

    __slots__ = (
        "_collections",
        "_collections_then",
        "_period_s",
        "_stolen_s",
        "_stolen_then_s",
        "_then",
        "_timer",
        "_times",
    )

    def __init__(
        self,
        times: Callable[[], ThreadTimes],
        collections: Callable[[], int],
        stolen_s: Callable[[], float],
    ) -> None:
        self._times = times
        self._collections = collections
        self._stolen_s = stolen_s
        self._stolen_then_s = stolen_s()
        self._then = ThreadTimes(0.0, 0.0)
        self._collections_then = 0
        self._period_s = IDLE_PERIOD_S
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Take samples on the running event loop."""
        self._take_one(asyncio.get_running_loop())

    def stop(self) -> None:
        """Take no more of them."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def sample(self) -> float:
        """Note how things stand; the time in seconds after which to do so again."""
        before, self._then = self._then, self._times()
        self._collections_then = self._collections()
        idle = self._then.ran_s - before.ran_s < IDLE_SHARE * self._period_s
        self._period_s = IDLE_PERIOD_S if idle else PERIOD_S
        return self._period_s

    def may_explain(self, excess_s: float) -> bool:
        """Whether what happened since the sample accounts for so many seconds of a call.

        What was stolen counts since this was last asked: that is too dear for every sample, and
        excuses a model that blocks for once at most.
        """
        if self._collections() != self._collections_then:
            return True
        before_s, self._stolen_then_s = self._stolen_then_s, self._stolen_s()
        if self._stolen_then_s - before_s >= min(excess_s, STEAL_UNIT_S):
            return True
        return self._times().waited_s - self._then.waited_s >= excess_s

    def _take_one(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = loop.call_later(self.sample(), self._take_one, loop)


class ThreadClock:
    """The times of the thread that opens it, where the system tells them.

    Source: the first two numbers of ``/proc/<pid>/task/<tid>/schedstat``, in ns (Linux,
    Documentation/scheduler/sched-stats.rst). Elsewhere, and unless it is open, they are 0.
    """

    __slots__ = ("_file",)

    def __init__(self) -> None:
        self._file: int | None = None

    def open(self) -> None:
        """Open the file of the calling thread."""
        self.close()
        with suppress(OSError):
            self._file = os.open("/proc/thread-self/schedstat", os.O_RDONLY | os.O_CLOEXEC)

    def __call__(self) -> ThreadTimes:
        if self._file is None:
            return ThreadTimes(0.0, 0.0)
        ran_ns, waited_ns, _ = os.pread(self._file, 100, 0).split()
        return ThreadTimes(int(ran_ns) / 1e9, int(waited_ns) / 1e9)

    def close(self) -> None:
        """Close the file; the times are 0 from then on."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def stolen_s() -> float:
    """How long a hypervisor kept processors of this machine from running, all in all.

    Source: the eighth number of the first line of ``/proc/stat``, in units of 1/100 s (Linux,
    proc(5)); 0 elsewhere.
    """
    try:
        with open("/proc/stat", "rb") as file:
            return int(file.readline().split()[8]) * STEAL_UNIT_S
    except (OSError, IndexError, ValueError):
        return 0.0


def full_collections() -> int:
    """How many collections of the oldest generation there have been."""
    count: int = gc.get_stats()[2]["collections"]
    return count
