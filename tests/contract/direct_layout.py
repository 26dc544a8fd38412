"""The layout in which the gateway runs requests itself, with a worker beside it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from contract.layouts import (
    OUTPUTS,
    Layout,
    Process,
    Seen,
    Sent,
    Workload,
    compiled,
    told,
    told_caller,
)
from contract.streamed_layouts import Opened, Watch
from penstock.core.clock import Clock
from penstock.core.contracts.transport import Transport
from penstock.core.errors import NoOutputError, PenstockError
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.pipeline_gateway import GatewayLimits
from penstock.core.pipeline_gateway.carriage import Carriage
from penstock.core.pipeline_gateway.streamed import StreamIntake
from penstock.core.plan import Plan
from penstock.core.records import Port, PortSide
from penstock.core.resources import Pipeline
from penstock.core.streams import StreamLimits, StreamNames, StreamWorker, TransportClock
from penstock.core.streams.headers import CODE_HEADER
from penstock.core.streams.pipeline import streamed_ports, streams_of
from penstock.core.streams.readers import StreamReaders
from penstock.core.streams.roster import Roster
from penstock.core.streams.write_behind import WriteBehind

LIMITS = GatewayLimits(in_flight=10_000, deadline_ms=1e9)


class Direct(Layout):
    """One process that has a gateway and a worker.

    ``settle_s`` is how long streams are read on when all is written.
    """

    def __init__(self, opened: Opened, *, settle_s: float = 0.1) -> None:
        self._opened = opened
        self._settle_s = settle_s

    async def run(self, workload: Workload, clock: Clock, count: int) -> dict[str, Seen]:
        seen = {each.name: Seen() for each in workload.requests}
        async with self._opened(clock) as connect:
            transport = await connect()
            names = StreamNames.under(transport.root)
            watch = Watch(transport)
            async with serving(workload, clock, transport, names) as (process, plan):
                ports = [Port(step.name, side) for step in plan.steps for side in _SIDES]
                streams = [names.of(plan.name, port) for port in (OUTPUTS, *ports)]
                for reader in map(compiled, (*workload.pipelines[:-1], *workload.readers)):
                    streams += [names.of(reader.name, port) for port in streamed_ports(reader)]
                await watch.follow([*streams, names.dead_letters])
                async with asyncio.TaskGroup() as tasks:
                    for sent in workload.requests:
                        tasks.create_task(send(process, workload.name, sent, seen[sent.name]))
                if workload.readers:
                    await watch.until(count)  # nobody waits for these
                await process.gateway.drain()
                await asyncio.sleep(self._settle_s)
            await watch.stop()
        for stream, records in watch.records.items():
            for record in records:
                assert record.request_id is not None, "all have a name"
                each = seen[record.request_id]
                read_by = "" if record.pipeline == workload.name else f"{record.pipeline}/"
                if stream == names.dead_letters:
                    each.letters.append(f"{read_by}{record.headers[CODE_HEADER]}")
                else:
                    port = f"{read_by}{record.port}"
                    each.ports.append((port, record.round, told(record.body)))
        return {name: each.settled() for name, each in seen.items()}


_SIDES: tuple[PortSide, PortSide] = ("inputs", "outputs")


def directly(pipeline: Pipeline) -> Pipeline:
    """The pipeline with the layout direct."""
    spec = pipeline.spec.model_copy(update={"layout": "direct"})
    return pipeline.model_copy(update={"spec": spec})


@asynccontextmanager
async def serving(
    workload: Workload, clock: Clock, transport: Transport, names: StreamNames
) -> AsyncIterator[tuple[Process, Plan]]:
    """The process, and the plan of the pipeline that is called."""
    local = TransportClock(clock)
    process = Process(local)
    gateway, admission = process.gateway, process.gateway.admission
    readers = StreamReaders(names)
    worker = StreamWorker(
        transport, process.dataflow, local, names, StreamLimits(), readers=readers
    )
    intake = StreamIntake(admission, LIMITS, transport, names, local)
    behind = WriteBehind(transport, local, process.metrics)
    roster = Roster([worker], lambda deployment: deployment)
    gateway.carry_over(Carriage(admission, intake, behind, roster, readers))
    await worker.start()
    await intake.start()
    pipelines = [directly(each) for each in (*workload.pipelines, *workload.readers)]
    plans = [compiled(each) for each in pipelines]
    for plan in plans:
        await transport.make_streams(streams_of(plan, names, plan.partitions))
    await process.start(workload, pipelines)
    try:
        yield process, plans[len(workload.pipelines) - 1]
    finally:
        await worker.stop()
        await intake.stop()
        await behind.stop()
        assert process.dataflow.open_passages == 0
        await process.dataflow.stop()


async def send(process: Process, pipeline: str, sent: Sent, seen: Seen) -> None:
    """Have a request answered when it is time. That it fails would be a dead letter if nobody
    waited, as it counts where layouts are compared."""
    await asyncio.sleep(sent.at_ms / 1000.0)
    replied = asyncio.Event()

    def reply(result: InferenceResponse | PenstockError) -> None:
        seen.answers.append(told_caller(result))
        if isinstance(result, PenstockError) and not isinstance(result, NoOutputError):
            seen.letters.append(result.code)
        replied.set()

    target = process.gateway.resolve(f"{pipeline}.pipeline")
    target.submit(InferenceRequest(sent.name, sent.tensors), {}, sent.deadline_ms, reply)
    await replied.wait()
