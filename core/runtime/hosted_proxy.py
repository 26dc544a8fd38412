"""A proxy in a process: the one address that it has there, and the routes that it goes by."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
from functools import partial

from penstock.core.config import Config
from penstock.core.config.sections import PolicySection
from penstock.core.contracts.forwarder import (
    Forwarder,
    ForwarderContext,
    HealthChecks,
    Outliers,
    Policy,
)
from penstock.core.control.background import Background
from penstock.core.experiments.tally import Tallies
from penstock.core.forwarding.balancers import make_balancer
from penstock.core.plugins.plugins import Plugins
from penstock.core.proxy.forwarding import Forwarding
from penstock.core.proxy.ways import Ways
from penstock.core.routing.follower import Connect, RouteFollower
from penstock.core.runtime.closing import Closing
from penstock.core.runtime.draining import drain
from penstock.core.runtime.kept_routes import KeptRoutes

_log = logging.getLogger(__name__)


class HostedProxy:
    """What is opened for it is closed by ``closing``.

    ``connect`` follows the scheduler at ``place``, whose host is ``host``.
    """

    def __init__(
        self,
        config: Config,
        plugins: Plugins,
        closing: Closing,
        connect: Connect,
        place: str,
        host: str,
    ) -> None:
        self._config = config
        self._plugins = plugins
        self._closing = closing
        self._connect = connect
        self._place = place
        self._host = host
        self._background = Background()
        self._kept = KeptRoutes(config.proxy.routes_file)
        self._tallies = Tallies()
        self._forwarder: Forwarder | None = None
        self.informed = asyncio.Event()
        """Set as soon as there are routes, wherever from."""

    async def start(self) -> dict[str, str]:
        """Listen, and begin to follow. Comes back with the addresses by what is spoken there.

        Raises UnknownNameError for a forwarder that is not there, PluginsError and whatever else
        refuses.
        """
        plugins = self._plugins
        forwarder = plugins.make(plugins.forwarders, self._config.proxy.kind)
        addresses = dict(await forwarder.start(self._context()))
        self._closing.add("the forwarder", forwarder.stop)
        self._forwarder = forwarder
        self._closing.add("the tasks of the proxy", self._background.close)
        over_tls = forwarder.asks_over_tls and self._config.proxy.tls is not None
        ways = Ways(self._host, over_tls=over_tls)
        follower = RouteFollower(
            self._connect,
            Forwarding(forwarder, ways, self._background),
            gateway=f"proxy {socket.gethostname()}/{os.getpid()} ({secrets.token_hex(4)})",
            scheduler=self._place,
            keep=self._kept.keep,
            tallies=self._tallies,
        )
        self.informed = follower.informed
        await self._kept.begin(follower, self._background, self._closing)
        self._background.spawn(follower.run(), "following the scheduler")
        self._closing.add("the routes", follower.leave)
        return addresses

    async def drain(self, grace_s: float, forced: asyncio.Event) -> float:
        """Take no new connections, and return when what is under way has been answered, after
        ``grace_s``, or when ``forced`` is set; the seconds that are left of that."""
        if self._forwarder is None:
            return grace_s
        loop = asyncio.get_running_loop()
        end_s = loop.time() + grace_s
        await drain({"the forwarder": self._forwarder.drain}, grace_s, forced)
        return max(end_s - loop.time(), 0.0)

    def _context(self) -> ForwarderContext:
        section, limits = self._config.proxy, self._config.limits
        defaults = self._config.defaults
        return ForwarderContext(
            section.host,
            section.rest_port,
            section.grpc_port,
            policy_of(section.policy, defaults.deadline_ms),
            section.zone,
            shared_port=section.shared_port,
            max_request_bytes=limits.request_bytes,
            max_header_bytes=limits.header_bytes,
            drain_ms=defaults.drain_ms,
            count=self._tallies.count,
            balancer=partial(make_balancer, factories=self._plugins.balancers),
            tls=None if section.listen_tls is None else section.listen_tls.tls(),
            upstream_tls=None if section.tls is None else section.tls.tls(),
        )


def policy_of(section: PolicySection, timeout_ms: float) -> Policy:
    """How a forwarder forwards, as the configuration says."""
    health, outliers = section.health, section.outliers
    return Policy(
        section.balancer,
        section.retries,
        section.hedge_after_ms,
        section.connect_timeout_ms,
        section.in_flight,
        section.slow_start_ms,
        timeout_ms,
        HealthChecks(
            health.interval_ms, health.timeout_ms, health.unhealthy_after, health.healthy_after
        ),
        Outliers(outliers.failures, outliers.eject_ms, outliers.most_percent),
    )
