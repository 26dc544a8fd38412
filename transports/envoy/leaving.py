"""Destinations that no more requests are sent to, while some may still be under way. No I/O.

Several destinations may stand behind one cluster, and Envoy counts what is under way by cluster. So
a destination is left when its cluster was seen idle, or when the longest time of a request is over.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

LOOKS: Final = 2
"""So often in a row a cluster has to be seen idle: a request that is tried again is, for a moment,
nowhere."""


class Left(NamedTuple):
    """A destination that is being left, by its cluster."""

    cluster: str
    until_ms: float
    idle_looks: int = 0


class Leaving:
    """Which destinations are being left; ``patience_ms`` is the longest time of a request."""

    def __init__(self, patience_ms: float) -> None:
        self._patience_ms = patience_ms
        self._left: dict[tuple[str, str], Left] = {}

    def __bool__(self) -> bool:
        return bool(self._left)

    def __contains__(self, destination: str) -> bool:
        return any(name == destination for name, _ in self._left)

    @property
    def clusters(self) -> set[str]:
        """Those that requests may be under way in."""
        return {cluster for _, cluster in self._left}

    def leave(self, destination: str, cluster: str, now_ms: float) -> None:
        """No new requests go to this destination in this cluster."""
        left = Left(cluster, now_ms + self._patience_ms)
        self._left[destination, cluster] = left

    def seen(self, under_way: Mapping[str, int], now_ms: float) -> None:
        """So many requests are under way by cluster; one that is not there was not looked at."""
        for key, left in list(self._left.items()):
            looks = left.idle_looks + 1 if under_way.get(left.cluster, 1) == 0 else 0
            if looks >= LOOKS or now_ms >= left.until_ms:
                del self._left[key]
            else:
                self._left[key] = left._replace(idle_looks=looks)
