"""The balancer ``consistent-hash(header)``: requests that say the same go to the same process.

Rendezvous hashing (Thaler, Ravishankar, A Name-Based Mapping Scheme for Rendezvous, 1996): when a
process goes, only what it had moves, and when one comes, only what it gets. With bounded loads
(Mirrokni, Thorup, Zadimoghaddam, Consistent Hashing with Bounded Loads, 2016): nobody has more
than ``bound`` times its fair part of what is in flight; what is over goes to the next one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from math import log
from typing import Final

from penstock.core.contracts.balancer import BalancedRequest, Balancer, Loaded
from penstock.core.plugins import hookimpl

penstock_api = 1

_SCALE: Final = 2.0**-64


class ConsistentHash(Balancer):
    """Requests without the header are spread by chance."""

    def __init__(self, header: str, bound: float = 1.25) -> None:
        if not bound > 1:
            raise ValueError("bound must be over 1, as a part of what each would have")
        self._header = header.lower().encode("latin-1")
        self._bound = bound

    def pick(self, choices: Sequence[Loaded], request: BalancedRequest, random: float) -> int:
        key = request.headers.get(self._header)
        if key is None:
            return int(random * len(choices))
        most = self._most_in_flight(choices)
        free = [
            index for index, choice in enumerate(choices) if choice.in_flight < most * choice.weight
        ] or range(len(choices))
        return max(free, key=lambda index: _rank(key, choices[index]))

    def _most_in_flight(self, choices: Sequence[Loaded]) -> float:
        """What a process of full weight may have, this request counted."""
        in_flight = 1 + sum(choice.in_flight for choice in choices)
        return max(1.0, self._bound * in_flight / sum(choice.weight for choice in choices))


def _rank(key: bytes, choice: Loaded) -> float:
    """How near the process is to the key; in proportion to its weight it is the nearest."""
    return -choice.weight / log(_uniform(key, choice.name))


@lru_cache(maxsize=65_536)
def _uniform(key: bytes, name: str) -> float:
    """A number in (0, 1) that follows from both, in every process alike."""
    digest = blake2b(key, digest_size=8, key=blake2b(name.encode()).digest()).digest()
    # A half keeps it off 0; what would be rounded up to 1 is kept off that.
    return min((int.from_bytes(digest) + 0.5) * _SCALE, 1.0 - 2.0**-53)


@hookimpl
def penstock_register_balancers() -> Mapping[str, type[Balancer]]:
    """The balancer ``consistent-hash``."""
    return {"consistent-hash": ConsistentHash}
