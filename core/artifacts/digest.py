"""The digest of artifacts: of a file what is in it, of a folder its names and what is in them.

A file has the one that ``sha256sum`` prints. A folder has the SHA-256 of the lines that
``sha256sum`` prints of its files, with paths from the folder, in the order of their bytes:

    find -L . -type f -printf '%P\\0' | LC_ALL=C sort -z | xargs -0 sha256sum -- | sha256sum
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path


def digest_of(path: Path) -> str:
    """``sha256:<64 hex>``, of the file or folder at ``path``. Reads all of it.

    Links are followed. Raises OSError for what cannot be read.
    """
    if not path.is_dir():
        return f"sha256:{_sum(path)}"
    digest = hashlib.sha256()
    for name in sorted(os.fsencode(file.relative_to(path)) for file in files_of(path)):
        digest.update(_line(name, _sum(path / os.fsdecode(name))))
    return f"sha256:{digest.hexdigest()}"


def files_of(path: Path) -> Iterator[Path]:
    """The file, or every file of the folder. Raises OSError for a folder that cannot be read."""
    if not path.is_dir():
        yield path
        return
    for folder, _, names in os.walk(path, onerror=_raise, followlinks=True):
        yield from (Path(folder, name) for name in names)


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _line(name: bytes, digest: str) -> bytes:
    """A line of ``sha256sum``, which marks names that would make two lines of one."""
    escaped = name.replace(b"\\", b"\\\\").replace(b"\n", b"\\n")
    mark = b"\\" if escaped != name else b""
    return mark + digest.encode() + b"  " + escaped + b"\n"


def _raise(error: OSError) -> None:
    raise error
