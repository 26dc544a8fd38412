"""The replicas of servers: what they can do, what is loaded on them, and calls spread over them."""

from penstock.core.fleet.balance import balanced, copies_of
from penstock.core.fleet.fleet import Fleet
from penstock.core.fleet.replica import ReplicaKey, ServerReplica
from penstock.core.fleet.states import CopyState, Standing

__all__ = [
    "CopyState",
    "Fleet",
    "ReplicaKey",
    "ServerReplica",
    "Standing",
    "balanced",
    "copies_of",
]
