"""Hosts everything in one process: control plane, gateways, dataflow, servers and front ends."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from penstock.core.agent.own_copies import OwnCopies, OwnCopiesServer
from penstock.core.clock import Clock, SystemClock
from penstock.core.config import Config
from penstock.core.contracts.control import ControlPlane, ManifestText
from penstock.core.contracts.gateway import Gateway
from penstock.core.contracts.model import ServerAdapter
from penstock.core.control import LoadPolicy, LocalControlPlane, Shortfall
from penstock.core.control.agents.hosted import AgentMeeting
from penstock.core.control.background import Background
from penstock.core.control.servers import ServerKinds
from penstock.core.database import Database
from penstock.core.errors import OverloadedError
from penstock.core.experiments.made import Makers
from penstock.core.log_ring import LogRing
from penstock.core.manifests import ManifestSource, texts_of
from penstock.core.plugins.plugins import Plugins
from penstock.core.positions import PositionedDocument
from penstock.core.problems import KeyPath, Problem
from penstock.core.routing.book import RouteBook
from penstock.core.routing.follower import LEAVING_S
from penstock.core.runtime.artifact_cache import open_cache
from penstock.core.runtime.closing import Closing
from penstock.core.runtime.data_plane import DataPlane
from penstock.core.runtime.doors import door_at
from penstock.core.runtime.hosted_agent import HostedAgent, identity_by
from penstock.core.runtime.hosted_proxy import HostedProxy
from penstock.core.runtime.parts import Parts, make_parts
from penstock.core.runtime.stream_roles import (
    ALL_STREAM_ROLES,
    NO_STREAM_ROLES,
    StreamRole,
    stream_roles,
)
from penstock.core.runtime.unless import unless
from penstock.core.runtime.work_folder import make_work_folder
from penstock.core.workers.copies import IN_WORKERS, CopyInEach

CALLS: Final = "v2"
"""The server adapter that models on agents are called through."""

OWN_DOOR: Final = "scheduler"
"""What the door of the scheduler's own process is called in its book."""

LOOPBACK: Final = "127.0.0.1"

_CHANGE_HOOK: Final = "penstock_resource_changed"

_log = logging.getLogger(__name__)


class Runtime:
    """One process. Started once, stopped once; all methods are called on one event loop.

    Logging and signals belong to the main program (:func:`penstock.core.runtime.serve`), so that a
    test or another program can hold a runtime, or several.
    """

    def __init__(
        self,
        config: Config,
        plugins: Plugins,
        *,
        clock: Clock | None = None,
        policy: LoadPolicy | None = None,
        hosts_models: bool = True,
        workers: int = 0,
        reached_at: Mapping[str, str] | None = None,
        logs: LogRing | None = None,
        roles: frozenset[StreamRole] = ALL_STREAM_ROLES,
        is_agent: bool = False,
        proxy: bool = False,
    ) -> None:
        """``hosts_models``: whether models are loaded in this process, and on servers that it
        starts. So many ``workers`` are agents that do what the server ``inprocess`` of this
        process would do; models whose manifests do not say otherwise have a copy in each.
        ``reached_at`` has the addresses by front end, where callers reach others than those that
        this process listens on. ``roles`` are those that it has for pipelines over a transport
        that crosses processes. ``is_agent``: one of its agents is in this process, as those of
        other processes are in theirs. ``proxy``: one stands before what answers here."""
        self._reached_at = reached_at
        self._workers = workers
        self._has_agents = bool(workers) or not hosts_models
        self._hosts_models = hosts_models
        self._config = config
        self._plugins = plugins
        self._clock = clock or SystemClock()
        self._policy = policy or LoadPolicy()
        self._background = Background()
        self._closing = Closing()
        self._book = RouteBook(secrets.token_hex(8), self._clock)
        # Workers have them, where there are some.
        own_roles = NO_STREAM_ROLES if workers else roles
        self._streams = stream_roles(config, plugins, self._clock, own_roles)
        self._data = DataPlane(
            config, self._clock, self._closing, self._book, logs, streams=self._streams
        )
        self._data.choose_with(plugins.routers, plugins.arm_metrics)
        self._data.gateway.be_followed(self._book, plugins.joins)
        # Requests to pipelines that go through streams are answered in that role only.
        self._answers = bool(workers) or self._streams is None or "pipeline-gateway" in roles
        self._control: LocalControlPlane | None = None
        self._agent: HostedAgent | None = None
        if is_agent:
            self._agent = HostedAgent(config.agent, self._data.clock, self._closing)
        self._own_copies = OwnCopies()
        self._proxy: HostedProxy | None = None
        if proxy:
            self._proxy = HostedProxy(
                config, plugins, self._closing, self._book.follow, "this process", LOOPBACK
            )

    @property
    def gateway(self) -> Gateway:
        """What front ends call."""
        return self._data.gateway

    @property
    def control(self) -> ControlPlane:
        """The control plane; there is one after the start."""
        return self._running()

    async def start(self, manifests: Sequence[ManifestSource] = ()) -> dict[str, str]:
        """Start everything, take in the configured manifests and these, and listen.

        Comes back with the addresses by front end, before models are loaded: see
        :meth:`wait_ready`. Raises PluginsError, ProblemsError and whatever else refuses; what was
        started by then is stopped again.
        """
        return await self._closing.starting(self._start(manifests))

    async def wait_ready(self, timeout_s: float) -> Sequence[Shortfall]:
        """Return when everything is ready, or will not be without anybody's doing, and the gateways
        that follow know it.

        Comes back with what is not ready then, or when the time is over, and why. Raises the error
        with which the agent of this process was refused.
        """
        until_s = asyncio.get_running_loop().time() + timeout_s
        if self._agent is not None:
            await self._agent.taken_in()
        shortfalls = await self._running().wait_settled(timeout_s)
        with suppress(TimeoutError):
            async with asyncio.timeout_at(until_s):
                await self._book.taken_up()
        return shortfalls

    async def stop(
        self, *, grace_s: float | None = None, forced: asyncio.Event | None = None
    ) -> None:
        """Take in nothing new, finish what is under way, and stop everything.

        Work that is under way has ``grace_s`` (as configured when it is None), or until ``forced``
        is set, and is then given up; nor does a stop that is forced wait for models that hang.
        """
        self._plugins.stopping()
        if self._control is not None:
            self._control.part_with_agents()
        if self._agent is not None:
            self._agent.end_talk()
        forced = forced or asyncio.Event()
        if grace_s is None:
            grace_s = self._config.defaults.drain_ms / 1000.0
        if self._proxy is not None:
            grace_s = await self._proxy.drain(grace_s, forced)
        await unless(forced, self._close_door())
        await self._data.drain(grace_s, forced)
        await self._closing.close(forced)
        _log.info("stopped")

    async def _start(self, manifests: Sequence[ManifestSource]) -> dict[str, str]:
        eviction = self._config.agent.eviction
        parts = make_parts(self._plugins, self._config.scheduler, eviction=eviction)
        if self._agent is not None:
            parts = self._with_server_of_agent(parts)
        work_folder = await make_work_folder(self._closing)
        followed = await self._data.start(parts)
        explainers = self._data.explainers(self._plugins)
        for name, server in parts.servers.items():
            server.use_clock(self._data.clock)
            server.use_loaders(parts.loaders)
            server.use_explainers(explainers)
            if name in self._own_servers(parts):
                await server.start()
                self._closing.add(f"server '{name}'", server.stop)
        if self._agent is not None:
            await self._agent.start_server(parts, explainers)
        database = await self._open_database()
        if self._may_succeed_another(database):
            self._book.succeed()
        control = self._make_control(parts, work_folder, database, followed=followed)
        control.start()
        if self._agent is not None:
            self._begin_agent(self._agent, parts, control)
        if self._workers:
            control.expect_agents(IN_WORKERS, IN_WORKERS, self._workers)
        self._closing.add("the control plane", control.stop)
        self._control = control
        self._closing.add("the background tasks", self._background.close)
        self._follow_changes()
        await self._apply(control, manifests)
        knows = database is not None
        self._background.spawn(self._settle(control, knows_all=knows), "settling")
        self._background.spawn(control.keeper.run(), "keeping experiments")
        self._data.gateway.open_intake()
        addresses = await self._data.listen(parts, control, control.manifest, control.agents)
        addresses = dict(self._reached_at or addresses)
        self._open_door(addresses)
        if self._proxy is not None:
            addresses = await self._proxy.start()
        self._plugins.started(self._config, addresses)
        return addresses

    def _open_door(self, addresses: Mapping[str, str]) -> None:
        """Have proxies send requests here, where this process answers to every name."""
        section = self._config.gateway
        door = door_at(addresses, section.host, section.zone)
        if door is not None and self._answers:
            self._book.open_door(OWN_DOOR, door)

    async def _close_door(self) -> None:
        """Have proxies send requests elsewhere."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LEAVING_S):
                await self._book.close_door(OWN_DOOR)

    def _with_server_of_agent(self, parts: Parts) -> Parts:
        """The server that the agent of this process has may be one that it has for that only."""
        kind = self._config.agent.server
        adapter = parts.servers.get(kind) or self._plugins.make(self._plugins.server_adapters, kind)
        return replace(parts, servers={**parts.servers, kind: adapter})

    def _begin_agent(self, agent: HostedAgent, parts: Parts, control: LocalControlPlane) -> None:
        """Have the agent of this process follow it, without a connection."""
        assert control.agents is not None, "it has agents"
        agent.begin(
            parts,
            self._own_copies,
            identity_by(self._config.agent, self._own_copies.address),
            "the scheduler of this process",
            partial(control.agents.follow, peer=""),
        )
        self._background.spawn(agent.until_dismissed(), "being an agent")

    async def _settle(self, control: LocalControlPlane, *, knows_all: bool) -> None:
        """From then on gateways elsewhere keep nothing that this process does not have.

        Without a database nobody knows what is yet to be applied again.
        """
        limit_s = self._config.scheduler.settle_ms / 1000.0
        await (control.wait_serving(limit_s) if knows_all else asyncio.sleep(limit_s))
        self._book.settle()

    def _may_succeed_another(self, database: Database | None) -> bool:
        """Whether gateways may have followed a process that was here before. A scheduler without a
        database cannot know."""
        if database is None:
            return not self._hosts_models
        return database.saved().starts > 1

    async def _open_database(self) -> Database | None:
        path = self._config.scheduler.database
        if path is None:
            return None
        database = await asyncio.to_thread(Database, path)
        self._closing.add("the database", lambda: asyncio.to_thread(database.close))
        return database

    def _make_control(
        self, parts: Parts, work_folder: Path, database: Database | None, *, followed: bool
    ) -> LocalControlPlane:
        kinds = self._server_kinds(parts)
        return LocalControlPlane(
            servers=self._own_servers(parts),
            readers=parts.servers,
            server_kinds=kinds,
            server_options=partial(self._problems_of_options, kinds),
            rules=parts.rules,
            eviction=parts.eviction,
            storages=list(parts.storages.values()),
            joins=self._plugins.joins,
            models=self._data.models,
            gateway=self._data.gateway,
            metrics=self._data.metrics,
            clock=self._data.clock,
            work_folder=work_folder,
            module_folders=(Path.cwd(),),
            record=self._config.defaults.record,
            followed=followed,
            policy=self._policy_for(parts),
            database=database,
            cache=open_cache(self._config.agent.cache, self._closing),
            agents=self._meeting() if self._has_agents else None,
            streams=None if self._streams is None else self._streams.place,
            partitions=self._config.dataflow.partitions,
            reports=self._book.reports,
            makers=Makers(self._plugins.bandits, self._plugins.arm_metrics),
            scaling=parts.scaling,
        )

    def _own_servers(self, parts: Parts) -> dict[str, ServerAdapter]:
        """Those that load models in this process."""
        if not self._hosts_models:
            return {}
        workers = (IN_WORKERS,) if self._workers else ()
        return {name: server for name, server in parts.servers.items() if name not in workers}

    def _policy_for(self, parts: Parts) -> LoadPolicy:
        if not self._workers:
            return self._policy
        capabilities = parts.servers[IN_WORKERS].capabilities()
        return replace(self._policy, unsaid=CopyInEach(self._workers, capabilities))

    def _meeting(self) -> AgentMeeting:
        """What the agents of a scheduler are met with."""
        adapters = self._plugins.server_adapters

        def call(address: str) -> ServerAdapter:
            if address == self._own_copies.address:
                return OwnCopiesServer(self._own_copies)
            adapter = self._plugins.make_with(
                adapters, CALLS, {"address": address, "load": "present", "protocol": None}
            )
            adapter.use_clock(self._data.clock)
            return adapter

        return AgentMeeting(uuid4().hex, self._config.scheduler.agents, call)

    def _problems_of_options(
        self,
        kinds: ServerKinds,
        kind: str,
        options: Mapping[str, object],
        document: PositionedDocument,
        at: KeyPath,
    ) -> list[Problem]:
        if kind not in kinds:
            return []
        adapters = self._plugins.server_adapters
        return self._plugins.problems_of_options(adapters, kind, options, document, at)

    def _server_kinds(self, parts: Parts) -> ServerKinds:
        """What makes replicas of the servers that manifests ask for; of those that this process
        does not start, agents do."""
        adapters = self._plugins.server_adapters
        explainers = self._data.explainers(self._plugins)

        def maker(name: str) -> Callable[[Mapping[str, Any]], ServerAdapter]:
            def make(options: Mapping[str, Any]) -> ServerAdapter:
                adapter = self._plugins.make_with(adapters, name, options)
                adapter.use_clock(self._data.clock)
                adapter.use_loaders(parts.loaders)
                adapter.use_explainers(explainers)
                return adapter

            return make

        return {
            name: maker(name)
            for name in adapters.names()
            if self._hosts_models or getattr(adapters.get(name), "attaches", False)
        }

    async def _apply(self, control: LocalControlPlane, manifests: Sequence[ManifestSource]) -> None:
        texts = await asyncio.to_thread(_texts, [*self._config.include, *manifests])
        if not texts:
            return
        for change in await control.apply(texts, dry_run=False):
            for warning in change.warnings:
                kind, name = change.kind.lower(), change.name
                _log.warning("%s '%s': %s", kind, name, warning, extra={kind: name})

    def _follow_changes(self) -> None:
        hooks = {
            hook
            for plugin in self._plugins.describe()
            if plugin.state == "active"
            for hook in plugin.hooks
        }
        if _CHANGE_HOOK in hooks:
            self._background.spawn(self._tell_plugins(), "telling plug-ins of changes")

    async def _tell_plugins(self) -> None:
        while True:
            try:
                async for event in self.control.watch(None, 0):
                    self._plugins.resource_changed(event)
                    await asyncio.sleep(0)  # requests go first
            except OverloadedError as error:
                _log.warning("plug-ins are told of changes anew: %s", error)

    def _running(self) -> LocalControlPlane:
        assert self._control is not None, "start() comes first"
        return self._control


def _texts(sources: Sequence[ManifestSource]) -> list[ManifestText]:
    """The texts of all sources; a file that is named twice is read once."""
    texts: list[ManifestText] = []
    seen: set[Path] = set()
    for source in sources:
        if isinstance(source, ManifestText):
            texts.append(source)
        elif source.resolve() not in seen:
            seen.add(source.resolve())
            texts += texts_of([source])
    return texts
