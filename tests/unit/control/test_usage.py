"""Who needs what."""

from __future__ import annotations

from penstock.core.control.store import ResourceKey
from penstock.core.control.usage import UsageIndex

A, B = ResourceKey("Model", "a"), ResourceKey("Model", "b")
P, Q = ResourceKey("Pipeline", "p"), ResourceKey("Pipeline", "q")


def test_users_come_and_go_with_what_they_name() -> None:
    usage = UsageIndex()
    usage.put(Q, [A])
    usage.put(P, [A, B])
    assert usage.users(A) == [P, Q]
    usage.put(P, [B])
    assert usage.users(A) == [Q]
    usage.remove(Q)
    usage.remove(Q)
    assert usage.users(A) == []
    assert usage.users(B) == [P]
