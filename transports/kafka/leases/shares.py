"""How the partitions of a stream are shared among those who compete for them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2b

from penstock.transports.kafka.leases.messages import MemberId, Subject


def shares(subject: Subject, partitions: int, members: Iterable[MemberId]) -> dict[MemberId, int]:
    """How many partitions each member is to own; they differ by one at most.

    Who gets one more is drawn for each subject and member (rendezvous hashing: Thaler, Ravishankar,
    1998), so that nobody gets the first partition of everything, and few change when somebody comes
    or goes.
    """
    order = sorted(members, key=lambda member: _draw(subject, member.instance))
    if not order:
        return {}
    each, rest = divmod(partitions, len(order))
    return {member: each + (place < rest) for place, member in enumerate(order)}


@lru_cache(maxsize=100_000)
def _draw(subject: Subject, instance: str) -> bytes:
    return blake2b("\0".join((*subject, instance)).encode(), digest_size=8).digest()
