"""How many copies models have, and replicas servers, that are scaled by load."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TypeAlias

from penstock.core.control.store import ResourceStore
from penstock.core.errors import PenstockError

DecidedByKind: TypeAlias = Mapping[str, Mapping[str, int]]
"""What was decided, by kind of resource and name."""

_log = logging.getLogger(__name__)


class ScaledNumbers:
    """What was decided, by name; who has nothing here has what its manifest says.

    ``changed`` says whether there is something that was not kept yet.
    """

    def __init__(self, decided: Mapping[str, int]) -> None:
        self._decided = dict(decided)
        self.changed = False

    def of(self, name: str) -> int | None:
        """How many were decided on, None where nothing was."""
        return self._decided.get(name)

    def decide(self, name: str, number: int) -> None:
        """It is to have so many from now on."""
        if self._decided.get(name) != number:
            self._decided[name] = number
            self.changed = True

    def begin_anew(self, name: str) -> None:
        """It has as many as its manifest says, whatever was decided before."""
        self.changed |= self._decided.pop(name, None) is not None

    def keep_only(self, names: Iterable[str]) -> None:
        """Forget all others."""
        there = frozenset(names)
        for name in [each for each in self._decided if each not in there]:
            self.begin_anew(name)

    def document(self) -> dict[str, int]:
        """All that was decided, as it is kept."""
        return dict(sorted(self._decided.items()))


class ScaledKeeper:
    """Has what was decided outlive the process, by ``write``: Model and Server are the kinds."""

    def __init__(
        self,
        store: ResourceStore,
        decided: Mapping[str, ScaledNumbers],
        write: Callable[[DecidedByKind], Awaitable[None]],
    ) -> None:
        self._store = store
        self._decided = decided
        self._write = write

    async def keep(self) -> None:
        """Write down what has changed. What cannot be written is tried again the next time."""
        changed = [each for each in self._decided.values() if each.changed]
        if not changed:
            return
        for kind, numbers in self._decided.items():
            numbers.keep_only(self._store.by_name(kind))
            numbers.changed = False
        try:
            await self._write({kind: each.document() for kind, each in self._decided.items()})
        except PenstockError as error:
            for numbers in changed:
                numbers.changed = True
            _log.warning("what is scaled by load is not kept over a restart: %s", error)
