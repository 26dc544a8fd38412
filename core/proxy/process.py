"""The process of a proxy: one address, and nothing else."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from functools import partial

from penstock.core.client.routes import follow_routes
from penstock.core.config import Config
from penstock.core.plugins.plugins import Plugins
from penstock.core.runtime.closing import Closing
from penstock.core.runtime.hosted_proxy import HostedProxy

_log = logging.getLogger(__name__)


class ProxyProcess:
    """One proxy alone. Started once, stopped once; all methods are called on one event loop.

    Raises InvalidRequestError where the configuration does not say which scheduler to follow.
    """

    def __init__(self, config: Config, plugins: Plugins) -> None:
        self._config = config
        self._plugins = plugins
        self._closing = Closing()
        scheduler = config.proxy.scheduler_to_follow("proxy")
        self._place = scheduler.place
        self._proxy = HostedProxy(
            config,
            plugins,
            self._closing,
            partial(follow_routes, scheduler),
            scheduler.place,
            scheduler.host,
        )

    async def start(self) -> dict[str, str]:
        """Listen, and begin to follow; comes back with the addresses. Raises whatever refuses; what
        was started by then is stopped again."""
        addresses = await self._closing.starting(self._proxy.start())
        self._plugins.started(self._config, addresses)
        return addresses

    async def wait_ready(self, timeout_s: float) -> Sequence[str]:
        """Return when there are routes, or when the time is over, with a sentence then."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._proxy.informed.wait()
        except TimeoutError:
            return [f"the scheduler at {self._place} has not been reached, and no routes are kept"]
        return []

    async def stop(
        self, *, grace_s: float | None = None, forced: asyncio.Event | None = None
    ) -> None:
        """Take in nothing new, finish what is under way, and stop everything; as
        :meth:`penstock.core.runtime.Runtime.stop`."""
        self._plugins.stopping()
        forced = forced or asyncio.Event()
        if grace_s is None:
            grace_s = self._config.defaults.drain_ms / 1000.0
        await self._proxy.drain(grace_s, forced)
        await self._closing.close(forced)
        _log.info("stopped")
