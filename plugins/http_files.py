"""The storage ``http``: artifacts that are one file behind ``http://`` or ``https://``."""

from __future__ import annotations

import asyncio
import http.client
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from pydantic import Field

from penstock.core.config import Section
from penstock.core.contracts.storage import ArtifactStorage
from penstock.core.errors import (
    ForbiddenError,
    InvalidRequestError,
    NotFoundError,
    NotReadyError,
    PenstockError,
)
from penstock.core.plugins import hookimpl
from penstock.plugins.download import DownloadedFile, file_name, too_large, without_checksum

penstock_api = 1

GIB: Final = 1024**3

_GONE: Final = (404, 410)
_REFUSED: Final = (401, 403, 407)
_LATER: Final = (408, 425, 429)


class HttpOptions(Section):
    """How files are downloaded."""

    timeout_s: float = Field(
        default=30.0, gt=0.0, description="The longest silence of the other side."
    )
    max_bytes: int = Field(default=16 * GIB, ge=1, description="The largest file.")


class HttpStorage(ArtifactStorage):
    """Downloads one file. ``#sha256=<64 hex>`` behind the address has it checked."""

    def __init__(self, options: HttpOptions | None = None) -> None:
        self._options = options or HttpOptions()

    def handles(self, uri: str) -> bool:
        return uri.lower().startswith(("http://", "https://"))

    async def fetch(self, uri: str, into: Path) -> Path:
        address, sha256 = without_checksum(uri)
        path = into / _file_name(address)
        abandoned = threading.Event()
        file = DownloadedFile(
            address, path, max_bytes=self._options.max_bytes, sha256=sha256, abandoned=abandoned
        )
        try:
            await asyncio.to_thread(self._download, address, file)
        finally:
            # The thread of a cancelled fetch goes on until its next read.
            abandoned.set()
        return path

    def _download(self, uri: str, file: DownloadedFile) -> None:
        try:
            with (
                urllib.request.urlopen(uri, timeout=self._options.timeout_s) as response,
                file,
            ):
                expected = response.headers.get("Content-Length")
                if expected is not None and int(expected) > self._options.max_bytes:
                    raise too_large(uri, self._options.max_bytes)
                file.write_all(response.read)
                if expected is not None and file.size != int(expected):
                    raise NotReadyError(f"{uri} broke off after {file.size} of {expected} bytes")
        except PenstockError:
            raise
        except urllib.error.HTTPError as error:
            with error:
                raise _refusal(uri, error.code, error.reason) from None
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            raise NotReadyError(f"{uri} cannot be fetched: {reason}") from error
        except ValueError as error:
            raise InvalidRequestError(f"'{uri}' is no address: {error}") from error


def _file_name(uri: str) -> str:
    try:
        return file_name(unquote(urlsplit(uri).path))
    except ValueError as error:
        raise InvalidRequestError(f"'{uri}' is no address: {error}") from error


def _refusal(uri: str, status: int, reason: str) -> PenstockError:
    said = f"{uri} cannot be fetched: the server answers {status} {reason}"
    if status in _GONE:
        return NotFoundError(said)
    if status in _REFUSED:
        return ForbiddenError(said)
    if status in _LATER or status >= 500:
        return NotReadyError(said)
    return InvalidRequestError(said)


@hookimpl
def penstock_register_config() -> type[HttpOptions]:
    """The section ``plugins.http``."""
    return HttpOptions


@hookimpl
def penstock_register_storages() -> Mapping[str, type[ArtifactStorage]]:
    """The storage ``http``."""
    return {"http": HttpStorage}
