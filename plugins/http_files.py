"""The storage ``http``: artifacts that are one file behind ``http://`` or ``https://``."""

from __future__ import annotations

import http.client
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from email.message import Message
from functools import partial
from http.client import HTTPResponse
from pathlib import Path
from typing import Final
from urllib.error import HTTPError
from urllib.parse import unquote, urlsplit
from urllib.request import HTTPRedirectHandler, Request, urlopen

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
from penstock.core.own_thread import in_own_thread
from penstock.core.plugins import hookimpl
from penstock.plugins.download import Download, DownloadedFile, file_name

penstock_api = 1

GIB: Final = 1024**3

_GONE: Final = (404, 410)
_REFUSED: Final = (401, 403, 407)
_LATER: Final = (408, 425, 429)
_IN_CIRCLES: Final = "infinite loop"
"""In the reason that urllib gives for redirections that do not end."""


class HttpOptions(Section):
    """How files are downloaded."""

    timeout_s: float = Field(
        default=30.0, gt=0.0, description="The longest silence of the other side."
    )
    max_bytes: int = Field(default=16 * GIB, ge=1, description="The largest file.")


class HttpStorage(ArtifactStorage):
    """Downloads one file. Its ETag or its Last-Modified tells its contents from others."""

    def __init__(self, options: HttpOptions | None = None) -> None:
        self._options = options or HttpOptions()

    def handles(self, uri: str) -> bool:
        return uri.lower().startswith(("http://", "https://"))

    async def identity(self, uri: str) -> str | None:
        return await in_own_thread(partial(self._identity, uri), f"asking for {uri}")

    async def fetch(self, uri: str, into: Path) -> Path:
        path = into / _file_name(uri)
        download = Download(uri, self._options.max_bytes)
        try:
            await in_own_thread(partial(self._download, download, path), f"downloading {uri}")
        finally:
            # The thread of a cancelled fetch goes on until its next read.
            download.abandoned.set()
        return path

    def _identity(self, uri: str) -> str | None:
        with _errors_of(uri):
            try:
                with self._open(Request(uri, method="HEAD")) as response:
                    return _identity_of(response.headers)
            except HTTPError as error:
                # Servers refuse HEAD where they take GET; whether it is there, that will say.
                error.close()
                return None

    def _download(self, download: Download, path: Path) -> None:
        with _errors_of(download.uri), self._open(Request(download.uri)) as response:
            announced = response.headers.get("Content-Length")
            size = None if announced is None else int(announced)
            with DownloadedFile(download, path, size) as file:
                file.write_all(response.read)

    def _open(self, request: Request) -> AbstractContextManager[HTTPResponse]:
        opened: HTTPResponse = urlopen(request, timeout=self._options.timeout_s)
        return opened


@contextmanager
def _errors_of(uri: str) -> Iterator[None]:
    """Have what goes wrong with an address raise errors that say so."""
    try:
        yield
    except PenstockError:
        raise
    except HTTPError as error:
        with error:
            raise _refusal(uri, error.code, error.reason) from None
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise NotReadyError(f"{uri} cannot be fetched: {reason}") from error
    except ValueError as error:
        raise InvalidRequestError(f"'{uri}' is no address: {error}") from error


def _identity_of(headers: Message) -> str | None:
    etag, modified = headers.get("ETag"), headers.get("Last-Modified")
    if etag is None and modified is None:
        return None
    return f"etag {etag}, modified {modified}, length {headers.get('Content-Length')}"


def _file_name(uri: str) -> str:
    try:
        return file_name(unquote(urlsplit(uri).path))
    except ValueError as error:
        raise InvalidRequestError(f"'{uri}' is no address: {error}") from error


def _refusal(uri: str, status: int, reason: str) -> PenstockError:
    if _IN_CIRCLES in reason:
        return InvalidRequestError(
            f"{uri} cannot be fetched: it is redirected in circles, or more than "
            f"{HTTPRedirectHandler.max_redirections} times"
        )
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
