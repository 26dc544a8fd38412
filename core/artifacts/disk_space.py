"""Disks that are full, in a sentence that says where and how much."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from penstock.core.errors import NotReadyError

_FULL: Final = (errno.ENOSPC, errno.EDQUOT)


class DiskFullError(NotReadyError):
    """What is to be fetched does not fit on the disk. ``needed_bytes`` is None when nobody has
    said how much it is."""

    def __init__(self, what: str, folder: Path, needed_bytes: int | None) -> None:
        needed = "more" if needed_bytes is None else f"{needed_bytes} bytes"
        super().__init__(
            f"{what} does not fit on the disk of {folder}: it takes {needed}, and "
            f"{free_bytes(folder)} bytes are free; make room there"
        )
        self.needed_bytes = needed_bytes


def free_bytes(folder: Path) -> int:
    """What is free on the disk of a folder."""
    return shutil.disk_usage(folder).free


def require_room(what: str, folder: Path, needed_bytes: int | None) -> None:
    """Raise DiskFullError, if it is known by now that there is not enough room."""
    if needed_bytes is not None and free_bytes(folder) < needed_bytes:
        raise DiskFullError(what, folder, needed_bytes)


@contextmanager
def room_for(what: str, folder: Path, needed_bytes: int | None = None) -> Iterator[None]:
    """Have a disk that gets full meanwhile raise DiskFullError."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise DiskFullError(what, folder, needed_bytes) from error
