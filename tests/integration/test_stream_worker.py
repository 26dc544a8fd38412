"""Two workers on one memory transport with real Python models; one of them dies in the middle."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from harness.coded_transport import CodedTransport
from penstock.core.clock import SystemClock
from penstock.core.contracts.model import ModelCall, ModelInstance, ModelSpec
from penstock.core.contracts.transport import (
    Delivery,
    Output,
    Owner,
    Ownership,
    PartlyWrittenError,
    StreamSpec,
    Written,
)
from penstock.core.dataflow import Dataflow
from penstock.core.errors import ConflictError, OverloadedError, TooLargeError
from penstock.core.metrics import Metrics
from penstock.core.model_gateway import ModelGateway
from penstock.core.plan.compiler import compile_pipeline
from penstock.core.records import Absent, Body, Failed, Port, Record, Tensors
from penstock.core.request_headers import IDENTITY_HEADER, ORIGIN_HEADER
from penstock.core.resources import Pipeline
from penstock.core.streams import StreamLimits, StreamNames, StreamWorker, TransportClock
from penstock.core.streams.headers import CODE_HEADER, OMITTED_HEADER
from penstock.core.tensors import Tensor
from penstock.servers.inprocess import InProcessServer
from penstock.servers.python_loader import PythonLoader
from penstock.testing.joins import Joins
from penstock.transports.kafka.messages import decode
from penstock.transports.memory import MemoryOptions, MemoryTransport

PARTITIONS = 4
KINDS = pytest.mark.parametrize("made", [MemoryTransport, CodedTransport])
NAMES = StreamNames()
INPUTS = NAMES.of("sums", Port(None, "inputs"))
OUTPUTS = NAMES.of("sums", Port(None, "outputs"))
MODELS = """
import asyncio

async def double(x):
    await asyncio.sleep(0.003)
    return {"y": x * 2}

def add(x, y):
    if x[0] < 0:
        raise ValueError("negative")
    return {"sum": x + y}
"""
SUMS = Pipeline.model_validate(
    {
        "metadata": {"name": "sums"},
        "spec": {
            "steps": [
                {"name": "double"},
                {"name": "add", "inputs": ["sums.inputs.x", "double.outputs.y"]},
            ],
            "output": {"steps": ["add"]},
        },
    }
)


class Process:
    """What one worker's process has of its own."""

    def __init__(
        self,
        transport: MemoryTransport,
        limits: StreamLimits,
        pipeline: Pipeline = SUMS,
        most_per_model: int = 256,
    ) -> None:
        self._pipeline = pipeline
        clock = TransportClock(SystemClock())
        self._models = ModelGateway()
        self._server = InProcessServer()
        self._dataflow = Dataflow(self._models, Metrics(), clock, most_per_model=most_per_model)
        self.worker = StreamWorker(transport, self._dataflow, clock, NAMES, limits)

    async def start(self, folder: Path, *, version: int = 1, exactly_once: bool = False) -> None:
        self._server.use_loaders({"python": PythonLoader()})
        await self._server.start()
        for name in ("double", "add"):
            spec = ModelSpec(name, 1, python=f"models:{name}", folders=(folder,))
            self._models.publish(name, 1, await self._server.load(spec))
        self._dataflow.start()
        await self.worker.start()
        await self.serve(version, exactly_once=exactly_once)

    async def serve(self, version: int, *, exactly_once: bool = False) -> None:
        plan = compile_pipeline(self._pipeline, version, Joins(), record="boundary")
        await self.worker.serve(
            self._dataflow.deploy(plan), partitions=PARTITIONS, exactly_once=exactly_once
        )

    def publish(self, name: str, instance: ModelInstance) -> None:
        """Have another instance serve a model."""
        self._models.publish(name, 2, instance)

    @property
    def calls(self) -> int:
        """How many calls of the model that takes its time are under way."""
        served = self._models.slot("double").served
        return 0 if served is None else served.calls

    @property
    def open_passages(self) -> int:
        """How many requests are run."""
        return self._dataflow.open_passages

    async def stop(self, *, killed: bool = False) -> None:
        await self.worker.stop(forced=killed)
        assert self._dataflow.open_passages == 0
        await self._dataflow.stop()
        await self._server.stop()


class Listener(Owner):
    """Reads every partition of a stream."""

    def __init__(self, transport: MemoryTransport) -> None:
        self._transport = transport
        self._tasks: list[asyncio.Task[None]] = []
        self.heard: list[Delivery] = []
        self._news = asyncio.Condition()

    async def won(self, ownership: Ownership) -> None:
        self._tasks.append(asyncio.create_task(self._listen(ownership)))

    async def lost(self, ownership: Ownership) -> None:
        """Its end is that of the transport."""

    async def _listen(self, ownership: Ownership) -> None:
        reader = self._transport.read(ownership, [ownership.stream])
        while True:
            taken = await reader.take(100)
            await self._transport.finish(ownership, taken, [])
            async with self._news:
                self.heard += taken
                self._news.notify_all()

    async def until(self, count: int) -> list[Delivery]:
        """Everything, once there are so many."""
        async with asyncio.timeout(20), self._news:
            await self._news.wait_for(lambda: len(self.heard) >= count)
        return self.heard

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class World:
    """A transport with the streams of the pipeline, and who listens to them."""

    def __init__(self, transport: MemoryTransport) -> None:
        self.transport = transport
        self.answers = Listener(transport)
        self.letters = Listener(transport)

    async def send(self, *values: float) -> None:
        await self.transport.publish([_sent(value) for value in values])


@asynccontextmanager
async def world(transport: MemoryTransport | None = None) -> AsyncIterator[World]:
    made = World(transport or MemoryTransport(MemoryOptions()))
    specs = [StreamSpec(INPUTS, PARTITIONS), StreamSpec(OUTPUTS, PARTITIONS)]
    await made.transport.make_streams([*specs, StreamSpec(NAMES.dead_letters)])
    await made.transport.compete("readers", OUTPUTS, made.answers)
    await made.transport.compete("readers", NAMES.dead_letters, made.letters)
    try:
        yield made
    finally:
        await made.answers.stop()
        await made.letters.stop()
        await made.transport.stop()


def _sent(value: float) -> Output:
    tensor = Tensor.from_numpy("x", np.array([value], np.float32))
    headers = {IDENTITY_HEADER: f"r{value:g}"}
    record = Record(
        "", b"%g" % value, "", 0, Port(None, "inputs"), 0, (tensor,), {}, headers, float("inf")
    )
    return Output(INPUTS, record, abs(int(value)) % PARTITIONS)


def value_of(body: Body) -> float:
    assert isinstance(body, tuple), body
    assert not isinstance(body, Failed), body
    tensor = body[0]
    assert isinstance(tensor, Tensor)
    return float(tensor.array[0])


def models(folder: Path) -> Path:
    (folder / "models.py").write_text(MODELS)
    return folder


@KINDS
async def test_a_worker_that_is_killed_loses_and_doubles_nothing(
    tmp_path: Path, made: type[MemoryTransport]
) -> None:
    folder = models(tmp_path)
    count = 200
    async with world(made(MemoryOptions())) as each:
        one, two = (Process(each.transport, StreamLimits(in_flight=8)) for _ in range(2))
        await one.start(folder, exactly_once=True)
        await two.start(folder, exactly_once=True)
        await each.send(*range(count))
        await each.answers.until(count // 4)
        await one.stop(killed=True)
        answers = await each.answers.until(count)
        await two.stop()
        assert len(answers) == count
        assert {a.record.identity: value_of(a.record.body) for a in answers} == {
            f"r{value}": 3.0 * value for value in range(count)
        }
        assert all(a.partition == int(a.record.key) % PARTITIONS for a in answers)
        assert each.letters.heard == []


async def test_a_version_that_comes_takes_what_comes_and_a_worker_that_leaves_finishes(
    tmp_path: Path,
) -> None:
    folder = models(tmp_path)
    async with world() as each:
        one, two = (Process(each.transport, StreamLimits()) for _ in range(2))
        await one.start(folder)
        await each.send(1, 2, 3)
        await each.answers.until(3)
        await one.serve(2)
        await each.send(4, 5)
        await each.answers.until(5)
        await two.start(folder, version=2)
        await each.send(*range(10, 30))
        await one.stop()
        answers = await each.answers.until(25)
        await two.stop()
        versions = {answer.record.identity: answer.record.version for answer in answers}
        assert [versions[f"r{n}"] for n in (1, 2, 3, 4, 5)] == [1, 1, 1, 2, 2]
        assert all(answer.attempt == 1 for answer in answers)
        assert len(versions) == len(answers) == 25


async def test_what_fails_is_answered_and_buried(tmp_path: Path) -> None:
    async with world() as each:
        process = Process(each.transport, StreamLimits())
        await process.start(models(tmp_path))
        await each.send(-4)
        [answer] = await each.answers.until(1)
        [letter] = await each.letters.until(1)
        await process.stop()
        assert answer.record.body == Failed(
            "step-failed", "model 'add' raised ValueError: negative", "add"
        )
        assert letter.record.headers[CODE_HEADER] == "step-failed"
        assert value_of(letter.record.body) == -4.0


async def test_a_record_that_cannot_be_decoded_is_buried_whole(tmp_path: Path) -> None:
    headers = (("x-odd", b"\xff"), ("x-request-id", b"7"))
    async with world(CodedTransport(MemoryOptions())) as each:
        process = Process(each.transport, StreamLimits())
        await process.start(models(tmp_path))
        await each.transport.publish([Output(INPUTS, decode(INPUTS, b"k", b"garbage", headers), 2)])
        [answer] = await each.answers.until(1)
        [letter] = await each.letters.until(1)
        await process.stop()
    failed = Failed("invalid-request", "the message is not a valid ModelInferRequest")
    assert answer.record.body == failed
    assert answer.record.headers == {"x-request-id": "7"}
    assert letter.record.undecoded is not None
    assert letter.record.undecoded.value == b"garbage"
    assert letter.record.undecoded.headers[:2] == headers
    assert letter.record.headers[CODE_HEADER] == "invalid-request"
    assert letter.record.headers[ORIGIN_HEADER] == f"{INPUTS}/2/0"


@KINDS
async def test_id_and_deadline_of_a_record_are_its_request_s(
    tmp_path: Path, made: type[MemoryTransport]
) -> None:
    async with world(made(MemoryOptions())) as each:
        process = Process(each.transport, StreamLimits())
        await process.start(models(tmp_path))
        sent = _sent(4)
        deadline_ms = await each.transport.time_ms() + 30_000.0
        record = sent.record._replace(request_id="mine", deadline_ms=deadline_ms)
        await each.transport.publish([sent._replace(record=record)])
        [answer] = await each.answers.until(1)
        await process.stop()
    assert value_of(answer.record.body) == 12.0
    assert answer.record.request_id == "mine"
    assert answer.record.deadline_ms == deadline_ms


async def test_of_an_undecodable_record_that_is_too_large_the_headers_are_buried(
    tmp_path: Path,
) -> None:
    async with world(Choosy()) as each:
        process = Process(each.transport, StreamLimits())
        await process.start(models(tmp_path))
        record = decode(INPUTS, b"k", b"garbage", [("x-request-id", b"7")])
        await each.transport.publish([Output(INPUTS, record, 2)])
        letters = await each.letters.until(1)
        await process.stop()
    assert letters[-1].record.undecoded is None
    assert letters[-1].record.headers[OMITTED_HEADER] == "7"


class Choosy(MemoryTransport):
    """Is full for a moment, and never takes a five."""

    def __init__(self) -> None:
        super().__init__(MemoryOptions())
        self._full = True

    async def finish(
        self,
        ownership: Ownership,
        deliveries: Sequence[Delivery],
        outputs: Sequence[Output],
        handed: Callable[[], None] | None = None,
    ) -> Sequence[Written]:
        if self._full and outputs:
            self._full = False
            raise OverloadedError("full", retry_after_s=0.01)
        if any(each.record.undecoded is not None for each in outputs):
            raise TooLargeError("the record is larger than the transport takes")
        if any(each.stream == OUTPUTS and _is_large(each.record.body) for each in outputs):
            raise TooLargeError("the record is larger than the transport takes")
        return await super().finish(ownership, deliveries, outputs, handed)


def _is_large(body: Body) -> bool:
    return not isinstance(body, Failed) and value_of(body) == 15.0


async def test_what_the_transport_refuses_fails_alone(tmp_path: Path) -> None:
    async with world(Choosy()) as each:
        process = Process(each.transport, StreamLimits())
        await process.start(models(tmp_path))
        await each.send(1, 5, 9, 13)
        answers = await each.answers.until(4)
        [letter] = await each.letters.until(1)
        await process.stop()
        bodies = {answer.record.identity: answer.record.body for answer in answers}
        failed = bodies.pop("r5")
        assert failed == Failed("too-large", "the record is larger than the transport takes")
        assert sorted(map(value_of, bodies.values())) == [3.0, 27.0, 39.0]
        assert letter.record.headers[OMITTED_HEADER] == "4"


class Narrow(MemoryTransport):
    """Writes what it can of what it is given."""

    def __init__(self) -> None:
        super().__init__(MemoryOptions())
        self.wrote_some = 0

    async def finish(
        self,
        ownership: Ownership,
        deliveries: Sequence[Delivery],
        outputs: Sequence[Output],
        handed: Callable[[], None] | None = None,
    ) -> Sequence[Written]:
        await asyncio.sleep(0.05)  # what comes meanwhile is one batch
        large = [each.stream == OUTPUTS and _is_large(each.record.body) for each in outputs]
        if not any(large):
            return await super().finish(ownership, deliveries, outputs, handed)
        why = TooLargeError("the record is larger than the transport takes")
        if all(large):
            raise why
        rest = [each for each, is_large in zip(outputs, large, strict=True) if not is_large]
        written = iter(await self.publish(rest))
        self.wrote_some += 1
        places = [None if is_large else next(written) for is_large in large]
        raise PartlyWrittenError(places, {large.index(True): why})


async def test_what_is_written_is_not_written_again_for_another_that_is_refused(
    tmp_path: Path,
) -> None:
    narrow = Narrow()
    async with world(narrow) as each:
        process = Process(each.transport, StreamLimits())
        await process.start(models(tmp_path))
        await each.transport.publish(
            [_sent(v)._replace(partition=0) for v in (1, 9, 13, 5, 17, 21)]
        )
        answers = await each.answers.until(6)
        await each.letters.until(1)
        await process.stop()
        assert sorted(answer.record.identity for answer in answers) == [
            "r1",
            "r13",
            "r17",
            "r21",
            "r5",
            "r9",
        ]
        extents = await each.transport.extents(OUTPUTS)
        assert sum(extent.end for extent in extents) == 6
        assert narrow.wrote_some == 1


REMEMBERING = Pipeline.model_validate(
    {
        "metadata": {"name": "sums"},
        "spec": {
            "input": {"key": "x-who"},
            "steps": [
                {
                    "name": "add",
                    "inputs": ["sums.inputs.x", "sums.inputs.y"],
                    "inputsJoinType": "latest",
                    "batch": {"size": 4, "windowMs": 1},
                },
            ],
            "output": {"steps": ["add"], "order": "key"},
        },
    }
)


def _of_somebody(identity: str, who: str, **values: float) -> Output:
    tensors = tuple(
        Tensor.from_numpy(name, np.array([value], np.float32)) for name, value in values.items()
    )
    headers = {IDENTITY_HEADER: identity, "x-who": who}
    record = Record(
        "", who.encode(), "", 0, Port(None, "inputs"), 0, tensors, {}, headers, float("inf")
    )
    return Output(INPUTS, record, len(who) % PARTITIONS)


@KINDS
async def test_what_joins_remember_survives_a_worker_that_is_killed(
    tmp_path: Path, made: type[MemoryTransport]
) -> None:
    folder = models(tmp_path)
    async with world(made(MemoryOptions())) as each:
        one, two = (Process(each.transport, StreamLimits(), pipeline=REMEMBERING) for _ in range(2))
        await one.start(folder, exactly_once=True)
        await each.transport.publish(
            [_of_somebody("a1", "a", y=10.0), _of_somebody("b1", "bb", x=1.0, y=20.0)]
        )
        await each.answers.until(2)
        await one.stop(killed=True)
        await two.start(folder, exactly_once=True)
        later = [_of_somebody(f"{who}{n}", who, x=float(n)) for n in (2, 3) for who in ("a", "bb")]
        await each.transport.publish([*later, _of_somebody("c1", "ccc", x=5.0)])
        answers = await each.answers.until(7)
        await two.stop()
    bodies = {answer.record.identity: answer.record.body for answer in answers}
    assert isinstance(bodies.pop("a1"), Absent), "nothing drove it"
    assert isinstance(bodies.pop("c1"), Absent), "nobody of its key has brought anything"
    assert {identity: value_of(body) for identity, body in bodies.items()} == {
        "b1": 21.0,
        "a2": 12.0,
        "a3": 13.0,
        "bb2": 22.0,
        "bb3": 23.0,
    }
    assert each.letters.heard == []


async def test_state_for_a_whole_stream_needs_one_partition(tmp_path: Path) -> None:
    spec = REMEMBERING.spec.model_dump(by_alias=True, exclude_none=True)
    spec["steps"][0]["inputsJoinType"] = "latest(by='stream')"
    pipeline = Pipeline.model_validate({"metadata": {"name": "sums"}, "spec": spec})
    async with world() as each:
        process = Process(each.transport, StreamLimits(), pipeline=pipeline)
        with pytest.raises(ConflictError, match="4 partitions, and the join of 'add'"):
            await process.start(models(tmp_path))
        await process.stop()


async def test_a_backlog_waits_in_its_stream_and_fails_nothing_for_want_of_room(
    tmp_path: Path,
) -> None:
    async with world() as each:
        process = Process(each.transport, StreamLimits(in_flight=8))
        await process.start(models(tmp_path))
        await each.send(*range(1, 201))
        most = 0
        while len(each.answers.heard) < 200:
            most = max(most, process.open_passages)
            await asyncio.sleep(0)
        await process.stop()
    assert 4 <= most <= 8, "each of four partitions has its share, and no more"
    assert all(isinstance(answer.record.body, tuple) for answer in each.answers.heard)
    assert each.letters.heard == []


async def test_a_call_of_a_stream_waits_until_its_model_has_room(tmp_path: Path) -> None:
    async with world() as each:
        process = Process(each.transport, StreamLimits(), most_per_model=3)
        await process.start(models(tmp_path))
        await each.send(*range(1, 101))
        most = 0
        while len(each.answers.heard) < 100:
            most = max(most, process.calls)
            await asyncio.sleep(0)
        await process.stop()
    assert most == 3
    assert all(isinstance(answer.record.body, tuple) for answer in each.answers.heard)


async def test_a_call_that_waits_for_room_has_its_deadline(tmp_path: Path) -> None:
    async with world() as each:
        process = Process(each.transport, StreamLimits(), most_per_model=1)
        await process.start(models(tmp_path))
        await each.send(*range(1, 101))
        now_ms = await each.transport.time_ms()
        late = [_sent(value) for value in range(101, 151)]
        await each.transport.publish(
            [out._replace(record=out.record._replace(deadline_ms=now_ms + 30.0)) for out in late]
        )
        answers = await each.answers.until(150)
        await process.stop()
    failed = [a.record for a in answers if isinstance(a.record.body, Failed)]
    assert {int(record.identity[1:]) > 100 for record in failed} == {True}
    assert {record.body.code for record in failed if isinstance(record.body, Failed)} == {
        "deadline"
    }


class Full(ModelInstance):
    """A model that has no room for its first calls."""

    def __init__(self, refusals: int) -> None:
        super().__init__(None)
        self._refusals = refusals

    def infer(self, call: ModelCall) -> Tensors | Awaitable[Tensors]:
        if self._refusals:
            self._refusals -= 1
            raise OverloadedError("no room")
        return (Tensor.from_numpy("y", call.tensors[0].array * 2),)

    async def close(self) -> None:
        """It has nothing."""


async def test_a_call_of_a_stream_is_made_again_when_its_model_has_no_room(tmp_path: Path) -> None:
    async with world() as each:
        process = Process(each.transport, StreamLimits())
        await process.start(models(tmp_path))
        process.publish("double", Full(refusals=12))
        await each.send(*range(1, 11))
        answers = await each.answers.until(10)
        await process.stop()
    assert all(isinstance(answer.record.body, tuple) for answer in answers)
    assert each.letters.heard == []
