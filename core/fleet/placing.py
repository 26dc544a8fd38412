"""Where a copy of a model fits now, and why not elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from penstock.core.fleet.fleet import Fleet
from penstock.core.fleet.replica import ServerReplica
from penstock.core.nearest import did_you_mean


class Wish(NamedTuple):
    """What a copy asks of its server; ``server`` is the one that the manifest names, if it does."""

    model: str
    version: int
    requirements: frozenset[str]
    memory_bytes: int | None
    server: str | None


class Fit(NamedTuple):
    """Replicas that a copy can be loaded on, the best first; why not on the others, as a sentence.

    ``waits`` says whether one that may suit is being started.
    """

    replicas: tuple[ServerReplica, ...]
    why_not: str
    waits: bool


def fit(wish: Wish, fleet: Fleet, without: Mapping[ServerReplica, str]) -> Fit:
    """Where a copy fits, but for the replicas ``without``, each with what stands against it."""
    found, said, waits = [], [], False
    for replica in fleet:
        if replica in without:
            said.append(f"server '{replica.key.server}' {without[replica]}")
            continue
        reason = _misfit(wish, replica)
        if reason is None and replica.standing != "up":
            waits = waits or replica.standing == "starting"
            reason = f"is not up: {replica.why}"
        elif reason is None and replica.holds(wish.model, wish.version):
            waits = True
            reason = "still unloads an earlier copy of it"
        if reason is None:
            found.append(replica)
            continue
        said.append(f"server '{replica.key.server}' {reason}")
    found.sort(key=lambda replica: (replica.used_bytes, len(replica.models)))
    if not len(fleet):
        said.append("there is no server; install or enable a server adapter")
    return Fit(tuple(found), "; ".join(dict.fromkeys(said)), waits)


def _misfit(wish: Wish, replica: ServerReplica) -> str | None:
    """What keeps a copy from a replica for as long as it is what it is, after the server's name."""
    if wish.server is not None and wish.server != replica.key.server:
        return "is not the one that spec.server names"
    lacking = sorted(wish.requirements - replica.capabilities)
    if lacking:
        there = sorted(replica.capabilities)
        hints = [hint for word in lacking if (hint := did_you_mean(word, there))]
        return (
            f"lacks {', '.join(map(repr, lacking))} "
            f"(it has {', '.join(there) or 'no capabilities'})" + (f"; {hints[0]}" if hints else "")
        )
    if wish.memory_bytes is not None and replica.memory_bytes is not None:
        free = replica.memory_bytes - replica.used_bytes
        if free < wish.memory_bytes:
            return (
                f"has {free} bytes free of {replica.memory_bytes}, "
                f"and a copy takes {wish.memory_bytes}"
            )
    return None
