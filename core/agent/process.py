"""The process of an agent: a server, what answers for its models, and the talk with a scheduler."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final
from uuid import uuid4

from penstock.core.agent.agent import Agent, Identity
from penstock.core.agent.following import Following, dial_of
from penstock.core.agent.served import ServedCopies
from penstock.core.clock import Clock, SystemClock
from penstock.core.config import Config
from penstock.core.contracts.model import ServerAdapter
from penstock.core.control.background import Background
from penstock.core.control.loading import ModelLoader
from penstock.core.control.model_files import ModelFiles
from penstock.core.errors import UnsupportedError
from penstock.core.log_ring import LogRing
from penstock.core.plugins.plugins import Plugins
from penstock.core.runtime.artifact_cache import open_cache
from penstock.core.runtime.closing import Closing
from penstock.core.runtime.data_plane import DataPlane
from penstock.core.runtime.memory import collect_less_often, keep_freed_memory
from penstock.core.runtime.parts import Parts, make_parts
from penstock.core.runtime.serving import unless
from penstock.core.runtime.work_folder import make_work_folder
from penstock.core.signals import StopSignals

MEASURED_EVERY_S: Final = 5.0

ANY_HOST: Final = ("", "0.0.0.0", "::")
"""Hosts that mean every address of the machine."""

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
        self._background = Background()
        self._data = DataPlane(config, self._clock, self._closing, logs=logs)
        self._agent: Agent | None = None

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
        agent, scheduler = self._running(), self._scheduler
        who = f"the scheduler at {scheduler.place}"
        following = Following(agent, who, dial_of(scheduler))
        task = self._background.spawn(following.run(), "following the scheduler")
        dismissed = self._background.spawn(agent.dismissed.wait(), "waiting for the end")
        await asyncio.wait((task, dismissed), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()

    async def stop(self, forced: asyncio.Event) -> None:
        """Have models go elsewhere, finish what is under way, and stop everything.

        All that has ``drainMs``, or until ``forced`` is set.
        """
        self._plugins.stopping()
        end_s = asyncio.get_running_loop().time() + self._config.defaults.drain_ms / 1000.0
        if self._agent is not None:
            self._agent.leave()
            try:
                async with asyncio.timeout_at(end_s):
                    await unless(forced, self._agent.dismissed.wait())
            except TimeoutError:
                _log.warning("the scheduler has not moved all models; the agent stops all the same")
        left_s = max(end_s - asyncio.get_running_loop().time(), 0.0)
        await self._data.drain(left_s, forced)
        await self._closing.close(forced)
        _log.info("stopped")

    async def _start(self) -> dict[str, str]:
        kind = self._config.agent.server
        self._plugins.server_adapters.get(kind)
        eviction = self._config.agent.eviction
        parts = make_parts(self._plugins, servers=(kind,), eviction=eviction)
        work_folder = await make_work_folder(self._closing)
        followed = await self._data.start(parts)
        server = parts.servers[kind]
        server.use_loaders(parts.loaders)
        server.use_name(self._name)
        await server.start()
        self._closing.add(f"server '{kind}'", server.stop)
        self._data.gateway.open_intake()
        addresses = await self._data.listen(parts, None, lambda _kind, _name: None)
        agent = self._make_agent(parts, server, work_folder, addresses, followed=followed)
        self._closing.add("the models", agent.close)
        self._closing.add("the background tasks", self._background.close)
        self._background.spawn(agent.measure(MEASURED_EVERY_S), "measuring memory")
        self._agent = agent
        self._plugins.started(self._config, addresses)
        return addresses

    def _make_agent(
        self,
        parts: Parts,
        server: ServerAdapter,
        work_folder: Path,
        addresses: Mapping[str, str],
        *,
        followed: bool,
    ) -> Agent:
        section = self._config.agent
        here = (Path.cwd(),)
        storages = list(parts.storages.values())
        data = self._data
        loader = ModelLoader(
            storages,
            self._background,
            work_folder=work_folder,
            module_folders=here,
            cache=open_cache(section.cache, self._closing),
        )
        return Agent(
            Identity(
                self._name,
                section.number,
                uuid4().hex,
                f"{socket.gethostname()}, process {os.getpid()}",
                section.server,
                self._address(addresses),
                section.memory,
            ),
            server,
            loader,
            ModelFiles(parts.servers, storages, here),
            ServedCopies(
                data.models, data.gateway, data.metrics, self._plugins.joins, followed=followed
            ),
            self._background,
            self._clock,
            parts.eviction,
        )

    @property
    def _name(self) -> str:
        return self._config.agent.name or self._config.agent.server

    def _address(self, addresses: Mapping[str, str]) -> str:
        """Where others call the models; without a host where that is known by who is called."""
        address = addresses.get("grpc")
        if address is None:
            raise UnsupportedError(
                "an agent is called over gRPC, and the plug-in 'grpc' is not in use; take it out "
                "of plugins.disable"
            )
        scheme, _, place = address.rpartition("://")
        host, _, port = place.rpartition(":")
        host = self._config.agent.host or ("" if host.strip("[]") in ANY_HOST else host)
        return f"{scheme or 'grpc'}://{host}:{port}"

    def _running(self) -> Agent:
        assert self._agent is not None, "start() comes first"
        return self._agent


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
