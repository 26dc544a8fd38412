"""A worker: owns partitions of pipelines' inputs, and runs the requests that come through them."""

from __future__ import annotations

from collections.abc import Iterable

from penstock.core.contracts.follower import Follower
from penstock.core.contracts.transport import Output, StreamSpec, Transport
from penstock.core.dataflow import Dataflow, Deployment
from penstock.core.errors import ConflictError
from penstock.core.experiments.split import Observe, nobody_looks
from penstock.core.model_gateway import ModelSlot, Served
from penstock.core.plan import Plan
from penstock.core.records import Port
from penstock.core.request_headers import TRAVELLING_HEADERS
from penstock.core.streams.beside import Askers, Called, Callers, WorkersBeside
from penstock.core.streams.calls import CalledElsewhere
from penstock.core.streams.clock import TransportClock, set_clock
from penstock.core.streams.followed import FollowedRequest
from penstock.core.streams.headers import CALL_HEADER
from penstock.core.streams.limits import StreamLimits
from penstock.core.streams.names import REPLY_PARTITIONS, StreamNames
from penstock.core.streams.pipeline import StreamedPipeline, streams_of
from penstock.core.streams.readers import StreamReaders
from penstock.core.streams.request import StreamRequest
from penstock.core.streams.shares import Shares


class StreamWorker(Askers):
    """Takes part in the work on the input streams of pipelines.

    A worker carries a request through the whole graph: it calls the models itself, and writes what
    is kept behind it. Where the plan of a pipeline leaves calls to others (layout spread), it
    writes them to the inputs of steps, for :class:`ModelGatewayWorker`. ``dataflow`` is started,
    and has ``clock`` for its clock. ``callers`` are told in this process what they wait for;
    ``readers`` knows which pipelines read others. All methods are called on its loop.
    """

    def __init__(
        self,
        transport: Transport,
        dataflow: Dataflow,
        clock: TransportClock,
        names: StreamNames,
        limits: StreamLimits,
        travelling: frozenset[str] = TRAVELLING_HEADERS,
        callers: Callers | None = None,
        readers: StreamReaders | None = None,
    ) -> None:
        self._travelling = travelling
        self._readers = readers
        self._transport = transport
        self._clock = clock
        self._names = names
        self._limits = limits
        self._followers: tuple[Follower, ...] = ()
        self._observe: Observe = nobody_looks
        self._beside = WorkersBeside(callers, names.replies)
        self._shares = Shares(transport, dataflow, clock, self._beside)

    def running(self) -> int:
        """How many requests are run here."""
        return sum([pipeline.running for pipeline in self._shares])

    async def start(self) -> None:
        """Set the clock by the transport's, and see to the streams that all pipelines have in
        common. Raises NotReadyError when the transport cannot be had."""
        await set_clock(self._clock, self._transport)
        common = StreamSpec(self._names.replies, REPLY_PARTITIONS)
        await self._transport.make_streams([StreamSpec(self._names.dead_letters), common])

    def follow_with(self, followers: Iterable[Follower]) -> None:
        """Have these decide about requests to plans that can be followed. Comes before anything is
        served."""
        self._followers = tuple(followers)

    def observe_with(self, observe: Observe) -> None:
        """Tell of requests that experiments have sent here, and that nobody waits for. Comes before
        anything is served."""
        self._observe = observe

    def offer_calls_to(self, called: Called) -> None:
        """Have calls that are left to others carried out here where that can be."""
        self._beside.called = called

    def renew(self, deployment: Deployment) -> None:
        """From now on requests of a pipeline that is worked on begin with this version, whose
        streams are there. Where what comes of its calls cannot be heard yet, :meth:`serve` does
        this."""
        pipeline = self._shares.of(self._inputs_of(deployment.plan.name))
        if pipeline is not None and pipeline.fits(deployment) and pipeline.hears(deployment.plan):
            _leave_calls(deployment)
            pipeline.deployment = deployment

    async def serve(
        self, deployment: Deployment, *, partitions: int = 1, exactly_once: bool = False
    ) -> None:
        """Work on a pipeline; or, if that is done already, begin requests with this version.

        Raises ConflictError where a join keeps state for the whole stream, and there are several
        partitions.
        """
        plan = deployment.plan
        _check_partitions(plan, partitions)
        _leave_calls(deployment)
        pipeline = self._shares.of(self._inputs_of(plan.name))
        same = pipeline is not None and pipeline.exactly_once is exactly_once
        if pipeline is not None and same and pipeline.fits(deployment):
            await self._transport.make_streams(streams_of(plan, self._names, partitions))
            pipeline.hear(plan)
            await self._shares.hear(pipeline)
            pipeline.deployment = deployment
            return
        await self.withdraw(plan.name)
        pipeline = StreamedPipeline(
            deployment,
            self._names,
            self._limits,
            exactly_once=exactly_once,
            travelling=self._travelling,
            readers=self._readers,
            followers=self._followers,
            kind=FollowedRequest if self._followers else StreamRequest,
            observe=self._observe,
        )
        await self._transport.make_streams(pipeline.streams(partitions))
        await self._shares.take(pipeline, self._names.group)

    def close(self, pipeline: str) -> None:
        """Take up nothing more of a pipeline; what is under way goes on."""
        self._shares.close(self._inputs_of(pipeline))

    async def withdraw(self, pipeline: str) -> None:
        """Finish what is under way of a pipeline, and work on it no more."""
        await self._shares.leave(self._inputs_of(pipeline))

    async def stop(self, *, forced: bool = False) -> None:
        """Hand everything over. ``forced``: at once, as a crash would, with nothing finished."""
        await self._shares.stop(forced=forced)

    def settle(self, outcome: Output) -> None:
        """Go on with what waits for an outcome, if something does."""
        record = outcome.record
        for tenure in self._shares.tenures_of(self._inputs_of(record.pipeline)):
            if tenure.ownership.partition == outcome.partition:
                tenure.calls.tell(record.headers[CALL_HEADER], record.body)

    @property
    def calls_elsewhere(self) -> int:
        """How many calls wait for model gateways."""
        return sum(len(tenure.calls) for tenure in self._shares.tenures())

    def _inputs_of(self, pipeline: str) -> str:
        return self._names.of(pipeline, Port(None, "inputs"))


def _leave_calls(deployment: Deployment) -> None:
    """Put in the place of models what writes the calls down that are left to others. Their number
    is bounded by that of requests in hand."""
    plan = deployment.plan
    slots = list(deployment.slots)
    for step in plan.steps:
        if step.name in plan.called_elsewhere:
            slots[step.index] = ModelSlot(step.model)
            slots[step.index].served = Served(CalledElsewhere(), plan.version, bounded=False)
    deployment.slots = tuple(slots)


def _check_partitions(plan: Plan, partitions: int) -> None:
    keeper = plan.keeper_of_all
    if keeper is not None and partitions > 1:
        raise ConflictError(
            f"pipeline '{plan.name}' has {partitions} partitions, and the join of '{keeper}' "
            "keeps state for all of its requests; give it one (dataflow.partitions), or keep state "
            "by key"
        )
