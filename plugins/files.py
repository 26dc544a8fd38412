"""The storage ``files``: artifacts that are files of this machine."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from penstock.core.contracts.storage import ArtifactStorage
from penstock.core.errors import InvalidRequestError, NotFoundError
from penstock.core.nearest import did_you_mean
from penstock.core.plugins import hookimpl

penstock_api = 1


class FileStorage(ArtifactStorage):
    """Paths and ``file://`` addresses. Nothing is copied: the model is loaded from where it is."""

    def handles(self, uri: str) -> bool:
        return "://" not in uri or uri.lower().startswith("file://")

    def local(self, uri: str) -> Path:
        return _existing(_path(uri))

    async def fetch(self, uri: str, into: Path) -> Path:
        return await asyncio.to_thread(self.local, uri)


def _path(uri: str) -> Path:
    if "://" not in uri:
        return Path(uri)
    try:
        address = urlsplit(uri)
    except ValueError as error:
        raise InvalidRequestError(f"'{uri}' is no address: {error}") from error
    if address.netloc not in ("", "localhost"):
        raise InvalidRequestError(
            f"'{uri}' names the machine '{address.netloc}'; a file of this one is file:///path"
        )
    return Path(unquote(address.path))


def _existing(path: Path) -> Path:
    if path.exists():
        return path
    # The nearest folder that is there tells where the path goes wrong.
    present = path.parent
    while not present.is_dir() and present != present.parent:
        present = present.parent
    wrong = path.relative_to(present).parts[0]
    try:
        hint = did_you_mean(wrong, [each.name for each in present.iterdir()])
    except OSError:
        hint = None
    raise NotFoundError(
        f"there is no {path}: {present} has no '{wrong}'{f'; {hint}' if hint else ''}"
    )


@hookimpl
def penstock_register_storages() -> Mapping[str, type[ArtifactStorage]]:
    """The storage ``files``."""
    return {"files": FileStorage}
