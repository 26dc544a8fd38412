"""What every download keeps to: a limit of size, all that was announced, and never half a file."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from penstock.core.artifacts.disk_space import require_room, room_for
from penstock.core.errors import NotReadyError, TooLargeError

CHUNK_BYTES: Final = 1024 * 1024


class Download:
    """What all files of one fetch have in common: where they come from, ``max_bytes`` for all of
    them, and ``abandoned``, which is set when nobody wants them any more.

    ``heard`` is called whenever something came.
    """

    def __init__(
        self, uri: str, max_bytes: int, heard: Callable[[], object] = lambda: None
    ) -> None:
        self.uri = uri
        self.abandoned = threading.Event()
        self._max_bytes = max_bytes
        self._left = max_bytes
        self._heard = heard

    def count(self, chunk: bytes) -> None:
        """Something came. Raises TooLargeError, and NotReadyError when nobody wants it."""
        if self.abandoned.is_set():
            raise NotReadyError(f"the download of {self.uri} was given up")
        self._heard()
        self._left -= len(chunk)
        if self._left < 0:
            raise self._too_large()

    def announce(self, size_bytes: int) -> None:
        """So much is to come. Raises TooLargeError when that is more than is taken."""
        if size_bytes > self._left:
            raise self._too_large()

    def _too_large(self) -> TooLargeError:
        return TooLargeError(
            f"{self.uri} is larger than {self._max_bytes} bytes; raise maxBytes of the storage's "
            "plug-in"
        )


class DownloadedFile:
    """A file that comes into being under another name, and gets its own when it is complete.

    Used as a context: leaving it without an error renames; with one, what came is deleted.
    ``size_bytes`` is how much was announced, None for nothing.
    """

    def __init__(self, download: Download, path: Path, size_bytes: int | None) -> None:
        self._download = download
        self._path = path
        self._part = path.with_name(f"{path.name}.part")
        self._expected = size_bytes

    def __enter__(self) -> Self:
        if self._expected is not None:
            self._download.announce(self._expected)
            require_room(self._download.uri, self._path.parent, self._expected)
        self._file = self._part.open("wb")
        return self

    def write_all(self, read: Callable[[int], bytes]) -> None:
        """Write what ``read`` gives, to its end. Raises DiskFullError, TooLargeError, and
        NotReadyError for less, or more, than was announced."""
        size = 0
        with room_for(self._download.uri, self._path.parent, self._expected):
            while chunk := read(CHUNK_BYTES):
                self._download.count(chunk)
                size += len(chunk)
                self._file.write(chunk)
            self._file.flush()
        if self._expected not in (None, size):
            raise NotReadyError(
                f"{self._download.uri} broke off after {size} of {self._expected} bytes"
            )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            with suppress(*(() if error is None else (OSError,))):  # it may say the same once more
                self._file.close()
            if error is None:
                os.replace(self._part, self._path)
        finally:
            self._part.unlink(missing_ok=True)


def file_name(path: str) -> str:
    """A name for a file here, from the last part of a path elsewhere."""
    name = path.rstrip("/").rpartition("/")[2].replace("\0", "")
    return "artifact" if name in ("", ".", "..") else name
