"""Models that fit nowhere ask for more replicas of a server: a condition on that server says so.

Nobody adds replicas because of it: whoever changes ``replicas`` (a person, or a scaler that hears
of the condition) decides. It goes as soon as it is no longer true.
"""

from __future__ import annotations

import asyncio
from typing import Final, NamedTuple

from penstock.core.clock import Clock
from penstock.core.control.reasons import Reason
from penstock.core.control.store import ResourceKey, ResourceStore
from penstock.core.scheduling.growth import replicas_for

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
    """What is wished of servers, by model and version. All methods are called on the event loop."""

    def __init__(self, store: ResourceStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._wishes: dict[str, dict[tuple[str, int], Wish]] = {}
        self._changed: set[str] = set()

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
            key = ResourceKey("Server", server)
            resource = self._store.get(key)
            if resource is None:  # it is this process's own, or gone
                continue
            said, status = self._said(server), resource.status
            if said is None:
                status = status.without_condition(SCALE_UP)
            else:
                now_ms = self._clock.now_ms()
                status = status.with_condition(
                    SCALE_UP, "True", Reason.MODELS_DO_NOT_FIT, said, now_ms=now_ms
                )
            self._store.set_status(key, status)

    def _said(self, server: str) -> str | None:
        wishes = self._wishes.get(server)
        if not wishes:
            return None
        room = min((each.room_bytes for each in wishes.values() if each.room_bytes), default=None)
        more = replicas_for([(each.copies, each.memory_bytes) for each in wishes.values()], room)
        listed = [
            f"'{name}' ({each.copies} {'copy' if each.copies == 1 else 'copies'})"
            for (name, _), each in sorted(wishes.items())
        ]
        named = ", ".join(listed[:MOST_NAMED])
        if len(listed) > MOST_NAMED:
            named += f" and {len(listed) - MOST_NAMED} more"
        replicas = "1 more replica" if more == 1 else f"{more} more replicas"
        return f"{replicas} would hold what fits nowhere: {named}; raise spec.replicas"
