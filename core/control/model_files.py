"""The files of this machine that a model is loaded from, and what they are like."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from penstock.core.contracts.model import ServerAdapter
from penstock.core.contracts.storage import ArtifactStorage
from penstock.core.control.loading import model_spec, server_with
from penstock.core.errors import PenstockError
from penstock.core.resources import Digest, Manifest, Model, Origin

MOST_READ_BYTES: Final = 16 * 1024 * 1024
"""Larger files are not read: when they were written, and their size, stand for what is in them."""


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
        server = server_with(model.spec.requirements, self.servers.values())
        if server is None:
            return ()
        spec = model_spec(model, origin, version=0, module_folders=self.module_folders)
        try:
            return server.source_files(spec)
        except PenstockError:
            return ()  # loading it says the same, and is heard

    def _artifacts(self, model: Model) -> Path | None:
        uri = model.spec.storage_uri
        if uri is None:
            return None
        storage = next((each for each in self.storages if each.handles(uri)), None)
        try:
            folder = None if storage is None else storage.local(uri)
        except PenstockError:
            return None  # fetching it says the same, and is heard
        number = model.spec.artifact_version
        return folder if folder is None or number is None else folder / str(number)


def digest_of(files: Iterable[Path]) -> str:
    """Of the names and contents of files; empty when there are none."""
    digest = hashlib.blake2b(digest_size=16)
    some = False
    for path in files:
        some = True
        digest.update(os.fsencode(path) + b"\0")
        digest.update(_content(path))
    return digest.hexdigest() if some else ""


def _content(path: Path) -> bytes:
    """What stands for the content of a file, always of the same length."""
    try:
        stat = path.stat()
        if stat.st_size > MOST_READ_BYTES:
            content = f"{stat.st_size} {stat.st_mtime_ns}".encode()
        else:
            content = path.read_bytes()
    except OSError as error:
        content = str(error.errno).encode()
    return hashlib.blake2b(content, digest_size=16).digest()


def _within(path: Path) -> Iterator[Path]:
    """The file, or all files of the folder, in an order of their own."""
    if not path.is_dir():
        yield path
        return
    for folder, inner, names in os.walk(path):
        inner[:] = sorted(each for each in inner if each != "__pycache__")
        yield from (Path(folder, name) for name in sorted(names))
