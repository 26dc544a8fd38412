"""The contract of what agents follow: replicas of servers in processes of their own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator

from penstock.proto import agent_pb2 as pb


class AgentHost(ABC):
    """Has agents load models. Called on the event loop."""

    @abstractmethod
    def follow(self, messages: AsyncIterator[pb.FromAgent], peer: str) -> AsyncIterator[pb.ToAgent]:
        """One agent's stream, from its registration to the end of either side.

        ``peer`` is the host that the agent calls from, for those that do not say where they are.
        Raises ConflictError when the agent cannot be what it wants to be, with what to do.
        """
