"""The storage ``fsspec``: artifacts at any address that fsspec knows (``s3://``, ``gs://``, …)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

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
from penstock.core.plugins import hookimpl
from penstock.plugins.download import DownloadedFile, file_name, too_large, without_checksum

penstock_api = 1

_OTHERS = ("file", "http", "https")
"""Schemes that storages of their own handle, with less to install."""


class FsspecOptions(Section):
    """How addresses of fsspec are opened and what is taken from there."""

    max_bytes: int = Field(
        default=64 * 1024**3, ge=1, description="The largest artifact, all files together."
    )
    storage_options: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        description="By scheme, what fsspec opens it with: {s3: {endpoint_url: ...}}.",
    )


class FsspecStorage(ArtifactStorage):
    """Downloads a file or a folder. ``#sha256=<64 hex>`` behind a file's address has it checked.

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

    async def fetch(self, uri: str, into: Path) -> Path:
        address, sha256 = without_checksum(uri)
        abandoned = threading.Event()
        try:
            return await asyncio.to_thread(self._download, address, sha256, into, abandoned)
        finally:
            # The thread of a cancelled fetch goes on until its next file or read.
            abandoned.set()

    def _download(
        self, uri: str, sha256: str | None, into: Path, abandoned: threading.Event
    ) -> Path:
        from fsspec.core import url_to_fs

        scheme = uri.partition("://")[0].partition("::")[0]
        try:
            system, source = url_to_fs(uri, **self._options.storage_options.get(scheme, {}))
            if not system.exists(source):
                raise NotFoundError(f"there is nothing at {uri}")
            target = into / file_name(source)
            files = self._files(uri, system, source, target)
            if sha256 is not None and list(files.values()) != [target]:
                raise InvalidRequestError(f"{uri} is a folder; a checksum is of one file")
            left = self._options.max_bytes
            for remote, local in files.items():
                local.parent.mkdir(parents=True, exist_ok=True)
                with (
                    system.open(remote, "rb") as opened,
                    DownloadedFile(
                        uri, local, max_bytes=left, sha256=sha256, abandoned=abandoned
                    ) as file,
                ):
                    file.write_all(opened.read)
                left -= file.size
        except PenstockError:
            raise
        except ImportError as error:
            raise UnsupportedError(
                f"{uri} cannot be fetched: {error}; install what fsspec needs for '{scheme}'"
            ) from error
        except FileNotFoundError as error:
            raise NotFoundError(f"there is nothing at {uri}: {error}") from error
        except PermissionError as error:
            raise ForbiddenError(f"{uri} cannot be fetched: {error}") from error
        except (TypeError, ValueError) as error:
            raise InvalidRequestError(f"'{uri}' cannot be opened: {error}") from error
        except Exception as error:
            # Each of fsspec's file systems has errors of its own; most are the network's.
            raise NotReadyError(
                f"{uri} cannot be fetched: {type(error).__name__}: {error}"
            ) from error
        return target

    def _files(self, uri: str, system: Any, source: str, target: Path) -> dict[str, Path]:
        """Every file there, and where it goes."""
        if not system.isdir(source):
            return {source: target}
        found = system.find(source, detail=True)
        if sum(entry.get("size") or 0 for entry in found.values()) > self._options.max_bytes:
            raise too_large(uri, self._options.max_bytes)
        root = source.rstrip("/") + "/"
        files: dict[str, Path] = {}
        for remote in found:
            local = target / remote.removeprefix(root)
            if not local.resolve().is_relative_to(target.resolve()):
                raise InvalidRequestError(f"{uri} holds '{remote}', which leads out of its folder")
            files[remote] = local
        if not files:
            raise NotFoundError(f"{uri} is an empty folder")
        return files


@hookimpl
def penstock_register_config() -> type[FsspecOptions]:
    """The section ``plugins.fsspec``."""
    return FsspecOptions


@hookimpl
def penstock_register_storages() -> Mapping[str, type[ArtifactStorage]]:
    """The storage ``fsspec``."""
    return {"fsspec": FsspecStorage}
