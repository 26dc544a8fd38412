"""How busy this program and its machine are: whether they are what is measured."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final, NamedTuple

STAT: Final = Path("/proc/stat")


class Busy(NamedTuple):
    """Shares from 0 to 1: of one core that this program took, and of all cores that were busy.

    ``machine`` is None where the system does not say.
    """

    client: float
    machine: float | None


class MachineWatch:
    """Looks at the machine from when it is made."""

    def __init__(self) -> None:
        self._wall_s = time.perf_counter()
        self._own_s = time.process_time()
        self._cores = _jiffies()

    def busy(self) -> Busy:
        """Since it was made."""
        wall_s = time.perf_counter() - self._wall_s
        own = (time.process_time() - self._own_s) / wall_s if wall_s > 0 else 0.0
        now = _jiffies()
        if self._cores is None or now is None or now[1] <= self._cores[1]:
            return Busy(own, None)
        busy, total = now[0] - self._cores[0], now[1] - self._cores[1]
        return Busy(own, busy / total)


def _jiffies() -> tuple[int, int] | None:
    """Busy and all time of the cores, as Linux counts it (proc(5), /proc/stat)."""
    try:
        numbers = [int(each) for each in STAT.read_text().split("\n")[0].split()[1:9]]
    except (OSError, ValueError):
        return None
    idle = numbers[3] + numbers[4]
    return sum(numbers) - idle, sum(numbers)
