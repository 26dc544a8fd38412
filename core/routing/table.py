"""What a gateway serves, and what its scheduler says: pure bookkeeping, without calls."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from penstock.core.routing.route import (
    Copies,
    Gone,
    InUse,
    Route,
    RouteKey,
    ServedModel,
    ServedPipeline,
    Update,
)


class Shown(NamedTuple):
    """A route in force, and the scheduler's process that told of it."""

    route: Route
    epoch: str

    def in_use(self) -> InUse | None:
        """What a gateway says of it when it was replaced; None where nothing can be under way."""
        body = self.route.body
        if isinstance(body, Copies | ServedModel | ServedPipeline):
            return InUse(self.route.key, body.version, self.route.revision)
        return None


class Switch(NamedTuple):
    """A route that is to be in force in the place of another; None where there is none."""

    key: RouteKey
    before: Shown | None
    after: Shown | None


class RouteTable:
    """The routes that are in force.

    A scheduler that has just started may not have heard of copies that serve. Until it is settled
    a route that works and that another process of it told of stays in force, unless this one has
    it as well, or says that it is gone.
    """

    def __init__(self) -> None:
        self._shown: dict[RouteKey, Shown] = {}
        self._told: dict[RouteKey, Shown] = {}
        self._epoch = ""
        self._settled = False

    def routes(self) -> list[Route]:
        """Those in force."""
        return [shown.route for shown in self._shown.values()]

    def take(self, update: Update) -> list[Switch]:
        """Take note of what the scheduler says; what has to be switched because of it."""
        if update.whole:
            self._told.clear()
        everything = update.whole or update.settled != self._settled
        self._settled, self._epoch = update.settled, update.epoch
        keys: Iterable[RouteKey] = [said.key for said in update.routes]
        gone = {said.key for said in update.routes if isinstance(said, Gone)}
        for said in update.routes:
            if isinstance(said, Gone):
                self._told.pop(said.key, None)
            else:
                self._told[said.key] = Shown(said, update.epoch)
        if everything:
            keys = {**self._shown, **self._told}
        switches = [self._switch(key, None if key in gone else self._wanted(key)) for key in keys]
        return [each for each in switches if each is not None]

    def _switch(self, key: RouteKey, after: Shown | None) -> Switch | None:
        before = self._shown.get(key)
        if after is None:
            self._shown.pop(key, None)
        else:
            self._shown[key] = after
        if before is None or after is None:
            return None if before is after else Switch(key, before, after)
        return None if before.route.body == after.route.body else Switch(key, before, after)

    def _wanted(self, key: RouteKey) -> Shown | None:
        told, shown = self._told.get(key), self._shown.get(key)
        if self._settled or shown is None or shown.epoch == self._epoch:
            return told
        if told is None or (shown.route.serves and not told.route.serves):
            return shown
        return told
