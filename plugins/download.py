"""What every download keeps to: a limit of size, a checksum, and never half a file."""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from penstock.core.errors import InvalidRequestError, NotReadyError, TooLargeError

CHUNK_BYTES: Final = 1024 * 1024
_CHECKSUM: Final = re.compile(r"#sha256=([0-9a-fA-F]{64})$")


def without_checksum(uri: str) -> tuple[str, str | None]:
    """The address, and the SHA-256 that may stand behind it: ``…/model.joblib#sha256=<64 hex>``.

    Raises InvalidRequestError for a ``#sha256=`` that is followed by anything else.
    """
    match = _CHECKSUM.search(uri)
    if match is not None:
        return uri[: match.start()], match[1].lower()
    if "#sha256=" in uri:
        raise InvalidRequestError(f"'{uri}': a sha256 has 64 hexadecimal digits")
    return uri, None


class DownloadedFile:
    """A file that comes into being under another name, and gets its own when it is complete.

    Used as a context: leaving it without an error checks the sum and renames; with one, what came
    is deleted. ``abandoned`` is looked at with every write.
    """

    def __init__(
        self,
        uri: str,
        path: Path,
        *,
        max_bytes: int,
        sha256: str | None,
        abandoned: threading.Event,
    ) -> None:
        self._uri = uri
        self._path = path
        self._part = path.with_name(f"{path.name}.part")
        self._max_bytes = max_bytes
        self._expected = sha256
        self._abandoned = abandoned
        self._digest = hashlib.sha256()
        self.size = 0

    def __enter__(self) -> Self:
        self._file = self._part.open("wb")
        return self

    def write_all(self, read: Callable[[int], bytes]) -> None:
        """Write what ``read`` gives, to its end. Raises TooLargeError, and NotReadyError when
        nobody wants the file any more."""
        while chunk := read(CHUNK_BYTES):
            if self._abandoned.is_set():
                raise NotReadyError(f"the download of {self._uri} was given up")
            self.size += len(chunk)
            if self.size > self._max_bytes:
                raise too_large(self._uri, self._max_bytes)
            self._digest.update(chunk)
            self._file.write(chunk)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()
        try:
            if error is None:
                self._check()
                os.replace(self._part, self._path)
        finally:
            self._part.unlink(missing_ok=True)

    def _check(self) -> None:
        digest = self._digest.hexdigest()
        if self._expected is not None and digest != self._expected:
            raise InvalidRequestError(
                f"{self._uri} has the SHA-256 {digest}, not {self._expected}: it is not the file "
                "that was meant, or it was damaged"
            )


def too_large(uri: str, max_bytes: int) -> TooLargeError:
    """The error for more than is taken."""
    return TooLargeError(
        f"{uri} is larger than {max_bytes} bytes; raise maxBytes of the storage's plug-in"
    )


def file_name(path: str) -> str:
    """A name for a file here, from the last part of a path elsewhere."""
    name = path.rstrip("/").rpartition("/")[2].replace("\0", "")
    return "artifact" if name in ("", ".", "..") else name
