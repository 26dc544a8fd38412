"""The artifacts of one model, from wherever its manifest says to a path of this machine."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Final

from penstock.core.artifacts.cache import ArtifactCache
from penstock.core.artifacts.claim import Claim
from penstock.core.artifacts.digest import digest_of
from penstock.core.artifacts.disk_space import DiskFullError, room_for
from penstock.core.artifacts.entry import FILES
from penstock.core.contracts.storage import ArtifactStorage
from penstock.core.errors import InvalidRequestError, NotReadyError
from penstock.core.own_thread import in_own_thread


@dataclass(frozen=True, slots=True, eq=False)
class FetchedArtifacts:
    """Artifacts that stay where they are until :meth:`release`. ``path`` is None for a model
    without any, ``give_back`` blocks and is None where nothing is to be done."""

    path: Path | None = None
    give_back: Callable[[], None] | None = None

    async def release(self) -> None:
        """They are not used any more."""
        if self.give_back is not None:
            await asyncio.to_thread(self.give_back)


NO_ARTIFACTS: Final = FetchedArtifacts()


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be fetched: an address, and the digest that it must have, if one is declared."""

    storage: ArtifactStorage
    address: str
    digest: str | None

    async def fetch(self, into: Path) -> Path:
        """Fetch into an empty folder, and check. Raises InvalidRequestError for other contents."""
        with room_for(self.address, into):
            path = await self.storage.fetch(self.address, into)
        await self.check(path)
        return path

    async def check(self, path: Path) -> None:
        """Raise InvalidRequestError when what is at ``path`` is not what was declared."""
        if self.digest is None:
            return
        digest = await in_own_thread(partial(digest_of, path), f"reading {path}")
        if digest != self.digest:
            raise InvalidRequestError(
                f"{self.address} has the digest {digest}, not {self.digest} as the manifest says: "
                "it is not what was meant, or it was damaged"
            )


class ArtifactFetcher:
    """Fetches what is not on this machine: into ``cache`` where the storage can tell contents from
    others, else, and without a cache, into a folder within ``work_folder`` that goes with the
    model."""

    def __init__(self, work_folder: Path, cache: ArtifactCache | None = None) -> None:
        self._work_folder = work_folder
        self._cache = cache
        self._numbers = count()

    async def fetch(self, wanted: Wanted) -> FetchedArtifacts:
        """Bring artifacts here. Raises what storages raise, and DiskFullError. May be cancelled."""
        here = await asyncio.to_thread(wanted.storage.local, wanted.address)
        if here is not None:
            await wanted.check(here)
            return FetchedArtifacts(here)
        if self._cache is not None:
            identity = wanted.digest or await wanted.storage.identity(wanted.address)
            if identity is not None:
                return await _Sharing(self._cache, wanted, identity).fetch()
        return await self._fetch_alone(wanted)

    async def _fetch_alone(self, wanted: Wanted) -> FetchedArtifacts:
        # One system call, which a cancellation cannot leave half done as it could a thread.
        folder = self._work_folder / f"{next(self._numbers)}"
        folder.mkdir()
        fetched = FetchedArtifacts(folder, partial(shutil.rmtree, folder, ignore_errors=True))
        try:
            return replace(fetched, path=await wanted.fetch(folder))
        except BaseException:
            await fetched.release()
            raise


@dataclass(frozen=True, slots=True)
class _Sharing:
    """One fetch through a cache."""

    cache: ArtifactCache
    wanted: Wanted
    identity: str

    async def fetch(self) -> FetchedArtifacts:
        """The entry that there is, or one that is made now."""
        key = self.cache.key(self.wanted.address, self.identity)
        claim = Claim(self.cache, key)
        try:
            path = await asyncio.to_thread(claim.take) or await self._fetch_in_turn(claim, key)
        except BaseException:
            await asyncio.to_thread(claim.release)
            raise
        return FetchedArtifacts(path, claim.release)

    async def _fetch_in_turn(self, claim: Claim, key: str) -> Path:
        """Wait for those that fetch the same; what they have fetched is taken."""
        turn = self.cache.turn(key)
        try:
            await in_own_thread(turn.wait, f"waiting to fetch {self.wanted.address}")
            return await asyncio.to_thread(claim.take) or await self._make_with_room(claim)
        finally:
            turn.end()

    async def _make_with_room(self, claim: Claim) -> Path:
        try:
            return await self._make(claim)
        except DiskFullError as error:
            if not await asyncio.to_thread(self.cache.make_room, error.needed_bytes):
                raise
        return await self._make(claim)

    async def _make(self, claim: Claim) -> Path:
        folder = await asyncio.to_thread(self.cache.new_folder)
        address = self.wanted.address
        try:
            path = await self.wanted.fetch(folder / FILES)
            await self._require_same()
        except BaseException:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
            raise
        add = partial(claim.add, folder, address, self.identity, path)
        return await in_own_thread(add, f"keeping {address}")

    async def _require_same(self) -> None:
        """Raise NotReadyError when what was fetched may be some of one thing and some of another,
        or another than the one it is kept as."""
        if self.wanted.digest is not None:
            return
        if await self.wanted.storage.identity(self.wanted.address) != self.identity:
            raise NotReadyError(f"{self.wanted.address} was changed while it was being fetched")
