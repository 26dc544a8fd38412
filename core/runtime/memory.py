"""How the process goes about memory: where large tensors come and go, and garbage in circles."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from collections.abc import Mapping
from typing import Final

KEPT_BYTES: Final = 256 << 20
"""Free memory at the end of a heap that is kept, and not given back to the kernel."""

HEAP_BLOCK_BYTES: Final = 32 << 20
"""Blocks below come from a heap; larger ones are asked of the kernel and given back each."""

COLLECTED_AFTER: Final = 10_000
"""How many objects more than before there are when Python looks for garbage in circles."""

SETTINGS: Final = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")
"""With these of the environment somebody has decided already."""

# Source of the numbers: malloc.h of glibc.
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3


def keep_freed_memory(environment: Mapping[str, str] = os.environ) -> bool:
    """Tell glibc to use freed memory again; returns whether it has been told.

    By default it gives large blocks back to the kernel when they are freed, which hands them out
    anew page by page: with tensors of 1 MiB that was more than half of all the time of a request
    (docs/decisions/0005). Other C libraries, and who has set glibc's own variables, are left alone.
    """
    if not sys.platform.startswith("linux") or not environment.keys().isdisjoint(SETTINGS):
        return False
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):
        return False
    trimmed = library.mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES)
    mapped = library.mallopt(_M_MMAP_THRESHOLD, HEAP_BLOCK_BYTES)
    return bool(trimmed and mapped)


def collect_less_often() -> None:
    """Have Python look for garbage in circles less often than it does by default.

    Each full look goes over all objects there are: with 10,000 models that is a third of a second
    in which nobody is answered, and while they came there were a dozen. Who has set it to more is
    left alone.
    """
    if gc.get_threshold()[0] < COLLECTED_AFTER:
        gc.set_threshold(COLLECTED_AFTER, 10, 10)
