"""Whether the system has ended processes for want of memory."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_COUNTERS: Final = Path("/proc/vmstat")


def ended_for_memory(counters: Path = _COUNTERS) -> int:
    """How many processes Linux has ended because memory was short, since it runs; of all that a
    container's limit did, too. 0 where the system does not count them.
    """
    try:
        lines = counters.read_text().splitlines()
    except OSError:
        return 0
    return next((int(each.split()[1]) for each in lines if each.startswith("oom_kill ")), 0)
