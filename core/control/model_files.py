"""The files of this machine that a model is loaded from, and what they are like."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from stat import S_ISREG
from typing import Final

from penstock.core.contracts.model import ServerAdapter
from penstock.core.contracts.storage import ArtifactStorage
from penstock.core.control.loading import model_spec, storage_of
from penstock.core.errors import PenstockError
from penstock.core.resources import Digest, Manifest, Model, Origin

MOST_READ_BYTES: Final = 16 * 1024 * 1024
"""Larger files are not read: when they were written, and their size, stand for what is in them."""

MOST_READ_IN_ALL: Final = 256 * 1024 * 1024
"""The same for all files once so much was read for one model."""

MOST_FILES: Final = 100_000
"""Further files of a folder are not looked at."""


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """Looks at files and at nothing else, from any thread. ``module_folders`` are looked in for
    Python modules after the manifest's own."""

    servers: Mapping[str, ServerAdapter]
    storages: Sequence[ArtifactStorage]
    module_folders: tuple[Path, ...] = ()

    def digest(self, manifest: Manifest, origin: Origin) -> Digest:
        """What the files of a resource are like now; empty for what is no model. Blocks."""
        if not isinstance(manifest, Model):
            return Digest()
        code = digest_of(self._code(manifest, origin))
        artifacts = self._artifacts(manifest)
        return Digest(code, "" if artifacts is None else digest_of(_within(artifacts)))

    def _code(self, model: Model, origin: Origin) -> Sequence[Path]:
        """What the first server names that can say it, whichever is going to load the model."""
        spec = model_spec(model, origin, version=0, module_folders=self.module_folders)
        for server in self.servers.values():
            try:
                files = server.source_files(spec)
            except PenstockError:
                continue  # loading it says the same, and is heard
            if files:
                return files
        return ()

    def _artifacts(self, model: Model) -> Path | None:
        address = model.spec.artifact_address
        if address is None:
            return None
        storage = storage_of(address, self.storages)
        try:
            folder = None if storage is None else storage.local(address)
        except PenstockError:
            return None  # who fetches it is told
        number = model.spec.artifact_version
        return folder if folder is None or number is None else folder / str(number)


def digest_of(files: Iterable[Path]) -> str:
    """Of the names and contents of files; empty when there are none."""
    digest = hashlib.blake2b(digest_size=16)
    left, some = MOST_READ_IN_ALL, False
    for path in islice(files, MOST_FILES):
        some = True
        content = _content(path, min(left, MOST_READ_BYTES))
        left -= len(content)
        digest.update(os.fsencode(path) + b"\0")
        digest.update(hashlib.blake2b(content, digest_size=16).digest())
    return digest.hexdigest() if some else ""


def _content(path: Path, most_bytes: int) -> bytes:
    """The content of a file, or what stands for it. Pipes and devices, which may never end, are
    not read."""
    try:
        stat = path.stat()
        if S_ISREG(stat.st_mode) and stat.st_size <= most_bytes:
            return path.read_bytes()
        return f"{stat.st_mode} {stat.st_size} {stat.st_mtime_ns}".encode()
    except OSError as error:
        return str(error.errno).encode()


def _within(path: Path) -> Iterator[Path]:
    """The file, or all files of the folder, in an order of their own."""
    if not path.is_dir():
        yield path
        return
    for folder, inner, names in os.walk(path):
        inner[:] = sorted(each for each in inner if each != "__pycache__")
        yield from (Path(folder, name) for name in sorted(names))
