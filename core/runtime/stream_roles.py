"""What a process does for pipelines whose requests go through streams, and the transport of it."""

from __future__ import annotations

import logging
from collections.abc import Collection
from functools import partial
from typing import Final, Literal, TypeAlias

from penstock.core.clock import Clock
from penstock.core.config import Config
from penstock.core.contracts.follower import Follower
from penstock.core.contracts.transport import StreamSpec, Transport
from penstock.core.dataflow import Dataflow, Deployment
from penstock.core.experiments.split import Observe
from penstock.core.joinspec import JoinFactories
from penstock.core.metrics import Metrics
from penstock.core.pipeline_gateway import GatewayLimits, PipelineGateway
from penstock.core.pipeline_gateway.answers import Answers
from penstock.core.pipeline_gateway.carriage import Carriage
from penstock.core.pipeline_gateway.streamed import StreamIntake
from penstock.core.plan.compiler import compile_pipeline
from penstock.core.plugins.plugins import Plugins
from penstock.core.request_headers import travelling_headers
from penstock.core.streams import (
    ModelGatewayWorker,
    StreamLimits,
    StreamNames,
    StreamWorker,
    TransportClock,
)
from penstock.core.streams.clock import set_clock
from penstock.core.streams.patience import Patience
from penstock.core.streams.readers import StreamReaders
from penstock.core.streams.roster import Roster
from penstock.core.streams.write_behind import WriteBehind

StreamRole: TypeAlias = Literal["pipeline-gateway", "dataflow", "model-gateway"]

ALL_STREAM_ROLES: Final[frozenset[StreamRole]] = frozenset(
    ("pipeline-gateway", "dataflow", "model-gateway")
)

NO_STREAM_ROLES: Final[frozenset[StreamRole]] = frozenset()

_log = logging.getLogger(__name__)


class StreamRoles:
    """The roles of one process. Started once, stopped once.

    ``clock`` is the transport's, for everything that has to do with requests in the process.
    """

    def __init__(
        self,
        transport: Transport,
        clock: Clock,
        config: Config,
        roles: frozenset[StreamRole],
        joins: JoinFactories,
    ) -> None:
        self.transport = transport
        self.names = StreamNames.under(transport.root)
        self.clock = TransportClock(clock)
        self._config = config
        self._roles = roles
        self._joins = joins
        self.answers: Answers | None = None
        """Finds what nobody waited for, where callers are answered."""
        self._intake: StreamIntake | None = None
        self._behind: WriteBehind | None = None
        self._workers: list[StreamWorker | ModelGatewayWorker] = []
        self._worker: StreamWorker | None = None
        self._roster: Roster | None = None

    @property
    def place(self) -> tuple[Transport, StreamNames]:
        """Where streams are, and what they are called."""
        return self.transport, self.names

    def carry(
        self,
        gateway: PipelineGateway,
        dataflow: Dataflow,
        limits: GatewayLimits,
        metrics: Metrics,
    ) -> None:
        """Have the gateway's pipelines go through streams, over ``dataflow``."""
        transport, names, clock = self.transport, self.names, self.clock
        travelling = travelling_headers(self._config.defaults.passed_headers)
        answers = "pipeline-gateway" in self._roles
        if answers or "dataflow" in self._roles:
            self._intake = StreamIntake(gateway.admission, limits, transport, names, clock)
        if answers:
            self._behind = WriteBehind(transport, clock, metrics)
            self.answers = Answers(transport, names, travelling, clock.now_ms, gateway)
        bounds = StreamLimits(
            in_flight=min(StreamLimits().in_flight, self._config.limits.in_flight_per_model),
            dedup_requests=limits.dedup_requests,
            deadline_ms=limits.async_deadline_ms,
        )
        readers = StreamReaders(names)
        if "dataflow" in self._roles:
            self._worker = StreamWorker(
                transport, dataflow, clock, names, bounds, travelling, self._intake, readers
            )
            self._workers.append(self._worker)
        if "model-gateway" in self._roles:
            most = self._config.limits.in_flight_per_model
            models = ModelGatewayWorker(
                transport,
                dataflow,
                clock,
                self._joins,
                names,
                bounds,
                most_per_model=most,
                askers=self._worker,
            )
            self._workers.append(models)
            if self._worker is not None:
                self._worker.offer_calls_to(models)
        if self._workers:
            self._roster = Roster(self._workers, partial(laid_out, dataflow, self._joins))
            gateway.admission.carried = self._running
        intake = self._intake if answers else None
        carriage = Carriage(
            gateway.admission, intake, self._behind, self._roster, readers, self._intake
        )
        gateway.carry_over(carriage)

    def follow_with(self, followers: Collection[Follower]) -> None:
        """Have these decide which requests to follow. Comes before anything is served."""
        for worker in self._workers:
            worker.follow_with(followers)

    def observe_with(self, observe: Observe) -> None:
        """Tell of requests that experiments have split and a worker here finishes. Comes before
        anything is served."""
        if self._worker is not None:
            self._worker.observe_with(observe)

    def _running(self) -> int:
        return sum([worker.running() for worker in self._workers])

    async def start(self) -> None:
        """Reach the transport, and wait for one that is away or slow.

        Raises NotReadyError when it has not been had in time, and at once what waiting does not
        change.
        """
        patience = Patience(self.transport.root)
        await patience.see_through(self.transport.start)
        await patience.see_through(partial(set_clock, self.clock, self.transport))
        for worker in self._workers:
            await patience.see_through(worker.start)
        if self._intake is not None:
            await patience.see_through(self._intake.start)
            # Failures that nobody is told of are written here as well, in layout direct.
            letters = [StreamSpec(self.names.dead_letters)]
            await patience.see_through(partial(self.transport.make_streams, letters))
        _log.info("requests to pipelines go through the streams of '%s'", self.transport.root)

    async def hand_over(self, *, forced: bool) -> None:
        """Work on nothing any more; what is not finished goes to other workers."""
        if self._roster is not None:
            await self._roster.stop(forced=forced)

    async def stop(self) -> None:
        """Let go of everything, as a crash would what was not handed over."""
        await self.hand_over(forced=True)
        if self._intake is not None:
            await self._intake.stop()
        if self._behind is not None:
            await self._behind.stop()
        if self.answers is not None:
            await self.answers.stop()
        await self.transport.stop()


def laid_out(dataflow: Dataflow, joins: JoinFactories, deployment: Deployment) -> Deployment:
    """A version of a pipeline in the layout that its manifest says."""
    plan = deployment.plan
    if plan.pipeline is None or plan.pipeline.spec.layout != "spread":
        return deployment
    spread = compile_pipeline(
        plan.pipeline,
        plan.version,
        joins,
        record="all",
        read=plan.read,
        matched=plan.matched,
        partitions=plan.partitions,
        spread=True,
        followed=plan.followed is not None,
    )
    return dataflow.deploy(spread, deployment.taps)


def chosen_roles(names: Collection[str]) -> frozenset[StreamRole]:
    """The roles of these names."""
    return frozenset(role for role in ALL_STREAM_ROLES if role in names)


def stream_roles(
    config: Config, plugins: Plugins, clock: Clock, roles: frozenset[StreamRole]
) -> StreamRoles | None:
    """The roles over the configured transport; None where that is within the process.

    Raises PluginsError and UnsupportedError where it cannot be made.
    """
    kind = config.transport.kind
    if kind not in plugins.transports.names():
        return None  # the default, which somebody disabled: one that is written is there
    transport = plugins.make(plugins.transports, kind)
    if not transport.crosses_processes:
        return None
    return StreamRoles(transport, clock, config, roles, plugins.joins)
