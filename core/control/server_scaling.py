"""Servers that follow the models: more replicas where copies fit nowhere, fewer where some are
empty."""

from __future__ import annotations

import logging

from penstock.core.clock import Clock
from penstock.core.control.servers import ScaledServer, ServerReconciler
from penstock.core.control.shortage import Shortage
from penstock.core.scaling.rules import ScalingRules

_log = logging.getLogger(__name__)


class ServerScaling:
    """Scales servers that this process starts, between ``minReplicas`` and ``maxReplicas``.

    Those of agents are started by others; the condition ``ScaleUpWanted`` says how many.
    """

    def __init__(
        self,
        servers: ServerReconciler,
        shortage: Shortage,
        clock: Clock,
        rules: ScalingRules,
    ) -> None:
        self._servers = servers
        self._shortage = shortage
        self._clock = clock
        self._rules = rules
        self._empty_since_ms: dict[str, float] = {}
        """Since when the last replica of a server has held nothing."""

    def decide(self) -> None:
        """Look at all servers that may be scaled, and have them scaled."""
        for server in self._servers.scaled():
            self._look_at(server)

    def _look_at(self, server: ScaledServer) -> None:
        more = self._shortage.more(server.name)
        wanted = server.bounds.within(server.replicas + more)
        if more and server.settled and wanted > server.replicas:
            self._scale(server, wanted, "models fit nowhere")
        if more or not server.spare or not server.settled:
            self._empty_since_ms.pop(server.name, None)
            return
        now_ms = self._clock.now_ms()
        since_ms = self._empty_since_ms.setdefault(server.name, now_ms)
        fewer = server.bounds.within(server.replicas - 1)
        if now_ms - since_ms >= self._rules.damping.down_window_ms and fewer < server.replicas:
            del self._empty_since_ms[server.name]
            self._scale(server, fewer, "its last replica holds no models")

    def _scale(self, server: ScaledServer, replicas: int, why: str) -> None:
        about = {"server": server.name}
        said = "server '%s' is scaled from %d to %d replicas: %s"
        _log.info(said, server.name, server.replicas, replicas, why, extra=about)
        self._servers.rescale(server.name, replicas)
