"""The process of an agent: a server, what answers for its models, and the talk with a scheduler."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

from penstock.core.agent.following import dial_of
from penstock.core.agent.served import ServedCopies
from penstock.core.clock import Clock, SystemClock
from penstock.core.config import Config
from penstock.core.log_ring import LogRing
from penstock.core.plugins.plugins import Plugins
from penstock.core.runtime.closing import Closing
from penstock.core.runtime.data_plane import DataPlane
from penstock.core.runtime.doors import rest_at
from penstock.core.runtime.hosted_agent import HostedAgent, called_at, identity_by
from penstock.core.runtime.memory import collect_less_often, keep_freed_memory
from penstock.core.runtime.parts import make_parts
from penstock.core.runtime.unless import unless
from penstock.core.signals import StopSignals

_log = logging.getLogger(__name__)


class AgentProcess:
    """One agent. Started once, stopped once; all methods are called on one event loop.

    Raises InvalidRequestError where the configuration does not say which scheduler to follow.
    """

    def __init__(
        self,
        config: Config,
        plugins: Plugins,
        *,
        clock: Clock | None = None,
        logs: LogRing | None = None,
    ) -> None:
        self._config = config
        self._scheduler = config.agent.scheduler_at(config.agent.scheduler)
        self._plugins = plugins
        self._clock = clock or SystemClock()
        self._closing = Closing()
        self._data = DataPlane(config, self._clock, self._closing, logs=logs)
        self._agent = HostedAgent(config.agent, self._clock, self._closing)

    async def start(self) -> dict[str, str]:
        """Start the server, and listen. Comes back with the addresses by front end.

        Raises UnknownNameError for a server adapter that is not there, PluginsError and whatever
        else refuses; what was started by then is stopped again.
        """
        return await self._closing.starting(self._start())

    async def follow(self) -> None:
        """Follow the scheduler; returns when it needs this agent no more.

        Raises the error with which it refused the agent from the first on.
        """
        await self._agent.dismissed()

    async def stop(self, forced: asyncio.Event) -> None:
        """Have models go elsewhere, finish what is under way, and stop everything.

        All that has ``drainMs``, or until ``forced`` is set.
        """
        self._plugins.stopping()
        grace_s = self._config.defaults.drain_ms / 1000.0
        left_s = await self._agent.leave(grace_s, forced)
        await self._data.drain(left_s, forced)
        await self._closing.close(forced)
        _log.info("stopped")

    async def _start(self) -> dict[str, str]:
        section, data = self._config.agent, self._data
        self._plugins.server_adapters.get(section.server)
        parts = make_parts(self._plugins, servers=(section.server,), eviction=section.eviction)
        followed = await data.start(parts)
        await self._agent.start_server(parts)
        data.gateway.open_intake()
        addresses = await data.listen(parts, None, self._agent.manifest)
        address = called_at(addresses.get("grpc"), section.host)
        joins = self._plugins.joins
        self._agent.begin(
            parts,
            ServedCopies(
                data.models, data.gateway, data.metrics, joins, data.clock, followed=followed
            ),
            identity_by(section, address, rest_at(addresses, section.host)),
            f"the scheduler at {self._scheduler.place}",
            dial_of(self._scheduler),
        )
        self._plugins.started(self._config, addresses)
        return addresses


async def serve_agent(
    process: AgentProcess, on_started: Callable[[Mapping[str, str]], None]
) -> StopSignals:
    """Be an agent until a signal asks to stop, or the scheduler; a second signal forces.

    ``on_started`` is told the addresses. Comes back with the signals that came. Raises what
    :meth:`AgentProcess.start` and :meth:`AgentProcess.follow` raise.
    """
    keep_freed_memory()
    collect_less_often()
    with StopSignals() as signals:
        addresses = await unless(signals.asked, process.start())
        if addresses is None:
            return signals
        try:
            on_started(addresses)
            await unless(signals.asked, process.follow())
        finally:
            await process.stop(signals.forced)
    return signals
