"""Backups of the database, taken while it is in use, and put back."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from penstock.core.database.file import beside, check, connect, damaged, locked, sync_folder
from penstock.core.database.rows import SavedResource, sound_rows
from penstock.core.errors import ConflictError


def back_up(path: Path, into: Path) -> int:
    """Copy the database at ``path`` to the new file ``into``; a scheduler may be using it.

    Comes back with how many resources the copy holds. Raises ConflictError when ``into`` is there,
    DatabaseError when the database is damaged.
    """
    if into.exists():
        raise ConflictError(f"{into} is there already; name a new file for the backup")
    return _copy(path, into)


def restore(backup: Path, path: Path) -> tuple[int, Path | None]:
    """Put ``backup`` in the place of the database at ``path``, which no scheduler may be using.

    Comes back with how many resources there are now, and with where the files went that were there
    before, None when there were none. Raises ConflictError when the database is in use,
    DatabaseError when the backup is damaged.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path):
        aside = path.with_name(f"{path.name}.restored")
        aside.unlink(missing_ok=True)
        resources = _copy(backup, aside)
        before = _move_away(path)
        aside.replace(path)
        sync_folder(path.parent)
    return resources, before


def examine(path: Path) -> int:
    """How many resources the database holds; raises DatabaseError when it is damaged."""
    with closing(connect(path)) as connection:
        check(connection, path)
    resources, broken = read(path)
    if broken:
        raise damaged(path, "; ".join(broken))
    return len(resources)


def read(path: Path) -> tuple[list[SavedResource], list[str]]:
    """What can be read of a database, damaged or not, and a sentence for each row that cannot."""
    with closing(connect(path)) as connection:
        rows = []
        said: list[str] = []
        cursor = connection.execute("SELECT * FROM resources ORDER BY kind, name")
        while True:
            try:
                row = cursor.fetchone()
            except sqlite3.DatabaseError as error:
                said.append(f"the rows behind the last one are lost: {error}")
                break
            if row is None:
                break
            rows.append(row)
    resources, broken = sound_rows(rows)
    return resources, said + broken


def _copy(path: Path, into: Path) -> int:
    """Copy and check; what is only half there never has the name ``into``."""
    half = into.with_name(f"{into.name}.half")
    half.unlink(missing_ok=True)
    try:
        with closing(connect(path)) as source:
            check(source, path)
            with closing(sqlite3.connect(half)) as target:
                source.backup(target)
                # One file, nothing beside it.
                target.execute("PRAGMA journal_mode = DELETE")
        resources, broken = read(half)
        if broken:
            raise damaged(path, "; ".join(broken))
        half.replace(into)
        sync_folder(into.parent)
    finally:
        half.unlink(missing_ok=True)
    return len(resources)


def _move_away(path: Path) -> Path | None:
    """Give the files at ``path`` names of another time; None when there are none."""
    if not path.exists():
        return None
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")
    before = path.with_name(f"{path.name}.{moment}")
    for file, target in zip((path, *beside(path)), (before, *beside(before)), strict=True):
        if file.exists():
            file.replace(target)
    return before
