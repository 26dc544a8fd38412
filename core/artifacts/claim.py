"""The use of one entry of a cache, by one that may give it up at any moment."""

from __future__ import annotations

import threading
from pathlib import Path

from penstock.core.artifacts.cache import ArtifactCache


class Claim:
    """What takes an entry goes on in its thread when nobody waits for it any more: an entry that
    it brings after :meth:`release` is given back. All methods block."""

    def __init__(self, cache: ArtifactCache, key: str) -> None:
        self._cache = cache
        self._key = key
        self._guard = threading.Lock()
        self._held = False
        self._over = False

    def take(self) -> Path | None:
        """The artifacts of the entry, None if it is not there."""
        path = self._cache.take(self._key)
        if path is not None:
            self._hold()
        return path

    def add(self, folder: Path, address: str, identity: str, artifacts: Path) -> Path:
        """Make the entry of what was fetched; its artifacts."""
        path = self._cache.add(folder, address, identity, artifacts)
        self._hold()
        return path

    def release(self) -> None:
        """The entry is not used any more."""
        with self._guard:
            held, self._held, self._over = self._held, False, True
        if held:
            self._cache.leave(self._key)

    def _hold(self) -> None:
        with self._guard:
            self._held = not self._over
        if self._over:
            self._cache.leave(self._key)
