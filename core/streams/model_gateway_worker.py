"""A model gateway on streams: carries out the visits that owners of requests have written down."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from penstock.core.contracts.follower import Follower
from penstock.core.contracts.transport import Output, StreamSpec, Transport
from penstock.core.dataflow import Dataflow, Deployment
from penstock.core.joinspec import JoinFactories
from penstock.core.records import Port
from penstock.core.streams.beside import Askers, AskersBeside, Called
from penstock.core.streams.clock import TransportClock, set_clock
from penstock.core.streams.followed import FollowedStepCall
from penstock.core.streams.limits import StreamLimits
from penstock.core.streams.names import StreamNames
from penstock.core.streams.shares import Shares
from penstock.core.streams.step_call import StepCall, StreamedStep
from penstock.core.streams.waiting_calls import WaitingCalls


class ModelGatewayWorker(Called):
    """Takes part in the work on the input streams of steps, in layout spread.

    It shares calls of a batch, tries again, bounds attempts, and writes how each visit ended to the
    outputs of the step, once. What has come too late it does not call. Of one model it carries out
    at most ``most_per_model`` visits at a time, as many as ``dataflow`` has calls or fewer; others
    wait. ``dataflow`` is started, and has ``clock`` for its clock; ``joins`` are those that are
    installed; ``askers`` hear in this process how visits ended. All methods are called on its loop.
    """

    def __init__(
        self,
        transport: Transport,
        dataflow: Dataflow,
        clock: TransportClock,
        joins: JoinFactories,
        names: StreamNames,
        limits: StreamLimits,
        *,
        most_per_model: int = 256,
        askers: Askers | None = None,
    ) -> None:
        self._transport = transport
        self._dataflow = dataflow
        self._clock = clock
        self._joins = joins
        self._names = names
        self._limits = limits
        self._followers: tuple[Follower, ...] = ()
        self._shares = Shares(
            transport, dataflow, clock, None if askers is None else AskersBeside(askers)
        )
        self._waiting: Mapping[str, WaitingCalls] = defaultdict(
            lambda: WaitingCalls(most_per_model)
        )

    async def start(self) -> None:
        """Set the clock by the transport's. Raises NotReadyError when it cannot be had."""
        await set_clock(self._clock, self._transport)

    def running(self) -> int:
        """How many visits are carried out here."""
        return sum([step.running for step in self._shares])

    def follow_with(self, followers: Iterable[Follower]) -> None:
        """Have these decide about visits of requests that are followed. Comes before anything is
        served."""
        self._followers = tuple(followers)

    def renew(self, deployment: Deployment) -> None:
        """Calls say by themselves how they are to be made, whatever the version."""

    async def serve(
        self, deployment: Deployment, *, partitions: int = 1, exactly_once: bool = False
    ) -> None:
        """Carry out the visits of the steps that a plan leaves to others, of all versions.

        Steps that an earlier version had go on until the pipeline is withdrawn: its requests may be
        under way.
        """
        plan = deployment.plan
        ports = [
            Port(step, side) for step in plan.called_elsewhere for side in ("inputs", "outputs")
        ]
        streams = [self._names.of(plan.name, port) for port in ports]
        await self._transport.make_streams([StreamSpec(name, partitions) for name in streams])
        for step, settings in plan.called_elsewhere.items():
            if self._shares.of(self._names.of(plan.name, Port(step, "inputs"))) is None:
                streamed = StreamedStep(
                    plan.name,
                    plan.version,
                    settings,
                    self._dataflow,
                    self._joins,
                    self._names,
                    self._limits,
                    self._waiting,
                    FollowedStepCall if self._followers else StepCall,
                    self._followers,
                )
                await self._shares.take(streamed, self._names.models_group)

    def offer(self, call: Output) -> None:
        """Carry a call out that is on its way here, if there is room where it comes to: now, for
        else it may have come before."""
        for tenure in self._shares.tenures_of(call.stream):
            if tenure.ownership.partition == call.partition:
                tenure.offered(call)

    def close(self, pipeline: str) -> None:
        """Take up no more calls of a pipeline's steps; what is under way goes on."""
        for step in self._shares:
            if step.name == pipeline:
                self._shares.close(step.inputs)

    async def withdraw(self, pipeline: str) -> None:
        """Finish what is under way of a pipeline's steps, and call them no more."""
        for step in self._shares:
            if step.name == pipeline:
                await self._shares.leave(step.inputs)

    async def stop(self, *, forced: bool = False) -> None:
        """Hand everything over. ``forced``: at once, as a crash would, with nothing finished."""
        await self._shares.stop(forced=forced)
