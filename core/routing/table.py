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
    a route that works stays in force, unless this process of it has had the route already and now
    says otherwise, or says that it is gone.
    """

    def __init__(self) -> None:
        self._shown: dict[RouteKey, Shown] = {}
        self._told: dict[RouteKey, Shown] = {}
        self._known: set[RouteKey] = set()
        """Of what the scheduler has said something that holds whether it is settled or not."""
        self._settled = False

    def routes(self) -> list[Route]:
        """Those in force."""
        return [shown.route for shown in self._shown.values()]

    def take(self, update: Update) -> list[Switch]:
        """Take note of what the scheduler says; what has to be switched because of it."""
        if update.whole:
            self._told.clear()
            self._known.clear()
        everything = update.whole or update.settled != self._settled
        self._settled = update.settled
        for said in update.routes:
            self._note(said, update.epoch)
        keys: Iterable[RouteKey] = [said.key for said in update.routes]
        if everything:
            keys = {**self._shown, **self._told}
        switches = [self._switch(key) for key in keys]
        return [each for each in switches if each is not None]

    def kept(self, epoch: str) -> list[InUse]:
        """Routes of a scheduler's process that are in force although it has them no more."""
        if self._settled:
            return []
        shown = [each for key, each in self._shown.items() if each is not self._told.get(key)]
        used = [each.in_use() for each in shown if each.epoch == epoch]
        return [each for each in used if each is not None]

    def _note(self, said: Route | Gone, epoch: str) -> None:
        if isinstance(said, Gone):
            self._told.pop(said.key, None)
            self._known.add(said.key)
            return
        self._told[said.key] = Shown(said, epoch)
        if said.serves:
            self._known.add(said.key)

    def _switch(self, key: RouteKey) -> Switch | None:
        before, after = self._shown.get(key), self._wanted(key)
        if after is None:
            self._shown.pop(key, None)
        else:
            self._shown[key] = after
        if before is None or after is None:
            return None if before is after else Switch(key, before, after)
        return None if before.route.body == after.route.body else Switch(key, before, after)

    def _wanted(self, key: RouteKey) -> Shown | None:
        told, shown = self._told.get(key), self._shown.get(key)
        if self._settled or key in self._known:
            return told
        if told is None or (shown is not None and shown.route.serves):
            return shown
        return told
