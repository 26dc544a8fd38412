"""Where a V2 server is, how it is spoken to, and what bounds the talk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from penstock.core.credentials import Tls, Token

Protocol: TypeAlias = Literal["grpc", "rest"]

SCHEMES: Final[dict[tuple[Protocol, bool], str]] = {
    ("grpc", False): "grpc",
    ("grpc", True): "grpcs",
    ("rest", False): "http",
    ("rest", True): "https",
}
"""How addresses begin, by protocol and whether TLS is spoken."""


@dataclass(frozen=True, slots=True)
class ClientLimits:
    """``timeout_s`` is for calls that bring none, ``connect_s`` for a connection alone.

    ``max_bytes`` is the largest message that is taken. REST holds up to ``connections``, each
    closed when it was idle for ``idle_s``; gRPC has one, which is probed after ``ping_s`` of
    silence (a server takes more than one probe in 300 s for an attack).
    """

    timeout_s: float = 30.0
    connect_s: float = 5.0
    max_bytes: int = 64 * 1024 * 1024
    connections: int = 64
    idle_s: float = 4.0
    ping_s: float = 300.0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One server. ``place`` is ``host:port``. ``token`` gives the bearer token of each call."""

    protocol: Protocol
    place: str
    tls: Tls | None = None
    token: Token | None = None
    limits: ClientLimits = ClientLimits()

    @property
    def address(self) -> str:
        """As people write it."""
        return f"{SCHEMES[self.protocol, self.tls is not None]}://{self.place}"
