"""The place of one process in a cache: what it fetches, and which entries it uses."""

from __future__ import annotations

import os
import shutil
import uuid
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Final

from penstock.core.artifacts.locks import hold

_LOCK: Final = "lock"
_IN_USE: Final = "in-use"


class Tenant:
    """A folder that is this process's while it lives, and is cleared away by others when it is
    killed. Made, and methods called, by who holds the cache's lock; but for :meth:`new_folder`.
    """

    def __init__(self, tenants: Path) -> None:
        self._folder = tenants / uuid.uuid4().hex
        (self._folder / _IN_USE).mkdir(parents=True)
        descriptor = hold(self._folder / _LOCK)
        assert descriptor is not None, "nobody else knows the name"
        self._descriptor = descriptor
        self._uses: dict[str, int] = {}
        self._numbers = count()

    def new_folder(self) -> Path:
        """An empty folder in the file system of the cache, which goes with the process."""
        folder = self._folder / f"{next(self._numbers)}"
        folder.mkdir()
        return folder

    def throw_away(self, folder: Path) -> None:
        """Remove a folder: in one step for others, and for good even if this process is killed."""
        gone = self._folder / f"{next(self._numbers)}"
        folder.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)

    def use(self, key: str) -> None:
        """Use an entry once more."""
        uses = self._uses.get(key, 0)
        if not uses:
            (self._folder / _IN_USE / key).touch()
        self._uses[key] = uses + 1

    def leave(self, key: str) -> None:
        """Use an entry once less."""
        self._uses[key] -= 1
        if not self._uses[key]:
            del self._uses[key]
            (self._folder / _IN_USE / key).unlink(missing_ok=True)

    def close(self) -> None:
        """Give up the place and what is in it."""
        shutil.rmtree(self._folder, ignore_errors=True)
        os.close(self._descriptor)


def used_entries(tenants: Path) -> set[str]:
    """The entries that processes use."""
    used: set[str] = set()
    for folder in tenants.iterdir():
        with suppress(FileNotFoundError):
            used.update(os.listdir(folder / _IN_USE))
    return used


def clear_away_the_dead(tenants: Path) -> None:
    """Remove what processes have left behind that were killed."""
    for folder in list(tenants.iterdir()):
        descriptor = hold(folder / _LOCK)
        if descriptor is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(descriptor)
