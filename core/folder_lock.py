"""A folder that one process at a time works in, also before there is one."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def alone_with(folder: Path, *, wait: bool = True) -> Iterator[int]:
    """Nobody else works in ``folder`` meanwhile, nor while anybody holds the open file, which
    children inherit when it is passed on.

    Raises BlockingIOError when somebody does and this is not to ``wait`` for it.
    """
    descriptor = os.open(folder.with_name(f".{folder.name}.lock"), os.O_CREAT | os.O_RDWR, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield descriptor
    finally:
        os.close(descriptor)
