"""Locks on files, which their holder loses when it ends, however that comes about."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from penstock.core.errors import UnsupportedError


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold the lock at ``path``, which stays, for a moment: waits for other threads and processes
    that hold it."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o644)
    try:
        _lock(descriptor, wait=True)
        yield
    finally:
        os.close(descriptor)


def hold(path: Path) -> int | None:
    """Hold the lock at ``path`` until the descriptor that comes back is closed. None when another
    holds it."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o644)
    if _lock(descriptor, wait=False):
        return descriptor
    os.close(descriptor)
    return None


class Turn:
    """One of many, in any thread or process, that want to do the same thing.

    The file of the lock is gone when nobody holds it or waits for it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._guard = threading.Lock()
        self._over = False
        self._descriptor: int | None = None

    def wait(self) -> None:
        """Block until it is this one's turn. One that is over when it comes is passed on."""
        while not self._over:
            descriptor = os.open(self._path, os.O_CREAT | os.O_RDWR, 0o644)
            _lock(descriptor, wait=True)
            with self._guard:
                if not self._over and _is_at(self._path, descriptor):
                    self._descriptor = descriptor
                    return
                os.close(descriptor)

    def end(self) -> None:
        """The turn is over, whether it has come or not."""
        with self._guard:
            self._over = True
            if self._descriptor is not None:
                self._path.unlink(missing_ok=True)
                os.close(self._descriptor)
                self._descriptor = None


def _lock(descriptor: int, *, wait: bool) -> bool:
    if sys.platform == "win32":
        raise UnsupportedError("Windows has no such locks; artifacts cannot be shared there")
    import fcntl

    with suppress(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        return True
    return False


def _is_at(path: Path, descriptor: int) -> bool:
    """Whether that is still the file at ``path``: who held it before has unlinked it."""
    with suppress(FileNotFoundError):
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    return False
