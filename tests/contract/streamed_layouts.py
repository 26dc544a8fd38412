"""The layouts in which requests are records of streams."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeAlias

from contract.layouts import (
    INPUTS,
    OUTPUTS,
    Layout,
    Process,
    Seen,
    Workload,
    as_told_caller,
    compiled,
    read_of,
    told,
)
from penstock.core.clock import Clock
from penstock.core.contracts.transport import THE_BEGINNING, Output, Tail, Transport
from penstock.core.pipeline_gateway import GatewayLimits
from penstock.core.pipeline_gateway.owned_child import OwnedChild, has_owners
from penstock.core.pipeline_gateway.streamed import StreamIntake
from penstock.core.plan import Plan
from penstock.core.records import Absent, Port, Record
from penstock.core.resources import Pipeline
from penstock.core.resources.dataflow import PipelineDataflow
from penstock.core.streams import (
    ModelGatewayWorker,
    StreamLimits,
    StreamNames,
    StreamWorker,
    TransportClock,
)
from penstock.core.streams.headers import CODE_HEADER
from penstock.core.streams.pipeline import streamed_ports, streams_of
from penstock.core.streams.readers import StreamReaders
from penstock.testing.joins import Joins

PATIENCE_S = 20.0
"""So long is waited for records that should come."""

LIMITS = StreamLimits(hand_over_ms=50.0)

Role: TypeAlias = StreamWorker | ModelGatewayWorker
Connect: TypeAlias = Callable[[], Awaitable[Transport]]
"""Gives one process its transport, which is started; all of one run see the same streams."""

Opened: TypeAlias = Callable[[Clock], AbstractAsyncContextManager[Connect]]


def opened_as(make: Callable[[Clock], Transport]) -> Opened:
    """One transport for all, which ``make`` makes."""

    @asynccontextmanager
    async def opened(clock: Clock) -> AsyncIterator[Connect]:
        transport = make(clock)
        await transport.start()

        async def connect() -> Transport:
            return transport

        yield connect
        await transport.stop()

    return opened


class Watch:
    """Reads streams from their beginning, and knows what is in them. With ``once`` it counts what
    is there again as one record."""

    def __init__(self, transport: Transport, *, once: bool = False) -> None:
        self._once = once
        self._transport = transport
        self._tasks: list[asyncio.Task[None]] = []
        self._tails: list[Tail] = []
        self._news = asyncio.Condition()
        self._followed: set[str] = set()
        self.records: dict[str, list[Record]] = defaultdict(list)

    async def follow(self, streams: Sequence[str]) -> None:
        """Begin to read these, if they are not read already."""
        for stream in [each for each in streams if each not in self._followed]:
            self._followed.add(stream)
            for partition in range(len(await self._transport.extents(stream))):
                tail = await self._transport.tail(stream, partition, THE_BEGINNING)
                self._tails.append(tail)
                self._tasks.append(asyncio.create_task(self._read(stream, tail)))

    async def until(self, count: int, stream: str | None = None) -> bool:
        """Wait until there are so many records, in all or in one stream; False when they do not
        come."""

        def are_there() -> bool:
            streams = self.records.values() if stream is None else [self.records[stream]]
            return sum(map(self._count, streams)) >= count

        try:
            async with asyncio.timeout(PATIENCE_S), self._news:
                await self._news.wait_for(are_there)
        except TimeoutError:
            return False
        return True

    async def stop(self) -> None:
        """Read no more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for tail in self._tails:
            await tail.close()

    def _count(self, records: Sequence[Record]) -> int:
        if not self._once:
            return len(records)
        different = {
            (_name_of(each), each.port, each.round, told(each.body), each.headers.get(CODE_HEADER))
            for each in records
        }
        return len(different)

    async def _read(self, stream: str, tail: Tail) -> None:
        while True:
            deliveries = await tail.take(1000)
            async with self._news:
                self.records[stream] += [each.record for each in deliveries]
                self._news.notify_all()


def _name_of(record: Record) -> str:
    """Which request it is of: steps that are pipelines are asked with an identity of their own."""
    return record.request_id or record.identity


def shared(pipeline: Pipeline) -> Pipeline:
    """The same, with its requests handed out one by one."""
    spec = pipeline.spec.model_copy(update={"dataflow": PipelineDataflow(share_group=True)})
    return pipeline.model_copy(update={"spec": spec})


class Streamed(Layout):
    """Workers on streams, and model gateways beside them where calls are left to those.

    ``settle_s`` is how long streams are read on when all has come that should have. ``shared``:
    requests are handed out one by one. ``together``: each worker has a model gateway in its
    process.
    """

    def __init__(
        self,
        opened: Opened,
        *,
        spread: bool,
        workers: int = 1,
        model_gateways: int = 1,
        partitions: int = 2,
        limits: StreamLimits = LIMITS,
        settle_s: float = 0.1,
        most_per_model: int = 256,
        exactly_once: bool = False,
        shared: bool = False,
        together: bool = False,
    ) -> None:
        self.exactly_once = exactly_once
        self.together = together
        self.begins_again = shared
        self._opened = opened
        self._spread = spread
        self._workers = workers
        self._model_gateways = model_gateways if spread and not together else 0
        self._settle_s = settle_s
        self.most_per_model = most_per_model
        self.partitions = partitions
        self.limits = limits

    async def run(self, workload: Workload, clock: Clock, count: int) -> dict[str, Seen]:
        async with self.serving(workload, clock) as running:
            async with asyncio.TaskGroup() as tasks:
                for number in range(len(workload.requests)):
                    tasks.create_task(running.send(number))
            await running.watch.until(count)
            await asyncio.sleep(self._settle_s)
        return running.seen()

    @asynccontextmanager
    async def serving(self, workload: Workload, clock: Clock) -> AsyncIterator[Running]:
        """All roles at work on the last pipeline; the others run where they are steps."""
        called = workload.pipelines[-1]
        if self.begins_again:
            called = shared(called)
        plan = compiled(called, spread=self._spread, read=read_of(called, workload.readers))
        readers = [
            compiled(
                each,
                spread=self._spread,
                read=read_of(each, workload.readers),
                partitions=self.partitions,
            )
            for each in workload.readers
        ]
        async with self._opened(clock) as connect:
            running = Running(self, workload, clock, await connect(), connect, plan, readers)
            for _ in range(self._workers):
                await running.add_worker()
            for _ in range(self._model_gateways):
                await running.add_model_gateway()
            await running.watch_streams()
            try:
                yield running
            finally:
                await running.stop()


class Running:
    """The roles of one run, each with a process of its own."""

    def __init__(
        self,
        layout: Streamed,
        workload: Workload,
        clock: Clock,
        transport: Transport,
        connect: Connect,
        plan: Plan,
        readers: Sequence[Plan] = (),
    ) -> None:
        self._readers = readers
        self._children = [
            compiled(each, partitions=layout.partitions) for each in workload.pipelines[:-1]
        ]
        self._intakes: dict[Process, StreamIntake] = {}
        self._layout = layout
        self._workload = workload
        self._clock = clock
        self._connect = connect
        self._roles: dict[Role, Process] = {}
        self._processes: list[Process] = []
        self.plan = plan
        self.transport = transport
        self.names = StreamNames(*transport.root.rsplit(".", 1))
        self.watch = Watch(transport, once=layout.begins_again)
        self.inputs = self.stream(INPUTS)
        self.outputs = self.stream(OUTPUTS)

    def stream(self, port: Port) -> str:
        """The stream of a port."""
        return self.names.of(self.plan.name, port)

    async def watch_streams(self) -> None:
        """Begin to read all that is written but requests."""
        for child in self._children:
            await self.transport.make_streams(streams_of(child, self.names, child.partitions))
        ports = [
            Port(step.name, side) for step in self.plan.steps for side in ("inputs", "outputs")
        ]
        streams = [self.stream(port) for port in (OUTPUTS, *ports)]
        for plan in (*self._children, *self._readers):
            streams += [self.names.of(plan.name, port) for port in streamed_ports(plan)]
        await self.watch.follow([*streams, self.names.dead_letters])

    async def send(self, number: int) -> None:
        """Write one of the requests when it is time, as a producer does."""
        sent = self._workload.requests[number]
        await asyncio.sleep(sent.at_ms / 1000.0)
        record = Record(
            sent.name,
            b"",  # what the pipeline takes for it, where it wants one
            "",
            0,
            INPUTS,
            0,
            sent.tensors or Absent("the request has no tensors", "left-out"),
            {},
            {},
            await self.transport.time_ms() + sent.deadline_ms,
            sent.name,
        )
        partition = number % self._layout.partitions
        await self.transport.publish([Output(self.inputs, record, partition)])

    async def add_worker(self) -> StreamWorker:
        """One more owner of partitions."""
        process, clock, transport = await self._process()
        limits = self._layout.limits
        readers = StreamReaders(self.names)
        for plan in self._readers:
            readers.serve(plan)
        intake = await self._intake(process, clock, transport)
        worker = StreamWorker(
            transport,
            process.dataflow,
            clock,
            self.names,
            limits,
            callers=intake,
            readers=readers,
        )
        await worker.start()
        self._roles[worker] = process
        for plan in self._owned:
            deployment = process.dataflow.deploy(plan)
            child = OwnedChild(intake, deployment, None)
            process.models.publish(f"{plan.name}.pipeline", 1, child, bounded=False)
            await worker.serve(deployment, partitions=plan.partitions)
        await self._serve(worker)
        if self._layout.together:
            gateway = await self._model_gateway(process, clock, transport, worker)
            worker.offer_calls_to(gateway)
        return worker

    async def add_model_gateway(self) -> ModelGatewayWorker:
        """One more that carries out visits."""
        return await self._model_gateway(*await self._process())

    async def _model_gateway(
        self,
        process: Process,
        clock: TransportClock,
        transport: Transport,
        askers: StreamWorker | None = None,
    ) -> ModelGatewayWorker:
        gateway = ModelGatewayWorker(
            transport,
            process.dataflow,
            clock,
            Joins(),
            self.names,
            self._layout.limits,
            most_per_model=self._layout.most_per_model,
            askers=askers,
        )
        await gateway.start()
        self._roles[gateway] = process
        await self._serve(gateway)
        return gateway

    async def serve(self, plan: Plan) -> None:
        """Begin requests with another version of the pipeline; model gateways are told last."""
        self.plan = plan
        for role in self._roles:
            await self._serve(role)
        await self.watch_streams()

    async def _serve(self, role: Role) -> None:
        for plan in (*self._readers, self.plan):
            deployment = self._roles[role].dataflow.deploy(plan)
            await role.serve(
                deployment,
                partitions=self._layout.partitions,
                exactly_once=self._layout.exactly_once,
            )

    async def kill(self, role: Role) -> None:
        """End it as a crash does, as far as others can see, and what is in its process with it."""
        process = self._roles[role]
        for other in [each for each, its in self._roles.items() if its is process]:
            del self._roles[other]
            await other.stop(forced=True)
        intake = self._intakes.pop(process, None)
        if intake is not None:
            await intake.stop()

    async def leave(self, role: Role) -> None:
        """End it in peace."""
        del self._roles[role]
        await role.stop()

    def clock_of(self, role: Role) -> TransportClock:
        """The clock of a role's process."""
        clock = self._roles[role].clock
        assert isinstance(clock, TransportClock), "it is on streams"
        return clock

    @property
    def workers(self) -> list[StreamWorker]:
        """Owners of partitions."""
        return [role for role in self._roles if isinstance(role, StreamWorker)]

    @property
    def model_gateways(self) -> list[ModelGatewayWorker]:
        """Those that carry out visits."""
        return [role for role in self._roles if isinstance(role, ModelGatewayWorker)]

    async def stop(self) -> None:
        """Hand everything over, owners first."""
        await self.watch.stop()
        for role in self._roles:
            await role.stop()
        for intake in self._intakes.values():
            await intake.stop()
        for process in self._processes:
            assert process.dataflow.open_passages == 0
            await process.dataflow.stop()

    def seen(self) -> dict[str, Seen]:
        """What was written of each request."""
        seen = {each.name: Seen() for each in self._workload.requests}
        for stream, records in self.watch.records.items():
            for record in records:
                each = seen[_name_of(record)]
                read_by = "" if record.pipeline == self.plan.name else f"{record.pipeline}/"
                if stream == self.names.dead_letters:
                    each.letters.append(f"{read_by}{record.headers[CODE_HEADER]}")
                    continue
                if read_by:
                    port = f"{read_by}{record.port}"
                    each.ports.append((port, record.round, told(record.body)))
                    continue
                each.ports.append((str(record.port), record.round, told(record.body)))
                if record.port == OUTPUTS:
                    each.answers.append(as_told_caller(record.body))
        return {name: each.settled() for name, each in seen.items()}

    @property
    def _owned(self) -> list[Plan]:
        """Steps that are pipelines which are run by the owners of their partitions."""
        return list(filter(has_owners, self._children))

    async def _intake(
        self, process: Process, clock: TransportClock, transport: Transport
    ) -> StreamIntake:
        """Through which a worker asks these."""
        limits = GatewayLimits(in_flight=1, deadline_ms=1e9)
        intake = StreamIntake(process.gateway.admission, limits, transport, self.names, clock)
        self._intakes[process] = intake
        await intake.start()
        return intake

    async def _process(self) -> tuple[Process, TransportClock, Transport]:
        clock = TransportClock(self._clock)
        process = Process(clock)
        owned = {plan.name for plan in self._owned}
        beside = [each for each in self._workload.pipelines[:-1] if each.name not in owned]
        await process.start(self._workload, beside)
        self._processes.append(process)
        return process, clock, await self._connect()
