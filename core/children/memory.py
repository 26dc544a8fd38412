"""How much memory a server takes, with the processes that it started."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")


def memory_of_group(group: int, proc: Path = _PROC) -> int | None:
    """Bytes of memory that the processes of a group hold, None where the system does not tell.

    What they share with each other or with others counts in parts (Linux's proportional set size);
    where the system does not say that, whole for each. Reads a small file of each process of the
    machine, and one more of each of the group.
    """
    try:
        numbers = [each for each in os.listdir(proc) if each.isdigit()]
    except OSError:
        return None
    found = [each for each in numbers if _group_of(proc / each) == group]
    sizes = [size for each in found if (size := _bytes_of(proc / each)) is not None]
    return sum(sizes) if sizes else None


def _group_of(process: Path) -> int | None:
    try:
        # The name in parentheses may hold anything; after it: state, parent, group.
        return int((process / "stat").read_text().rpartition(")")[2].split()[2])
    except (OSError, ValueError, IndexError):
        return None  # it has ended meanwhile


def _bytes_of(process: Path) -> int | None:
    try:
        lines = (process / "smaps_rollup").read_text().splitlines()
        return 1024 * next(int(each.split()[1]) for each in lines if each.startswith("Pss:"))
    except (OSError, ValueError, IndexError, StopIteration):
        return _resident_bytes(process)


def _resident_bytes(process: Path) -> int | None:
    try:
        return int((process / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None
