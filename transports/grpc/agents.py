"""The service ``penstock.agent.v1.Agent``: where agents follow their scheduler."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import unquote

from penstock.core.contracts.agents import AgentHost
from penstock.proto import agent_pb2 as pb
from penstock.transports.grpc.errors import Context

_PEER: Final = re.compile(r"ipv[46]:(.+):\d+")
"""How grpcio writes where a call comes from."""


class AgentCalls:
    """Its method may raise PenstockError."""

    def __init__(self, host: AgentHost) -> None:
        self._host = host

    def follow(
        self, requests: AsyncIterator[pb.FromAgent], context: Context
    ) -> AsyncIterator[pb.ToAgent]:
        """Follow; ends when the server drains."""
        return self._host.follow(requests, host_of(context.peer()))


def host_of(peer: str) -> str:
    """The host in what grpcio says of a caller; this machine's for callers of this machine."""
    found = _PEER.fullmatch(unquote(peer))
    return found[1] if found else "127.0.0.1"
