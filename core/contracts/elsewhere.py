"""The contract of what says which other process behind the same address has what is asked for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from penstock.core.contracts.gateway import Target
from penstock.core.errors import LostError, NotReadyError, PenstockError
from penstock.core.inference import InferenceRequest


class Peer(Protocol):
    """One of these processes: what people call it, and where it answers the others."""

    @property
    def name(self) -> str: ...

    @property
    def rest(self) -> Path: ...

    @property
    def grpc_target(self) -> str: ...


class Elsewhere(ABC):
    """What front ends pass on, whole and once. Called on the event loop."""

    @property
    @abstractmethod
    def scheduler(self) -> Peer:
        """Who has everything that no worker has: the control plane, pages, and their list."""

    @abstractmethod
    def who_has(self, identity: str) -> Peer | None:
        """Who has taken a request in; None where that is this process, or nobody can tell."""

    @abstractmethod
    def home(
        self, target: Target, request: InferenceRequest, headers: Mapping[str, str]
    ) -> Peer | None:
        """Where a request that nobody waits for has to be; None where that is this process.

        Raises the PenstockError that refuses a request that has no key.
        """


def away(peer: Peer) -> PenstockError:
    """What is said where a process does not answer that has nothing to lose."""
    return NotReadyError(f"{peer.name} gives no answer; send the request again later")


def lost(peer: Peer) -> PenstockError:
    """What is said of a request whose process has ended."""
    return LostError(f"{peer.name}, which took the request in, has ended, and what it had is lost")


def home_away(peer: Peer) -> PenstockError:
    """What is said to a request whose home is away, and which nobody has taken in."""
    return NotReadyError(
        f"{peer.name}, where the request has to be, has ended and is being started again; send "
        "the request again later"
    )
