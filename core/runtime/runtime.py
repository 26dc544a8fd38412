"""Hosts everything in one process: control plane, gateways, dataflow, servers and front ends."""

from __future__ import annotations

import asyncio
import logging
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import penstock
from penstock.core.artifacts import ArtifactCache, default_folder
from penstock.core.cases import CaseExporter
from penstock.core.clock import Clock, SystemClock
from penstock.core.config import Config
from penstock.core.contracts.control import ControlPlane, ManifestText
from penstock.core.contracts.follower import Follower
from penstock.core.contracts.frontend import FrontEnd, FrontEndContext
from penstock.core.contracts.gateway import Gateway, ServerMetadata
from penstock.core.contracts.model import ServerAdapter
from penstock.core.contracts.page import Page
from penstock.core.control import LoadPolicy, LocalControlPlane, Shortfall
from penstock.core.control.background import Background
from penstock.core.control.servers import ServerKinds
from penstock.core.database import Database
from penstock.core.dataflow import Dataflow
from penstock.core.errors import ConflictError, OverloadedError, UnsupportedError
from penstock.core.journal import InquiryDesk, Journal, JournalLimits, LetterBox
from penstock.core.manifests import ManifestSource, texts_of
from penstock.core.metrics import Metrics
from penstock.core.model_gateway import ModelGateway
from penstock.core.pipeline_gateway import GatewayLimits, PipelineGateway
from penstock.core.plugins.plugins import Plugins
from penstock.core.runtime.closing import Closing
from penstock.core.runtime.draining import drain
from penstock.core.runtime.parts import Parts, make_parts

V2_EXTENSIONS: Final = ("binary_tensor_data", "model_repository")

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
    ) -> None:
        self._config = config
        self._plugins = plugins
        self._clock = clock or SystemClock()
        self._policy = policy or LoadPolicy()
        self._metrics = Metrics()
        self._models = ModelGateway()
        self._dataflow = Dataflow(
            self._models,
            self._metrics,
            self._clock,
            most_per_model=config.limits.in_flight_per_model,
            most_open_joins=config.limits.open_joins,
        )
        limits = config.limits
        self._journal = Journal(JournalLimits(limits.recorded_requests, limits.recorded_bytes))
        self._letters = LetterBox()
        self._gateway = PipelineGateway(
            self._dataflow,
            self._metrics,
            self._clock,
            GatewayLimits(
                in_flight=config.limits.in_flight,
                deadline_ms=config.defaults.deadline_ms,
                async_deadline_ms=config.defaults.async_deadline_ms,
                dedup_requests=config.limits.dedup_requests,
            ),
            ServerMetadata("penstock", penstock.__version__, V2_EXTENSIONS),
            self._journal,
            self._letters,
        )
        self._background = Background()
        self._closing = Closing()
        self._front_ends: dict[str, FrontEnd] = {}
        self._control: LocalControlPlane | None = None

    @property
    def gateway(self) -> Gateway:
        """What front ends call."""
        return self._gateway

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
        try:
            return await self._start(manifests)
        except BaseException:
            await self._closing.close()
            raise

    async def wait_ready(self, timeout_s: float) -> Sequence[Shortfall]:
        """Return when everything is ready, or will not be without anybody's doing.

        Comes back with what is not ready then, or when the time is over, and why.
        """
        return await self._running().wait_settled(timeout_s)

    async def stop(
        self, *, grace_s: float | None = None, forced: asyncio.Event | None = None
    ) -> None:
        """Take in nothing new, finish what is under way, and stop everything.

        Work that is under way has ``grace_s`` (as configured when it is None), or until ``forced``
        is set, and is then given up; nor does a stop that is forced wait for models that hang.
        """
        self._plugins.stopping()
        self._gateway.close_intake()
        if grace_s is None:
            grace_s = self._config.defaults.drain_ms / 1000.0
        forced = forced or asyncio.Event()
        await self._drain(grace_s, forced)
        await self._closing.close(forced)
        _log.info("stopped")

    async def _start(self, manifests: Sequence[ManifestSource]) -> dict[str, str]:
        self._refuse_transport()
        parts = make_parts(self._plugins, self._config.scheduler)
        work_folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="penstock-"))
        self._closing.add(
            "the folder of fetched artifacts",
            lambda: asyncio.to_thread(shutil.rmtree, work_folder, ignore_errors=True),
        )
        pages = self._observe(parts)
        self._dataflow.start()
        self._closing.add("the dataflow", self._dataflow.stop)
        for name, server in parts.servers.items():
            server.use_loaders(parts.loaders)
            await server.start()
            self._closing.add(f"server '{name}'", server.stop)
        followers = _followers(parts)
        self._gateway.follow_with(followers)
        database = await self._open_database()
        control = self._make_control(parts, work_folder, database, followed=bool(followers))
        control.start()
        self._closing.add("the control plane", control.stop)
        self._control = control
        self._closing.add("the background tasks", self._background.close)
        self._follow_changes()
        await self._apply(control, manifests)
        self._gateway.open_intake()
        addresses = await self._listen(parts, control, pages)
        self._plugins.started(self._config, addresses)
        return addresses

    def _refuse_transport(self) -> None:
        kind = self._config.transport.kind
        if kind != "memory":
            raise UnsupportedError(
                f"the transport '{kind}' is not supported yet: pipelines run within one process; "
                "leave transport.kind out of the config file"
            )

    def _observe(self, parts: Parts) -> Mapping[str, Page]:
        pages: dict[str, Page] = {}
        for name, observer in parts.observers.items():
            observer.start(self._metrics)
            self._closing.add(f"observer '{name}'", observer.stop)
            for path, page in observer.pages().items():
                if path in pages:
                    raise ConflictError(
                        f"the page {path} of the observer '{name}' is another observer's as well; "
                        "disable one of their plug-ins"
                    )
                pages[path] = page
        return pages

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
        return LocalControlPlane(
            servers=parts.servers,
            server_kinds=self._server_kinds(parts),
            rules=parts.rules,
            storages=list(parts.storages.values()),
            joins=self._plugins.joins,
            models=self._models,
            gateway=self._gateway,
            metrics=self._metrics,
            clock=self._clock,
            work_folder=work_folder,
            module_folders=(Path.cwd(),),
            record=self._config.defaults.record,
            followed=followed,
            policy=self._policy,
            database=database,
            cache=self._make_cache(),
        )

    def _make_cache(self) -> ArtifactCache | None:
        if sys.platform == "win32":
            return None  # it lacks the locks; what is fetched is fetched for each copy there
        options = self._config.agent.cache
        cache = ArtifactCache(options.folder or default_folder(), options.max_bytes)
        self._closing.add("the cache of artifacts", lambda: asyncio.to_thread(cache.close))
        return cache

    def _server_kinds(self, parts: Parts) -> ServerKinds:
        """What makes replicas of the servers that manifests ask for."""
        adapters = self._plugins.server_adapters

        def maker(name: str) -> Callable[[Mapping[str, Any]], ServerAdapter]:
            def make(options: Mapping[str, Any]) -> ServerAdapter:
                adapter = self._plugins.make_with(adapters, name, options)
                adapter.use_loaders(parts.loaders)
                return adapter

            return make

        return {name: maker(name) for name in adapters.names()}

    async def _apply(self, control: LocalControlPlane, manifests: Sequence[ManifestSource]) -> None:
        texts = await asyncio.to_thread(_texts, [*self._config.include, *manifests])
        if not texts:
            return
        for change in await control.apply(texts, dry_run=False):
            for warning in change.warnings:
                _log.warning("%s '%s': %s", change.kind.lower(), change.name, warning)

    async def _listen(
        self, parts: Parts, control: ControlPlane, pages: Mapping[str, Page]
    ) -> dict[str, str]:
        limits = self._config.limits
        context = FrontEndContext(
            self._gateway,
            control,
            pages,
            max_request_bytes=limits.request_bytes,
            max_header_bytes=limits.header_bytes,
            passed_headers=frozenset(self._config.defaults.passed_headers),
            count_refused=self._metrics.refuse,
            desk=InquiryDesk(
                self._journal, self._letters, self._gateway, self._exporter(parts).file
            ),
        )
        addresses = {}
        for name, front_end in parts.front_ends.items():
            addresses[name] = await front_end.start(context)
            self._closing.add(f"front end '{name}'", front_end.stop)
            self._front_ends[name] = front_end
        return addresses

    def _exporter(self, parts: Parts) -> CaseExporter:
        defaults = self._config.defaults
        settings = defaults.model_dump(mode="json", by_alias=True)
        return CaseExporter(
            self._running().manifest, parts.redactors, {"defaults": settings}, self._journal.find
        )

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

    async def _drain(self, grace_s: float, forced: asyncio.Event) -> None:
        drains = {
            "the gateway": self._gateway.drain,
            **{f"front end '{name}'": each.drain for name, each in self._front_ends.items()},
        }
        await drain(drains, grace_s, forced)
        left = self._dataflow.open_passages
        if left:
            why = "a second signal" if forced.is_set() else f"{grace_s:g} s"
            _log.warning("%d requests under way are given up after %s", left, why)

    def _running(self) -> LocalControlPlane:
        assert self._control is not None, "start() comes first"
        return self._control


def _followers(parts: Parts) -> list[Follower]:
    """Those of the observers that follow requests, in the order of their names."""
    asked = [observer.follower() for observer in parts.observers.values()]
    return [follower for follower in asked if follower is not None]


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
