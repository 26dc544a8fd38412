"""A pipeline of one step whose requests are handed out one by one, and workers for it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Final

import numpy as np

from contract.streamed_layouts import Watch
from penstock.core.clock import Clock
from penstock.core.contracts.model import ModelCall, ModelInstance
from penstock.core.contracts.transport import Output, StreamSpec, Transport
from penstock.core.dataflow import Dataflow
from penstock.core.metrics import Metrics
from penstock.core.model_gateway import ModelGateway
from penstock.core.plan.compiler import compile_pipeline
from penstock.core.records import Port, Record, Tensors
from penstock.core.request_headers import IDENTITY_HEADER
from penstock.core.resources import Pipeline
from penstock.core.streams import StreamLimits, StreamNames, StreamWorker, TransportClock
from penstock.core.streams.headers import CODE_HEADER
from penstock.core.tensors import Tensor
from penstock.testing.joins import Joins

NAME: Final = "numbers"


def shared_pipeline(*, aside: bool = False) -> Pipeline:
    """Its requests are handed out; ``aside`` with a step behind the answer."""
    steps = [{"name": "double"}, *([{"name": "after", "inputs": ["double"]}] if aside else [])]
    return Pipeline.model_validate(
        {
            "metadata": {"name": NAME},
            "spec": {
                "steps": steps,
                "output": {"steps": ["double"]},
                "dataflow": {"shareGroup": True},
            },
        }
    )


class Doubles(ModelInstance):
    """Takes ``seconds`` for a number, and counts its calls by number."""

    def __init__(self, seconds: Callable[[float], float]) -> None:
        super().__init__(None)
        self._seconds = seconds
        self.calls: Counter[float] = Counter()

    async def infer(self, call: ModelCall) -> Tensors:
        number = float(call.tensors[0].array[0])
        self.calls[number] += 1
        await asyncio.sleep(self._seconds(number))
        return (Tensor.from_numpy("x", call.tensors[0].array * 2),)


class SharedWorker:
    """What one worker's process has of its own, over a transport that is started."""

    def __init__(
        self,
        transport: Transport,
        clock: Clock,
        seconds: Callable[[float], float],
        pipeline: Pipeline | None = None,
        limits: StreamLimits | None = None,
    ) -> None:
        self._pipeline = pipeline or shared_pipeline()
        self._clock = TransportClock(clock)
        self._models = ModelGateway()
        self.double = Doubles(seconds)
        self._dataflow = Dataflow(self._models, Metrics(), self._clock)
        self.worker = StreamWorker(
            transport,
            self._dataflow,
            self._clock,
            StreamNames.under(transport.root),
            limits or StreamLimits(hand_over_ms=500.0),
        )

    async def start(self, partitions: int = 1) -> None:
        """Take part in the work."""
        for step in self._pipeline.spec.steps:
            self._models.publish(step.name, 1, self.double)
        self._dataflow.start()
        await self.worker.start()
        plan = compile_pipeline(
            self._pipeline, 1, Joins(), record="boundary", partitions=partitions
        )
        await self.worker.serve(self._dataflow.deploy(plan), partitions=partitions)

    async def stop(self, *, killed: bool = False) -> None:
        """Leave; ``killed`` as a crash does."""
        await self.worker.stop(forced=killed)
        assert self._dataflow.open_passages == 0
        await self._dataflow.stop()


class Client:
    """Writes requests, and reads answers and dead letters."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._names = StreamNames.under(transport.root)
        self._inputs = self._names.of(NAME, Port(None, "inputs"))
        self._outputs = self._names.of(NAME, Port(None, "outputs"))
        self.aside = self._names.aside(NAME)
        self._watch = Watch(transport)

    async def start(self, partitions: int = 1) -> None:
        """See to the streams, and begin to read."""
        streams = [self._inputs, self._outputs, self.aside]
        await self._transport.make_streams(
            [
                *(StreamSpec(each, partitions) for each in streams),
                StreamSpec(self._names.dead_letters),
            ]
        )
        await self._watch.follow([self._outputs, self.aside, self._names.dead_letters])
        self._partitions = partitions

    async def stop(self) -> None:
        """Read no more."""
        await self._watch.stop()

    async def send(self, *numbers: float) -> None:
        """Write requests, together."""
        await self._transport.publish(
            [
                Output(self._inputs, _request(number), int(number) % self._partitions)
                for number in numbers
            ]
        )

    async def until_answered(self, count: int, *, times: int = 1) -> bool:
        """Whether so many answers have come in ``times`` PATIENCE_S."""
        for _ in range(times):
            if await self._watch.until(count, self._outputs):
                return True
        return False

    @property
    def answers(self) -> Counter[str]:
        """How often each request is answered."""
        return Counter(each.identity for each in self._watch.records[self._outputs])

    @property
    def set_aside(self) -> list[str]:
        """The requests that were put aside."""
        return [each.identity for each in self._watch.records[self.aside]]

    @property
    def letters(self) -> list[tuple[str, str]]:
        """Requests that are dead letters, with the code."""
        letters = self._watch.records[self._names.dead_letters]
        return [(each.identity, each.headers[CODE_HEADER]) for each in letters]


def _request(number: float) -> Record:
    tensor = Tensor.from_numpy("x", np.array([number], np.float32))
    headers = {IDENTITY_HEADER: f"r{number:g}"}
    return Record("", b"", "", 0, Port(None, "inputs"), 0, (tensor,), {}, headers, float("inf"))


def identities(numbers: range) -> set[str]:
    """What requests are called that ask for these numbers."""
    return {f"r{number}" for number in numbers}
