"""The storage ``fsspec``: artifacts at any address that fsspec knows (``s3://``, ``gs://``, …)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import Field

from penstock.core.artifacts.disk_space import require_room
from penstock.core.config import Section
from penstock.core.contracts.storage import ArtifactStorage
from penstock.core.errors import (
    ForbiddenError,
    InvalidRequestError,
    NotFoundError,
    NotReadyError,
    PenstockError,
    UnsupportedError,
)
from penstock.core.own_thread import in_own_thread
from penstock.core.plugins import hookimpl
from penstock.plugins.download import Download, DownloadedFile, file_name

penstock_api = 1

T = TypeVar("T")

_OTHERS: Final = ("file", "http", "https")
"""Schemes that storages of their own handle, with less to install."""


_TELLING: Final = (
    "ETag",
    "etag",
    "md5",
    "md5Hash",
    "content_md5",
    "checksum",
    "generation",
    "VersionId",
    "version_id",
    "LastModified",
    "last_modified",
    "mtime",
    "modified",
    "updated",
    "created",
)
"""What file systems say of a file that is another when its contents are. They say more, as when it
was last read, which is not."""


class FsspecOptions(Section):
    """How addresses of fsspec are opened and what is taken from there."""

    timeout_s: float = Field(
        default=60.0, gt=0.0, description="The longest silence of the other side."
    )
    max_bytes: int = Field(
        default=64 * 1024**3, ge=1, description="The largest artifact, all files together."
    )
    storage_options: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        description="By scheme, what fsspec opens it with: {s3: {endpoint_url: ...}}.",
    )


class FsspecStorage(ArtifactStorage):
    """Downloads a file or a folder. Etags, checksums or times of change tell contents from others,
    as far as the file system has any.

    Chained addresses (``simplecache::s3://…``) work as fsspec has them.
    """

    def __init__(self, options: FsspecOptions | None = None) -> None:
        self._options = options or FsspecOptions()

    def handles(self, uri: str) -> bool:
        scheme, separator, _ = uri.partition("://")
        if not separator or scheme.lower() in _OTHERS:
            return False
        # fsspec takes a tenth of a second to import, and most processes never need it.
        from fsspec.registry import known_implementations, registry

        first = scheme.partition("::")[0]
        return first in known_implementations or first in registry

    async def identity(self, uri: str) -> str | None:
        def look(heard: Callable[[], object]) -> str | None:
            with _errors_of(uri):
                return self._found(uri).identity

        return await self._heard(uri, look)

    async def fetch(self, uri: str, into: Path) -> Path:
        downloads: list[Download] = []

        def fetch(heard: Callable[[], object]) -> Path:
            download = Download(uri, self._options.max_bytes, heard)
            downloads.append(download)
            with _errors_of(uri):
                return self._download(download, into)

        try:
            return await self._heard(uri, fetch)
        finally:
            # The thread of a fetch that is given up goes on until its next file or read.
            for each in downloads:
                each.abandoned.set()

    async def _heard(self, uri: str, work: Callable[[Callable[[], object]], T]) -> T:
        """What ``work`` brings, in a thread. Raises NotReadyError when nothing is heard of it for
        too long: not every file system has a limit of its own."""
        loop, timeout_s = asyncio.get_running_loop(), self._options.timeout_s
        listening = True
        try:
            async with asyncio.timeout(timeout_s) as silence:

                def hear() -> None:
                    if listening:
                        silence.reschedule(loop.time() + timeout_s)

                heard = partial(loop.call_soon_threadsafe, hear)
                try:
                    return await in_own_thread(partial(work, heard), f"fetching {uri}")
                finally:
                    listening = False
        except TimeoutError as error:
            raise NotReadyError(
                f"{uri} cannot be fetched: nothing came for {timeout_s:g} s"
            ) from error

    def _download(self, download: Download, into: Path) -> Path:
        found = self._found(download.uri)
        target = into / file_name(found.path)
        sizes = [size for size in found.sizes().values() if size is not None]
        download.announce(sum(sizes))
        require_room(download.uri, into, sum(sizes))
        for remote, size in found.sizes().items():
            local = _within(download.uri, target, remote.removeprefix(found.path).lstrip("/"))
            local.parent.mkdir(parents=True, exist_ok=True)
            with (
                found.system.open(remote, "rb") as opened,
                DownloadedFile(download, local, size) as file,
            ):
                file.write_all(opened.read)
        return target

    def _found(self, uri: str) -> _Found:
        """What is at an address now. Raises NotFoundError."""
        from fsspec.core import url_to_fs

        system, path = url_to_fs(uri, **self._options.storage_options.get(_scheme(uri), {}))
        system.invalidate_cache()  # else it says for ever what it has seen once
        if not system.exists(path):
            raise NotFoundError(f"there is nothing at {uri}")
        if not system.isdir(path):
            return _Found(system, path, {path: system.info(path)})
        files = system.find(path, detail=True)
        if not files:
            raise NotFoundError(f"{uri} is an empty folder")
        return _Found(system, path, files)


@dataclass(frozen=True, slots=True)
class _Found:
    """What is at an address: ``files`` are what ``system`` says of each, by its path there."""

    system: Any
    path: str
    files: Mapping[str, Mapping[str, Any]]

    def sizes(self) -> dict[str, int | None]:
        """How many bytes there are in each file, as far as that is said."""
        return {path: entry.get("size") for path, entry in self.files.items()}

    @property
    def identity(self) -> str | None:
        """What tells these contents from others; None when of some file nothing does."""
        said = []
        for path, entry in sorted(self.files.items()):
            telling = [f"{key} {entry[key]}" for key in _TELLING if entry.get(key) is not None]
            if not telling:
                return None
            said.append(f"{path}: {', '.join(telling)}, size {entry.get('size')}")
        return "\n".join(said)


@contextmanager
def _errors_of(uri: str) -> Iterator[None]:
    """Have what goes wrong with an address raise errors that say so."""
    try:
        yield
    except PenstockError:
        raise
    except ImportError as error:
        raise UnsupportedError(
            f"{uri} cannot be fetched: {error}; install what fsspec needs for '{_scheme(uri)}'"
        ) from error
    except FileNotFoundError as error:
        raise NotFoundError(f"there is nothing at {uri}: {error}") from error
    except PermissionError as error:
        raise ForbiddenError(f"{uri} cannot be fetched: {error}") from error
    except (TypeError, ValueError) as error:
        raise InvalidRequestError(f"'{uri}' cannot be opened: {error}") from error
    except Exception as error:
        # Each of fsspec's file systems has errors of its own; most are the network's.
        raise NotReadyError(f"{uri} cannot be fetched: {type(error).__name__}: {error}") from error


def _scheme(uri: str) -> str:
    return uri.partition("://")[0].partition("::")[0]


def _within(uri: str, target: Path, way: str) -> Path:
    """Where a file goes: the target itself, or within it."""
    local = target / way
    if not local.resolve().is_relative_to(target.resolve()):
        raise InvalidRequestError(f"{uri} holds '{way}', which leads out of its folder")
    return local


@hookimpl
def penstock_register_config() -> type[FsspecOptions]:
    """The section ``plugins.fsspec``."""
    return FsspecOptions


@hookimpl
def penstock_register_storages() -> Mapping[str, type[ArtifactStorage]]:
    """The storage ``fsspec``."""
    return {"fsspec": FsspecStorage}
