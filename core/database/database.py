"""What is wanted, on disk: every change is one transaction, recorded before anybody is told."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from penstock.core.database.file import check, connect, damaged, lock_file
from penstock.core.database.rows import SavedResource, sound_rows
from penstock.core.errors import NotReadyError
from penstock.core.fleet.drains import NO_DRAINS, Drains

REMEMBERED: Final = 10_000
"""How many deleted resources are remembered, for the versions that they had."""

_STARTS = "starts"
_NAMESPACE = "namespace"
_DRAINS = "drains"
_SCALED = "scaled"
_REPORTS = "reports"
_TRIAL = "experiment:"

NO_TRIALS: Final[Mapping[str, Mapping[str, Any] | None]] = {}


@dataclass(frozen=True, slots=True)
class Saved:
    """What a database holds when it is opened.

    ``deleted`` has the last version of resources that are gone, by kind and name. ``starts``
    counts how often the database was opened, this time included. ``drains`` are what an operator
    has emptied, ``trials`` what is known of experiments, by name, and ``reports``
    up to which report of each process. ``scaled`` is how many copies
    models, and replicas servers, have by their load: by kind and name.
    """

    resources: tuple[SavedResource, ...]
    deleted: Mapping[tuple[str, str], int]
    namespace: str | None
    starts: int
    drains: Drains
    trials: Mapping[str, Any] = field(default_factory=dict)
    scaled: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    reports: Mapping[str, int] = field(default_factory=dict)


class Database:
    """An open database, held by this process until it is closed.

    Opening checks all of it. Raises DatabaseError when it is damaged, ConflictError when another
    process has it, UnsupportedError when a later release wrote it. Methods block for as long as
    the disk takes, and may be called in any thread, one at a time.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._lock = lock_file(path)
        try:
            self._connection = connect(path, to_serve=True)
        except BaseException:
            self._lock.close()
            raise
        try:
            check(self._connection, path)
            self._saved = self._read()
        except BaseException:
            self.close()
            raise

    @property
    def path(self) -> Path:
        """Where it is."""
        return self._path

    def saved(self) -> Saved:
        """What it held when it was opened."""
        return self._saved

    def write(
        self,
        put: Iterable[SavedResource] = (),
        deleted: Iterable[SavedResource] = (),
        *,
        namespace: str | None = None,
        drains: Drains | None = None,
        trials: Mapping[str, Mapping[str, Any] | None] = NO_TRIALS,
        scaled: Mapping[str, Mapping[str, int]] | None = None,
        reports: Mapping[str, int] | None = None,
    ) -> None:
        """Record resources that are new or changed, those that go, what is drained and scaled,
        where it is said, and what is known of experiments, None of those that are gone, with the
        reports that this is from: all of it, or nothing.

        Returns when it is on the disk. Raises NotReadyError when it is not, for want of space.
        """
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                self._put(put)
                self._delete(deleted)
                if namespace is not None:
                    self._note(_NAMESPACE, namespace)
                if drains is not None:
                    self._note(_DRAINS, json.dumps(drains.document()))
                if scaled is not None:
                    self._note(_SCALED, json.dumps(dict(scaled)))
                if reports is not None:
                    self._note(_REPORTS, json.dumps(dict(reports)))
                self._note_trials(trials)
                self._connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise NotReadyError(
                f"nothing is changed, since the database {self._path} cannot be written: {error}"
            ) from error

    def close(self) -> None:
        """Let another process have it."""
        self._connection.close()
        self._lock.close()

    def _put(self, resources: Iterable[SavedResource]) -> None:
        rows = [resource.row() for resource in resources]
        self._connection.executemany("REPLACE INTO resources VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        keys = [row[:2] for row in rows]
        self._connection.executemany("DELETE FROM deleted WHERE kind = ? AND name = ?", keys)

    def _delete(self, resources: Iterable[SavedResource]) -> None:
        rows = [(each.kind, each.name, each.version) for each in resources]
        keys = [row[:2] for row in rows]
        self._connection.executemany("DELETE FROM resources WHERE kind = ? AND name = ?", keys)
        self._connection.executemany("REPLACE INTO deleted VALUES (?, ?, ?)", rows)
        if rows:
            self._connection.execute(
                "DELETE FROM deleted WHERE rowid NOT IN"
                " (SELECT rowid FROM deleted ORDER BY rowid DESC LIMIT ?)",
                (REMEMBERED,),
            )

    def _note(self, name: str, value: int | str) -> None:
        self._connection.execute("REPLACE INTO facts VALUES (?, ?)", (name, value))

    def _note_trials(self, trials: Mapping[str, Mapping[str, Any] | None]) -> None:
        for name, document in trials.items():
            if document is None:
                self._connection.execute("DELETE FROM facts WHERE name = ?", (_TRIAL + name,))
            else:
                self._note(_TRIAL + name, json.dumps(document))

    def _read(self) -> Saved:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            facts = dict(self._connection.execute("SELECT name, value FROM facts"))
            starts = facts.get(_STARTS, 0) + 1
            self._note(_STARTS, starts)
            rows = self._connection.execute("SELECT * FROM resources ORDER BY kind, name")
            resources, broken = sound_rows(rows)
            gone = self._connection.execute("SELECT kind, name, version FROM deleted")
            deleted = {(kind, name): version for kind, name, version in gone}
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise damaged(self._path, str(error)) from error
        if broken:
            raise damaged(self._path, "; ".join(broken))
        drains = Drains.read(json.loads(facts[_DRAINS])) if _DRAINS in facts else NO_DRAINS
        scaled = json.loads(facts.get(_SCALED, "{}"))
        trials = {
            name.removeprefix(_TRIAL): json.loads(document)
            for name, document in facts.items()
            if name.startswith(_TRIAL)
        }
        return Saved(
            tuple(resources),
            deleted,
            facts.get(_NAMESPACE),
            starts,
            drains,
            trials,
            scaled,
            json.loads(facts.get(_REPORTS, "{}")),
        )
