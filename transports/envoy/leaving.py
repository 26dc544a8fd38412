"""Destinations that no more requests are sent to, while some may still be under way. No I/O.

Several destinations may stand behind one cluster, and Envoy counts what is under way by cluster. So
a destination is left when its cluster was seen idle. Where others keep that busy they are to go on
in a new one, so that it comes to an end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

LOOKS: Final = 2
"""So often in a row a cluster has to be seen idle: a request that is tried again is, for a moment,
nowhere."""

HELD_UP_MS: Final = 1_000.0
"""How long a destination waits for its cluster, before those that keep it busy go on elsewhere."""


class Left(NamedTuple):
    """A destination that is being left in one cluster."""

    since_ms: float
    idle_looks: int = 0


class Leaving:
    """Which destinations are being left; ``patience_ms`` is the longest time of a request."""

    def __init__(self, patience_ms: float) -> None:
        self._patience_ms = patience_ms
        self._left: dict[str, dict[str, Left]] = {}

    def __bool__(self) -> bool:
        return bool(self._left)

    def __contains__(self, destination: str) -> bool:
        return any(destination in names for names in self._left.values())

    @property
    def clusters(self) -> set[str]:
        """Those that requests may be under way in."""
        return set(self._left)

    def leave(self, destination: str, cluster: str, now_ms: float) -> None:
        """No new requests go to this destination in this cluster."""
        self._left.setdefault(cluster, {})[destination] = Left(now_ms)

    def seen(self, under_way: Mapping[str, int], now_ms: float) -> None:
        """So many requests are under way by cluster; one that is not there was not looked at."""
        for cluster, names in list(self._left.items()):
            idle = under_way.get(cluster, 1) == 0
            self._left[cluster] = dict(self._still(names, now_ms, idle=idle))
            if not self._left[cluster]:
                del self._left[cluster]

    def held_up(self, now_ms: float) -> Iterator[tuple[str, str]]:
        """Destinations that wait for their clusters for long, each with its cluster."""
        for cluster, names in self._left.items():
            for name, left in names.items():
                if now_ms >= left.since_ms + HELD_UP_MS:
                    yield name, cluster

    def _still(
        self, names: Mapping[str, Left], now_ms: float, *, idle: bool
    ) -> Iterator[tuple[str, Left]]:
        for name, left in names.items():
            looks = left.idle_looks + 1 if idle else 0
            if looks < LOOKS and now_ms < left.since_ms + self._patience_ms:
                yield name, Left(left.since_ms, looks)
