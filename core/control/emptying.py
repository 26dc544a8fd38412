"""Servers that an operator empties: they take no models, and those that they have move elsewhere.

Unlike a server that ends, an emptied one goes on serving what fits nowhere else.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

from penstock.core.clock import Clock
from penstock.core.contracts.control import ResourceDocument
from penstock.core.control.reasons import Reason
from penstock.core.control.standing import DRAINED, noted
from penstock.core.control.store import ResourceKey, ResourceStore
from penstock.core.errors import NotFoundError
from penstock.core.fleet import Fleet, ServerReplica
from penstock.core.fleet.drains import Drains
from penstock.core.nearest import did_you_mean


class Prospect(NamedTuple):
    """What becomes of a copy on a replica that is emptied: it moves elsewhere, stays since it fits
    nowhere, which ``why`` says, or leaves without another in its place."""

    outlook: Literal["moves", "stays", "leaves"]
    why: str | None = None


Prospects: TypeAlias = Callable[[str, int, ServerReplica], Prospect]
"""That of a model, its version and the replica."""


class Emptying:
    """The drains of a fleet, and how far they are."""

    def __init__(
        self, fleet: Fleet, store: ResourceStore, clock: Clock, prospects: Prospects
    ) -> None:
        self._fleet = fleet
        self._store = store
        self._clock = clock
        self._prospects = prospects

    def changed(self, server: str, number: int | None, *, undo: bool) -> Drains:
        """The drains as they would be. Raises NotFoundError for what is not there."""
        there = self._numbers(server)
        if number is not None and number not in there:
            known = ", ".join(map(str, there)) or "none"
            raise NotFoundError(f"server '{server}' has no replica {number}; it has {known}")
        if undo:
            keys = (each.key for each in self._fleet)
            return self._fleet.drains.undone(server, number, keys)
        return self._fleet.drains.begun(server, number)

    def apply(self, drains: Drains) -> None:
        """Have the replicas stand as ``drains`` say."""
        self._fleet.apply_drains(drains)
        for name in self._store.by_name("Server"):
            self.write(name)

    def write(self, server: str) -> None:
        """Write into the status of a server, where it has one, what of it is drained."""
        key = ResourceKey("Server", server)
        resource = self._store.get(key)
        if resource is None:
            return
        said, now_ms = self._sentence(server), self._clock.now_ms()
        status = noted(resource.status, DRAINED, Reason.DRAINED, said, now_ms)
        self._store.set_status(key, status)

    def state(self, server: str) -> ResourceDocument:
        """How a server's replicas stand, and what becomes of the models on those that are drained.

        Raises NotFoundError for a server that is not there.
        """
        numbers = self._numbers(server)
        replicas = [self._fleet[server, number] for number in numbers]
        return {
            "server": server,
            "drained": self._fleet.drains.name(server),
            "replicas": [self._replica(each) for each in replicas],
        }

    async def follow(self, server: str) -> AsyncGenerator[ResourceDocument]:
        """:meth:`state` now, and whenever it is another, until drained replicas hold no model."""
        news = asyncio.Event()
        self._fleet.wait(news.set)
        last = None
        try:
            while True:
                news.clear()
                state = self.state(server)
                if state != last:
                    yield state
                    last = state
                if is_empty(state):
                    return
                await news.wait()
        finally:
            self._fleet.leave(news.set)

    def _numbers(self, server: str) -> list[int]:
        """The numbers of a server's replicas; raises NotFoundError for one that is not there."""
        numbers = [each.key.number for each in self._fleet if each.key.server == server]
        if not numbers and server not in self._store.by_name("Server"):
            known = {each.key.server: None for each in self._fleet}
            hint = did_you_mean(server, known)
            raise NotFoundError(f"there is no server '{server}'" + (f"; {hint}" if hint else ""))
        return numbers

    def _replica(self, replica: ServerReplica) -> dict[str, Any]:
        copies, snapshot = sorted(replica.versions), replica.snapshot()
        return {
            "replica": replica.key.number,
            "standing": replica.standing,
            "drained": replica.drained,
            "why": snapshot.why_not,
            "memory_bytes": snapshot.memory_bytes,
            "free_memory_bytes": snapshot.free_memory_bytes,
            "models": [
                {"name": name, "version": version, **self._copy(name, version, replica)}
                for name, version in copies
            ],
        }

    def _copy(self, name: str, version: int, replica: ServerReplica) -> Mapping[str, str | None]:
        if not replica.drained:
            return {"outlook": None, "why": None}
        return self._prospects(name, version, replica)._asdict()

    def _sentence(self, server: str) -> str | None:
        drains = self._fleet.drains
        if server in drains.servers:
            return "it takes no models, since it is drained; penstock undrain ends that"
        numbers = sorted(each.number for each in drains.replicas if each.server == server)
        if not numbers:
            return None
        named = "replica" if len(numbers) == 1 else "replicas"
        take = "takes" if len(numbers) == 1 else "take"
        listed = ", ".join(map(str, numbers))
        return f"{named} {listed} {take} no models, as drained; penstock undrain ends that"


def is_empty(state: ResourceDocument) -> bool:
    """Whether no model is left on what is drained."""
    return not any(each["drained"] and each["models"] for each in state["replicas"])
