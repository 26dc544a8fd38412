"""The file of the database: opened, checked, and locked for one scheduler."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from penstock.core.errors import ConflictError, NotFoundError, PenstockError, UnsupportedError

APPLICATION: Final = int.from_bytes(b"PSTK", "big")
"""SQLite's ``application_id``, by which the file is known as ours."""

FORMAT: Final = 1

TABLES: Final = (
    "CREATE TABLE resources (kind TEXT, name TEXT, version INTEGER, manifest TEXT, origin TEXT,"
    " idle TEXT, sum INTEGER, PRIMARY KEY (kind, name)) WITHOUT ROWID",
    "CREATE TABLE deleted (kind TEXT, name TEXT, version INTEGER, PRIMARY KEY (kind, name))",
    "CREATE TABLE facts (name TEXT PRIMARY KEY, value) WITHOUT ROWID",
)

BUSY_S: Final = 5.0
"""How long SQLite waits for another that reads or writes the file, a backup for instance."""


class DatabaseError(PenstockError):
    """The database cannot be used as it is; the message says what to do."""

    code = "not-ready"


def damaged(path: Path, what: str) -> DatabaseError:
    """The error about a file that does not hold what was written into it."""
    return DatabaseError(
        f"the database {path} is damaged: {what}; put a backup in its place "
        f"(penstock store restore BACKUP {path}), or move it away and apply the manifests again "
        f"(penstock store export {path} prints what can still be read of it)"
    )


def connect(path: Path, *, to_serve: bool = False) -> sqlite3.Connection:
    """A connection to the file in any thread, whose transactions are begun and ended by hand.

    ``to_serve``: for the scheduler, which makes the file when there is none and writes to it.
    Raises NotFoundError when there is no file for others, DatabaseError when it is no file of
    ours, UnsupportedError when it is of a later format.
    """
    if not to_serve and not path.exists():
        raise NotFoundError(f"there is no database {path}")
    mode = "rwc" if to_serve else "rw"
    address = f"{path.absolute().as_uri()}?mode={mode}"
    try:
        connection = sqlite3.connect(
            address, uri=True, timeout=BUSY_S, isolation_level=None, check_same_thread=False
        )
    except sqlite3.Error as error:
        raise DatabaseError(f"the database {path} cannot be opened: {error}") from error
    try:
        _know(connection, path, to_serve=to_serve)
    except BaseException as error:
        connection.close()
        if isinstance(error, sqlite3.DatabaseError):
            raise damaged(path, str(error)) from error
        raise
    return connection


def check(connection: sqlite3.Connection, path: Path) -> None:
    """Raise DatabaseError when pages of the file are broken."""
    try:
        rows = connection.execute("PRAGMA quick_check(1)").fetchall()
    except sqlite3.DatabaseError as error:
        raise damaged(path, str(error)) from error
    if rows != [("ok",)]:
        raise damaged(path, str(rows[0][0]).splitlines()[-1])


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the database for this process. Raises ConflictError when another one has it."""
    lock = lock_file(path)
    try:
        yield
    finally:
        lock.close()


def lock_file(path: Path) -> IO[bytes]:
    """The open lock of the database, which is let go when it is closed, however that comes about.

    Raises ConflictError when another process has it.
    """
    lock = open(path.with_name(f"{path.name}.lock"), "ab")  # noqa: SIM115 - kept by who holds it
    try:
        if sys.platform != "win32":
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise ConflictError(
            f"the database {path} is in use by another scheduler; stop that one, "
            "or give this one a file of its own"
        ) from error
    return lock


def beside(path: Path) -> tuple[Path, Path]:
    """The two files that SQLite keeps beside the database while it is open, and after a crash."""
    return path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")


def sync_folder(folder: Path) -> None:
    """Have a rename within ``folder`` outlive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _know(connection: sqlite3.Connection, path: Path, *, to_serve: bool) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (format,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    new = not application and not tables
    if new and to_serve:
        _make(connection)
    elif new:
        raise DatabaseError(f"{path} is empty, and no database of Penstock")
    elif application != APPLICATION:
        raise DatabaseError(f"{path} is the database of another program, not of Penstock")
    elif format > FORMAT:
        raise UnsupportedError(
            f"the database {path} was written by a later Penstock (its format is {format}, "
            f"and this one knows {FORMAT}); use that release, or a backup from before"
        )
    if to_serve:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")


def _make(connection: sqlite3.Connection) -> None:
    """The tables of an empty file: all of them, or, when that is interrupted, none."""
    connection.execute("BEGIN IMMEDIATE")
    for table in TABLES:
        connection.execute(table)
    connection.execute(f"PRAGMA application_id = {APPLICATION}")
    connection.execute(f"PRAGMA user_version = {FORMAT}")
    connection.execute("COMMIT")
