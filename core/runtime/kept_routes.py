"""The routes that a process keeps for a start without its scheduler, where it is told a file."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path

from penstock.core.control.background import Background
from penstock.core.routing.follower import RouteFollower
from penstock.core.routing.route import Route
from penstock.core.routing.routes_file import RoutesFile
from penstock.core.runtime.closing import Closing

_log = logging.getLogger(__name__)


class KeptRoutes:
    """In the file ``path``, nowhere where that is None."""

    def __init__(self, path: Path | None) -> None:
        self._file = None if path is None else RoutesFile(path)

    def keep(self, routes: Sequence[Route]) -> None:
        """These are the routes from now on."""
        if self._file is not None:
            self._file.keep(routes)

    async def begin(
        self, follower: RouteFollower, background: Background, closing: Closing
    ) -> None:
        """Go by the routes that were kept, until the scheduler says otherwise, and keep them."""
        if self._file is None:
            return
        routes = await asyncio.to_thread(self._file.read)
        if routes:
            _log.info(
                "serving by %d routes that were kept, until the scheduler is reached", len(routes)
            )
            await follower.begin_with(routes)
        closing.add("the file of routes", self._file.flush)
        background.spawn(self._file.run(), "keeping routes")
