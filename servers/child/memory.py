"""How much memory a server takes, with the processes that it started."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")


def memory_of_group(group: int, proc: Path = _PROC) -> int | None:
    """Bytes of memory that the processes of a group hold, None where the system does not tell.

    What several of them share counts for each: the sum is rather too large than too small. Reads
    two small files of each process of the machine.
    """
    try:
        numbers = [each for each in os.listdir(proc) if each.isdigit()]
    except OSError:
        return None
    found = [each for each in numbers if _group_of(proc / each) == group]
    pages = [size for each in found if (size := _resident_pages(proc / each)) is not None]
    return sum(pages) * os.sysconf("SC_PAGE_SIZE") if pages else None


def _group_of(process: Path) -> int | None:
    try:
        # The name in parentheses may hold anything; after it: state, parent, group.
        return int((process / "stat").read_text().rpartition(")")[2].split()[2])
    except (OSError, ValueError, IndexError):
        return None  # it has ended meanwhile


def _resident_pages(process: Path) -> int | None:
    try:
        return int((process / "statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return None
