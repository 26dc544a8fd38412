"""The rows of the database: resources as they were recorded, each with a sum over what it holds."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import orjson

from penstock.core.resources import KINDS, Manifest, Origin

Row: TypeAlias = tuple[str, str, int, str, str, str, int]
"""Kind, name, version, manifest, origin, sentences about idle fields, sum."""


@dataclass(frozen=True, slots=True)
class SavedResource:
    """What outlives the process of one resource; how it stands is found out anew.

    ``idle`` has a sentence for each field of the manifest that is without effect.
    """

    manifest: Manifest
    origin: Origin
    version: int
    idle: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """Short for ``manifest.kind``."""
        return self.manifest.kind

    @property
    def name(self) -> str:
        """Short for ``manifest.metadata.name``."""
        return self.manifest.name

    def row(self) -> Row:
        """The resource as it is written."""
        folder = None if self.origin.folder is None else str(self.origin.folder)
        texts = (
            _json(self.manifest.document()),
            _json({"source": self.origin.source, "folder": folder}),
            _json(self.idle),
        )
        held = (self.kind, self.name, self.version, *texts)
        return (*held, _sum(held))


class UnreadableRowError(ValueError):
    """A row holds something else than what was written, or what this release does not know."""


def resource_of(row: Row) -> SavedResource:
    """The resource that a row holds. Raises UnreadableRowError."""
    kind, name, version, manifest, origin, idle, written = row
    what = f"{str(kind).lower()} '{name}'"
    if written != _sum(row[:-1]):
        raise UnreadableRowError(f"{what} is not what was written")
    try:
        return _read(kind, version, manifest, origin, idle)
    except (KeyError, ValueError) as error:
        raise UnreadableRowError(f"{what} is nothing that this release knows: {error}") from error


def _read(kind: str, version: int, manifest: str, origin: str, idle: str) -> SavedResource:
    where = orjson.loads(origin)
    folder = None if where["folder"] is None else Path(where["folder"])
    return SavedResource(
        KINDS[kind].model_validate(orjson.loads(manifest), by_alias=True, by_name=False),
        Origin(where["source"], folder),
        version,
        tuple(orjson.loads(idle)),
    )


def sound_rows(rows: Iterable[Row]) -> tuple[list[SavedResource], list[str]]:
    """The resources of those rows that can be read, and a sentence for each that cannot."""
    resources, said = [], []
    for row in rows:
        try:
            resources.append(resource_of(row))
        except UnreadableRowError as error:
            said.append(str(error))
    return resources, said


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


def _sum(held: Sequence[object]) -> int:
    """CRC-32: SQLite notices broken pages, and not a bit that has turned within a text."""
    return zlib.crc32(repr(held).encode())
