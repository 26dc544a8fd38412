"""Models that fit nowhere ask for more replicas of a server: a condition on that server says so.

Replicas are added because of it where the server says ``maxReplicas`` and is started here; else
whoever changes ``replicas`` decides. It goes as soon as it is no longer true.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from typing import Final, NamedTuple

from penstock.core.clock import Clock
from penstock.core.control.reasons import Reason
from penstock.core.control.standing import noted
from penstock.core.control.store import ResourceKey, ResourceStore
from penstock.core.metrics import Metrics
from penstock.core.scheduling.growth import least_replicas

SCALE_UP: Final = "ScaleUpWanted"
MOST_NAMED: Final = 5


class Wish(NamedTuple):
    """Copies of a version that would fit on more replicas of a server, each with so much room.

    ``memory_bytes`` is what each copy takes, ``room_bytes`` what a replica has (None: nobody
    counts).
    """

    server: str
    copies: int
    memory_bytes: int
    room_bytes: int | None


class Shortage:
    """What is wished of servers, by model and version. All methods are called on the event loop.

    ``how`` says how a server gets so many more replicas.
    """

    def __init__(
        self,
        store: ResourceStore,
        metrics: Metrics,
        clock: Clock,
        how: Callable[[str, int], str],
    ) -> None:
        self._store = store
        self._metrics = metrics
        self._clock = clock
        self._how = how
        self._wishes: dict[str, dict[tuple[str, int], Wish]] = {}
        self._changed: set[str] = set()

    def can_grow(self, server: str) -> bool:
        """Whether somebody can ask for more of its replicas: a process's own server has one."""
        return self._store.get(ResourceKey("Server", server)) is not None

    def more(self, server: str) -> int:
        """How many more of its replicas are wished for at least."""
        return self._metrics.replicas_wanted.get(server, 0)

    def note(self, model: str, version: int, wish: Wish | None, before: Wish | None) -> None:
        """A version wishes this from now on, in place of what it wished before."""
        if wish == before:
            return
        for each in (before, wish):
            if each is not None:
                self._touch(each.server)
        if before is not None:
            self._wishes[before.server].pop((model, version), None)
        if wish is not None:
            self._wishes.setdefault(wish.server, {})[model, version] = wish

    def _touch(self, server: str) -> None:
        """Thousands of models may come to wish the same at once: it is said once."""
        if not self._changed:
            asyncio.get_running_loop().call_soon(self._write)
        self._changed.add(server)

    def _write(self) -> None:
        changed, self._changed = self._changed, set()
        for server in sorted(changed):
            wishes = self._wishes.get(server)
            if wishes:
                more = _least_for(wishes.values())
                self._metrics.replicas_wanted[server] = more
                said = (_sentence(more, wishes), self._how(server, more))
                self._say(server, "; ".join(filter(None, said)))
            else:
                self._metrics.replicas_wanted.pop(server, None)
                self._say(server, None)

    def _say(self, server: str, said: str | None) -> None:
        key = ResourceKey("Server", server)
        resource = self._store.get(key)
        if resource is None:  # it is gone
            return
        now_ms = self._clock.now_ms()
        status = noted(resource.status, SCALE_UP, Reason.MODELS_DO_NOT_FIT, said, now_ms)
        self._store.set_status(key, status)


def _least_for(wishes: Collection[Wish]) -> int:
    room = min((each.room_bytes for each in wishes if each.room_bytes is not None), default=None)
    return least_replicas([(each.copies, each.memory_bytes) for each in wishes], room)


def _sentence(more: int, wishes: Mapping[tuple[str, int], Wish]) -> str:
    listed = [
        f"'{name}' ({each.copies} {'copy' if each.copies == 1 else 'copies'})"
        for (name, _), each in sorted(wishes.items())
    ]
    named = ", ".join(listed[:MOST_NAMED])
    if len(listed) > MOST_NAMED:
        named += f" and {len(listed) - MOST_NAMED} more"
    replicas = "1 more replica" if more == 1 else f"{more} more replicas"
    return f"it takes at least {replicas} to hold what fits nowhere: {named}"
