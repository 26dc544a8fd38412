"""One entry of a cache: a folder with artifacts, and a note of what they are."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from penstock.core.artifacts.digest import files_of

FILES: Final = "files"
_NOTE: Final = "entry.json"


@dataclass(frozen=True, slots=True)
class Entry:
    """``artifacts`` is the way to them from the folder of the files; ``sizes`` are in bytes, by
    the way to each file."""

    address: str
    identity: str
    artifacts: str
    sizes: dict[str, int]

    @property
    def size_bytes(self) -> int:
        """All files together."""
        return sum(self.sizes.values())

    def is_whole(self, folder: Path) -> bool:
        """Whether all files are there, as long as they were, and no others."""
        try:
            return sizes_of(folder / FILES) == self.sizes
        except OSError:
            return False

    def artifacts_in(self, folder: Path) -> Path:
        """Where the artifacts are."""
        return folder / FILES / self.artifacts


def sizes_of(files: Path) -> dict[str, int]:
    """The size of every file in a folder, by the way to it."""
    return {str(file.relative_to(files)): file.stat().st_size for file in files_of(files)}


def read(folder: Path) -> Entry | None:
    """What the note in a folder says; None where there is none that can be read."""
    try:
        noted: dict[str, Any] = orjson.loads((folder / _NOTE).read_bytes())
        return Entry(noted["address"], noted["identity"], noted["artifacts"], noted["sizes"])
    except (OSError, ValueError, KeyError):
        return None


def write(folder: Path, entry: Entry) -> None:
    """Note what is in a folder, and have it all outlive a power cut. What is shared cannot be
    written to any more."""
    for file in files_of(folder / FILES):
        file.chmod(file.stat().st_mode & ~0o222)
        sync(file)
    note = folder / _NOTE
    note.write_bytes(orjson.dumps(entry))
    sync(note)
    for inner, _, _ in os.walk(folder):
        sync(Path(inner))


def sync(path: Path) -> None:
    """Have a file, or the names in a folder, outlive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
