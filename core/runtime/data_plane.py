"""What answers requests in a process: the gateways, the dataflow, and the front ends before it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Final

import penstock
from penstock.core.cases import CaseExporter
from penstock.core.cases.exporter import ManifestOf
from penstock.core.clock import Clock
from penstock.core.config import Config
from penstock.core.contracts.agents import AgentHost
from penstock.core.contracts.arm_metric import ArmMetric
from penstock.core.contracts.control import ControlPlane
from penstock.core.contracts.follower import Follower
from penstock.core.contracts.frontend import FrontEnd, FrontEndContext
from penstock.core.contracts.gateway import ServerMetadata
from penstock.core.contracts.model import ExplainerLoader
from penstock.core.contracts.page import Page
from penstock.core.dataflow import Dataflow
from penstock.core.errors import ConflictError
from penstock.core.experiments.made import Makers, Makes
from penstock.core.experiments.observer import ArmObserver
from penstock.core.experiments.routers import RouterFactories, make_router
from penstock.core.experiments.tally import Tallies
from penstock.core.explaining import GatewayExplainers
from penstock.core.journal import InquiryDesk, Journal, JournalLimits, LetterBox
from penstock.core.log_ring import LogRing
from penstock.core.metrics import ArmShare, Metrics
from penstock.core.model_gateway import ModelGateway
from penstock.core.pipeline_gateway import GatewayLimits, PipelineGateway
from penstock.core.pipeline_gateway.experiments import Experiments
from penstock.core.plugins.plugins import Plugins
from penstock.core.recordings import StreamInquiries
from penstock.core.request_headers import travelling_headers
from penstock.core.routing.book import RouteBook
from penstock.core.runtime.closing import Closing
from penstock.core.runtime.draining import drain
from penstock.core.runtime.exposure import exposures
from penstock.core.runtime.parts import Parts
from penstock.core.runtime.stream_roles import StreamRoles
from penstock.core.workers.number import WorkerNumber

V2_EXTENSIONS: Final = ("binary_tensor_data", "model_repository")

_log = logging.getLogger(__name__)


class DataPlane:
    """The gateways of a process and what they stand on, whoever says what they serve.

    Started once; what is opened is closed by ``closing``. ``book`` is for gateways elsewhere,
    ``logs`` for whoever asks what this process logs.
    """

    def __init__(
        self,
        config: Config,
        clock: Clock,
        closing: Closing,
        book: RouteBook | None = None,
        logs: LogRing | None = None,
        *,
        kind: type[PipelineGateway] = PipelineGateway,
        worker: WorkerNumber | None = None,
        streams: StreamRoles | None = None,
    ) -> None:
        """``worker`` says which of several behind one address this process is; with ``streams``
        requests to pipelines go through them."""
        limits = config.limits
        self.clock = clock = clock if streams is None else streams.clock
        """The clock that deadlines of requests and calls are in."""
        self._streams = streams
        self._config = config
        self._closing = closing
        self._book = book
        self._logs = logs
        self._journal = Journal(JournalLimits(limits.recorded_requests, limits.recorded_bytes))
        self._begun_ms = None if worker is None else clock.now_ms()
        self._letters = LetterBox(numbers=None if worker is None else worker.letters)
        self._front_ends: list[tuple[str, FrontEnd]] = []
        self._pages: dict[str, Page] = {}
        self.metrics = Metrics()
        self.tallies = Tallies() if book is None else book.reports.tallies
        """What becomes of requests of experiments here, and of those that follow the book."""
        self.models = ModelGateway(book)
        self.dataflow = Dataflow(
            self.models,
            self.metrics,
            clock,
            most_per_model=limits.in_flight_per_model,
            most_open_joins=limits.open_joins,
        )
        bounds = GatewayLimits(
            in_flight=limits.in_flight,
            deadline_ms=config.defaults.deadline_ms,
            async_deadline_ms=config.defaults.async_deadline_ms,
            dedup_requests=limits.dedup_requests,
        )
        self.gateway = kind(
            self.dataflow,
            self.metrics,
            clock,
            bounds,
            ServerMetadata("penstock", penstock.__version__, V2_EXTENSIONS),
            self._journal,
            self._letters,
            None if worker is None else worker.number,
        )
        if streams is not None:
            streams.carry(self.gateway, self.dataflow, bounds, self.metrics)

    def choose_with(self, routers: RouterFactories, metrics: Makes[ArmMetric]) -> None:
        """Have experiments choose with these routers, and measure answers with these metrics."""
        experiments = self.gateway.experiments
        measure = Makers(metrics=metrics).metric
        observer = ArmObserver(self.tallies, self.metrics, measure, experiments.in_force)
        travelling = travelling_headers(self._config.defaults.passed_headers)
        make = partial(make_router, factories=routers, travelling=travelling)
        experiments.use(make, observer)
        if self._streams is not None:
            self._streams.observe_with(observer)
        self.metrics.shares = partial(_shares, experiments)

    async def start(self, parts: Parts) -> bool:
        """Have observers see what is to come; answers whether any of them follows requests.

        Raises ConflictError for two pages in one place, NotReadyError when a transport that
        requests need was not to be had within :data:`~penstock.core.streams.patience.PATIENCE_S`.
        """
        self._observe(parts)
        self.dataflow.start()
        self._closing.add("the dataflow", self.dataflow.stop)
        if self._streams is not None:
            self._closing.add("the streams", self._streams.stop)
            await self._streams.start()
        followers = _followers(parts)
        self.gateway.follow_with(followers)
        if self._streams is not None:
            self._streams.follow_with(followers)
        return bool(followers)

    def explainers(self, plugins: Plugins) -> ExplainerLoader:
        """What loads explainers that ask through the gateway of this process."""
        return GatewayExplainers(
            plugins.explainers, self.gateway.questions(plugins.joins), self.models
        )

    async def listen(
        self,
        parts: Parts,
        control: ControlPlane | None,
        manifest_of: ManifestOf,
        agents: AgentHost | None = None,
    ) -> dict[str, str]:
        """Start the front ends; their addresses by name. ``manifest_of`` is for cases."""
        for sentence in exposures(self._config):
            _log.warning("%s", sentence)
        context = self.context(parts, control, manifest_of, agents)
        return await self.listen_with(parts.front_ends, context)

    def context(
        self,
        parts: Parts,
        control: ControlPlane | None,
        manifest_of: ManifestOf,
        agents: AgentHost | None = None,
    ) -> FrontEndContext:
        """What front ends serve."""
        limits, defaults = self._config.limits, self._config.defaults
        settings = {"defaults": defaults.model_dump(mode="json", by_alias=True)}
        exporter = CaseExporter(manifest_of, parts.redactors, settings, self._journal.find)
        desk = InquiryDesk(
            self._journal,
            self._letters,
            self.gateway,
            exporter.file,
            self._begun_ms,
            None if self._streams is None else self._streams.answers,
        )
        return FrontEndContext(
            self.gateway,
            control,
            self._pages,
            max_request_bytes=limits.request_bytes,
            max_header_bytes=limits.header_bytes,
            passed_headers=frozenset(defaults.passed_headers),
            count_refused=self.metrics.refuse,
            desk=desk,
            inquiries=None
            if self._streams is None
            else StreamInquiries(
                desk,
                *self._streams.place,
                self.gateway,
                travelling_headers(defaults.passed_headers),
            ),
            agents=agents,
            access=self._config.scheduler.access.access(),
            book=self._book,
            logs=self._logs,
        )

    async def listen_with(
        self, front_ends: Mapping[str, FrontEnd], context: FrontEndContext
    ) -> dict[str, str]:
        """Start these front ends; their addresses by name."""
        addresses = {}
        for name, front_end in front_ends.items():
            addresses[name] = await front_end.start(context)
            self._closing.add(f"front end '{name}'", front_end.stop)
            self._front_ends.append((name, front_end))
        return addresses

    async def drain(self, grace_s: float | None, forced: asyncio.Event) -> None:
        """Take in nothing new, and return when what is under way has been answered, after
        ``grace_s`` (as configured when it is None), or when ``forced`` is set."""
        self.gateway.close_intake()
        if grace_s is None:
            grace_s = self._config.defaults.drain_ms / 1000.0
        drains = {
            "the gateway": self.gateway.drain,
            **{f"front end '{name}'": each.drain for name, each in self._front_ends},
        }
        await drain(drains, grace_s, forced)
        if self._streams is not None:
            # Others go on with it, which is better than to give it up.
            await self._streams.hand_over(forced=forced.is_set())
        left = self.dataflow.open_passages
        if left:
            why = "a second signal" if forced.is_set() else f"{grace_s:g} s"
            _log.warning("%d requests under way are given up after %s", left, why)

    def _observe(self, parts: Parts) -> None:
        for name, observer in parts.observers.items():
            observer.start(self.metrics)
            self._closing.add(f"observer '{name}'", observer.stop)
            _add_pages(self._pages, observer.pages(), name)


def _add_pages(pages: dict[str, Page], more: Mapping[str, Page], observer: str) -> None:
    for path, page in more.items():
        if path in pages:
            raise ConflictError(
                f"the page {path} of the observer '{observer}' is another observer's as well; "
                "disable one of their plug-ins"
            )
        pages[path] = page


def _followers(parts: Parts) -> list[Follower]:
    """Those of the observers that follow requests, in the order of their names."""
    asked = [observer.follower() for observer in parts.observers.values()]
    return [follower for follower in asked if follower is not None]


def _shares(experiments: Experiments) -> Iterator[ArmShare]:
    """How much each arm of each experiment gets by the weights in force."""
    for target in experiments:
        weights, whole = target.in_force.weights, sum(target.in_force.weights)
        for arm, weight in zip(target.in_force.manifest.spec.arms, weights, strict=True):
            yield ArmShare(target.name, arm, weight / whole)
