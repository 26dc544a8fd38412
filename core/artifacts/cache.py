"""A folder in which processes share the artifacts that they have fetched."""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from penstock.core.artifacts import entry as entries
from penstock.core.artifacts.disk_space import free_bytes, room_for
from penstock.core.artifacts.entry import FILES, Entry
from penstock.core.artifacts.locks import Turn, alone
from penstock.core.artifacts.tenant import Tenant, clear_away_the_dead, used_entries
from penstock.core.errors import NotReadyError

_ENTRIES: Final = "entries"
_TENANTS: Final = "tenants"
_TURNS: Final = "turns"
_LOCK: Final = "lock"


class ArtifactCache:
    """Entries by what they are: an address, and what tells its contents from others.

    An entry is there whole or not at all, whoever is killed, and is not changed any more. When all
    of it is more than ``max_bytes``, what was used longest ago goes, but nothing that is in use,
    which may be more. Nothing is made before the first method is called. Methods block, may be
    called in any thread, and raise NotReadyError where the folder cannot be used.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._opening = threading.Lock()
        self._tenant: Tenant | None = None
        self._sizes: dict[str, int] = {}
        """Of entries, which never change."""
        self._over = False

    @staticmethod
    def key(address: str, identity: str) -> str:
        """The name of an entry."""
        return f"{_short(address)}-{_short(identity)}"

    def take(self, key: str) -> Path | None:
        """The artifacts of an entry, which is in use from now on; None if it is not there.

        One that is damaged is thrown away.
        """
        folder = self._folder / _ENTRIES / key
        with self._in_order() as tenant:
            if not folder.is_dir():
                return None
            tenant.use(key)
        entry = entries.read(folder)
        with self._in_order() as tenant:
            if entry is not None and entry.is_whole(folder):
                os.utime(folder)
                return entry.artifacts_in(folder)
            tenant.leave(key)
            self._throw_away(key, tenant)
            return None

    def leave(self, key: str) -> None:
        """An entry that was taken is in use no more, as far as this caller goes."""
        with self._in_order() as tenant:
            tenant.leave(key)
            folder = self._folder / _ENTRIES / key
            if folder.is_dir():
                os.utime(folder)
            if self._over:
                self._trim(tenant)

    def turn(self, key: str) -> Turn:
        """What makes an entry waits for this, since others may be making it. Does not block."""
        return Turn(self._folder / _TURNS / key)

    def new_folder(self) -> Path:
        """A folder for what is being fetched; its folder ``files`` is empty."""
        with self._in_order() as tenant:
            folder = tenant.new_folder()
            (folder / FILES).mkdir()
            return folder

    def add(self, folder: Path, address: str, identity: str, artifacts: Path) -> Path:
        """What was fetched into a new folder is an entry from now on, and in use; its artifacts.

        The folder is gone from where it was, whatever happens.
        """
        try:
            files = folder / FILES
            sizes = entries.sizes_of(files)
            entry = Entry(address, identity, str(artifacts.relative_to(files)), sizes)
            with room_for(address, self._folder, entry.size_bytes):
                entries.write(folder, entry)
            return self._put(folder, self.key(address, identity), entry)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _put(self, folder: Path, key: str, entry: Entry) -> Path:
        with self._in_order() as tenant:
            # There may be one by now, on file systems whose locks hold nobody up.
            self._throw_away(key, tenant)
            folder.rename(self._folder / _ENTRIES / key)
            entries.sync(self._folder / _ENTRIES)
            tenant.use(key)
            self._trim(tenant)
        return entry.artifacts_in(self._folder / _ENTRIES / key)

    def make_room(self, needed_bytes: int | None) -> bool:
        """Throw away what nobody uses until so much is free on the disk, all of it for None.
        Whether anything was."""
        with self._in_order() as tenant:
            gone = False
            for key in self._unused():
                if needed_bytes is not None and free_bytes(self._folder) >= needed_bytes:
                    break
                self._throw_away(key, tenant)
                gone = True
            return gone

    def close(self) -> None:
        """Use nothing any more."""
        if self._tenant is not None:
            with self._in_order() as tenant:
                tenant.close()
                self._tenant = None

    @contextmanager
    def _in_order(self) -> Iterator[Tenant]:
        """One at a time, among all threads and processes, for a moment."""
        try:
            with room_for("what is fetched", self._folder), self._opening:
                if self._tenant is None:
                    for each in (_ENTRIES, _TENANTS, _TURNS):
                        (self._folder / each).mkdir(parents=True, exist_ok=True)
                with alone(self._folder / _LOCK):
                    if self._tenant is None:
                        clear_away_the_dead(self._folder / _TENANTS)
                        self._tenant = Tenant(self._folder / _TENANTS)
                    yield self._tenant
        except OSError as error:
            raise NotReadyError(
                f"the folder of fetched artifacts, {self._folder}, cannot be used: {error}; "
                "set agent.cache.folder to one that can be written"
            ) from error

    def _trim(self, tenant: Tenant) -> None:
        """Throw away what was used longest ago, until all of it is within its bound."""
        left = sum(self._size(key) for key in self._by_last_use())
        if left > self._max_bytes:
            for key in self._unused():
                self._throw_away(key, tenant)
                left -= self._sizes.pop(key, 0)
                if left <= self._max_bytes:
                    break
        self._over = left > self._max_bytes

    def _unused(self) -> list[str]:
        clear_away_the_dead(self._folder / _TENANTS)
        used = used_entries(self._folder / _TENANTS)
        return [key for key in self._by_last_use() if key not in used]

    def _by_last_use(self) -> list[str]:
        """Every entry, the one that was used longest ago first."""
        with os.scandir(self._folder / _ENTRIES) as found:
            times = [(each.stat().st_mtime_ns, each.name) for each in found]
        return [name for _, name in sorted(times)]

    def _size(self, key: str) -> int:
        size = self._sizes.get(key)
        if size is None:
            entry = entries.read(self._folder / _ENTRIES / key)
            size = self._sizes[key] = 0 if entry is None else entry.size_bytes
        return size

    def _throw_away(self, key: str, tenant: Tenant) -> None:
        """Have an entry gone, if it is there."""
        folder = self._folder / _ENTRIES / key
        if folder.is_dir():
            tenant.throw_away(folder)


def _short(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:24]
