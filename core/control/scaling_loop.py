"""The one loop in which models and servers are scaled, and what was decided is kept."""

from __future__ import annotations

import asyncio
import logging

from penstock.core.control.scaled import ScaledKeeper
from penstock.core.control.scaling import ModelScaling
from penstock.core.control.server_scaling import ServerScaling

_log = logging.getLogger(__name__)


class ScalingLoop:
    """Models first, since servers follow them; ``servers`` is None where nothing may be changed."""

    def __init__(
        self,
        models: ModelScaling,
        servers: ServerScaling | None,
        keeper: ScaledKeeper,
        every_ms: float,
    ) -> None:
        self.models = models
        self._servers = servers
        self._keeper = keeper
        self._every_ms = every_ms

    async def run(self) -> None:
        """Look and decide at regular times, for ever."""
        while True:
            await asyncio.sleep(self._every_ms / 1000.0)
            try:
                self.models.decide()
                if self._servers is not None:
                    self._servers.decide()
            except Exception:
                _log.exception("nothing more is scaled this time, by a defect of Penstock")
            await self._keeper.keep()
