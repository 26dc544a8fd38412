"""All replicas of all servers, and where models fit among them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Final

from penstock.core.contracts.placement import ModelDemand, PlacementSnapshot
from penstock.core.fleet.drains import NO_DRAINS, Drains
from penstock.core.fleet.replica import ReplicaKey, ServerReplica
from penstock.core.scheduling import Placement, Rules, place

TOLD_AT_ONCE: Final = 100
"""How many are told before others on the event loop have their turn."""


class Fleet:
    """The replicas by name and number, and the ``rules`` of placement. Not safe for threads.

    Who waits for room asks to be told when there may be some: replicas that come up, and room that
    gets free. They are told soon, once for all that has changed until then, and some at a time:
    replicas that come up together are all there to choose from, and requests go on although
    thousands of models wait. Who has a copy on a replica is told by that, at once. ``expected``
    says which servers may still come, and is empty when none is waited for.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._replicas: dict[ReplicaKey, ServerReplica] = {}
        self._waiting: dict[Callable[[], None], None] = {}
        self._untold: dict[Callable[[], None], None] = {}
        self._at_rest = asyncio.Event()
        self._at_rest.set()
        self.drains = NO_DRAINS
        self.expected = ""

    def __iter__(self) -> Iterator[ServerReplica]:
        return iter(self._replicas.values())

    def __getitem__(self, key: tuple[str, int]) -> ServerReplica:
        return self._replicas[ReplicaKey(*key)]

    def add(self, replica: ServerReplica) -> None:
        """A replica that is there from now on."""
        replica.drained = self.drains.cover(replica.key)
        self._replicas[replica.key] = replica
        self._replicas = dict(sorted(self._replicas.items()))
        self.changed()

    def remove(self, replica: ServerReplica) -> None:
        """A replica that is gone."""
        del self._replicas[replica.key]
        replica.stand("gone", "it is gone")
        self.changed()

    def apply_drains(self, drains: Drains) -> None:
        """Have replicas take no models, or take them again, also those that come later."""
        self.drains = drains
        for replica in list(self):
            replica.drain(drains.cover(replica.key))
        self.changed()

    def place(self, model: ModelDemand, taken: Mapping[tuple[str, int], str]) -> Placement:
        """Judge every replica for one more copy; ``taken`` are those that get none, and why."""
        snapshot = PlacementSnapshot(tuple([each.snapshot() for each in self]))
        return place(model, snapshot, self._rules, taken)

    def wait(self, tell: Callable[[], None]) -> None:
        """Call ``tell`` whenever there may be room, until :meth:`leave`."""
        self._waiting[tell] = None

    def look_soon(self, tell: Callable[[], None]) -> None:
        """Wait, and be told soon of what there is now."""
        self.wait(tell)
        self._tell_soon((tell,))

    def leave(self, tell: Callable[[], None]) -> None:
        """Tell it no more."""
        self._waiting.pop(tell, None)
        self._untold.pop(tell, None)

    async def at_rest(self) -> None:
        """Return when everybody who waits knows what has changed."""
        await self._at_rest.wait()

    async def emptied(self, replica: ServerReplica) -> None:
        """Return when no model is on a replica that is being drained."""
        empty = asyncio.Event()

        def look() -> None:
            if not replica.models:
                empty.set()

        self.look_soon(look)
        try:
            await empty.wait()
        finally:
            self.leave(look)

    def close(self) -> None:
        """Tell nobody any more."""
        self._waiting.clear()
        self._untold.clear()

    def changed(self) -> None:
        """There may be room now where there was none, or another reason why there is none."""
        self._tell_soon(self._waiting)

    def _tell_soon(self, waiting: Iterable[Callable[[], None]]) -> None:
        self._untold.update(dict.fromkeys(waiting))
        if self._untold and self._at_rest.is_set():
            self._at_rest.clear()
            asyncio.get_running_loop().call_soon(self._tell_some)

    def _tell_some(self) -> None:
        try:
            for tell in list(islice(self._untold, TOLD_AT_ONCE)):
                if self._untold.pop(tell, tell) is None:  # who was told before may have sent it off
                    tell()
        finally:
            if self._untold:
                asyncio.get_running_loop().call_soon(self._tell_some)
            else:
                self._at_rest.set()
