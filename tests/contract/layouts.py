"""One workload in every layout: what callers are told and what streams hold has to be the same.

A :class:`Layout` runs a :class:`Workload` and says what was seen of each request; whoever adds a
layout or a transport subclasses it and compares.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from penstock.core.clock import Clock
from penstock.core.contracts.gateway import ServerMetadata
from penstock.core.contracts.model import ModelInstance
from penstock.core.dataflow import Dataflow
from penstock.core.errors import NoOutputError, PenstockError
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.journal import Journal, JournalLimits
from penstock.core.journal.letters import LetterBox
from penstock.core.metrics import Metrics
from penstock.core.model_gateway import ModelGateway
from penstock.core.pipeline_gateway import GatewayLimits, PipelineGateway
from penstock.core.plan import Plan
from penstock.core.plan.compiler import compile_pipeline
from penstock.core.records import Absent, Body, Failed, Port, Tensors
from penstock.core.resources import Pipeline
from penstock.testing.joins import Joins

INPUTS, OUTPUTS = Port(None, "inputs"), Port(None, "outputs")

Told: TypeAlias = tuple[object, ...]
"""A body, or an answer, as it is compared."""


class Sent(NamedTuple):
    """A request, after so many ms. Its ``name`` is V2's ``id``, by which models may know it."""

    name: str
    tensors: Tensors
    at_ms: float = 0.0
    deadline_ms: float = 20_000.0


@dataclass(frozen=True)
class Workload:
    """Requests to the last of some pipelines, of which each may be a step of those behind it.

    ``models`` makes the instances of one process. ``readers`` read the one that is called, and
    those of them that come before. Where not ``which_marker_matters``, they may be told of another
    one of several absences or failures, of which the first counts.
    """

    pipelines: tuple[Pipeline, ...]
    models: Callable[[], Awaitable[Mapping[str, ModelInstance]]]
    requests: tuple[Sent, ...]
    readers: tuple[Pipeline, ...] = ()
    which_marker_matters: bool = True

    @property
    def name(self) -> str:
        """The pipeline that is called."""
        return self.pipelines[-1].metadata.name


@dataclass
class Seen:
    """What was seen of one request: the answer, how often which port held what (the pipeline's
    input apart), and codes of dead letters. The inputs and outputs of steps by port and round; the
    ports and letters of pipelines that read it, or are steps of it, with their names."""

    answers: list[Told] = field(default_factory=list)
    ports: list[tuple[str, int, Told]] = field(default_factory=list)
    letters: list[str] = field(default_factory=list)

    def with_any_marker(self, readers: Sequence[Pipeline]) -> Seen:
        """What these read is a marker or not; nothing is said of which it is."""
        names = {each.metadata.name for each in readers}
        ports = [
            (
                port,
                number,
                what if what[0] == "value" or port.split("/")[0] not in names else what[:1],
            )
            for port, number, what in self.ports
        ]
        return Seen(self.answers, ports, self.letters).settled()

    def once(self) -> Seen:
        """Without what was recorded again; whoever asks is answered once all the same."""
        ports, letters = dict.fromkeys(self.ports), dict.fromkeys(self.letters)
        return Seen(self.answers, list(ports), list(letters))

    def settled(self) -> Seen:
        """In an order of its own."""
        return Seen(
            sorted(self.answers, key=repr),
            sorted(self.ports, key=repr),
            sorted(self.letters),
        )


def told(body: Body) -> Told:
    """All of a body that is to be the same everywhere."""
    if isinstance(body, Absent):
        return ("absent", body.reason, body.cause)
    if isinstance(body, Failed):
        return ("failed", body.code, body.reason, body.step)
    tensors = [
        (each.name, each.datatype, each.shape, bytes(each.raw), tuple(each.parameters.items()))
        for each in body
    ]
    return ("value", *tensors)


def told_caller(result: InferenceResponse | PenstockError) -> Told:
    """The same of what a caller gets."""
    if isinstance(result, InferenceResponse):
        return told(result.tensors)
    if isinstance(result, NoOutputError):
        return ("absent", result.message)
    return ("failed", result.code, result.message, result.step)


def as_told_caller(body: Body) -> Told:
    """What a caller gets of an answer that is a record."""
    return ("absent", body.reason) if isinstance(body, Absent) else told(body)


class Process:
    """What one process has of its own: clock, models, driver, and pipelines that are steps."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.models = ModelGateway()
        self.metrics = Metrics()
        self.dataflow = Dataflow(self.models, self.metrics, clock, jitter=lambda: 0.5)
        self.journal = Journal(JournalLimits())
        self.letters = LetterBox()
        self.gateway = PipelineGateway(
            self.dataflow,
            self.metrics,
            clock,
            GatewayLimits(in_flight=10_000, deadline_ms=1e9),
            ServerMetadata("penstock", "0", ()),
            self.journal,
            self.letters,
        )

    async def start(self, workload: Workload, pipelines: Sequence[Pipeline]) -> None:
        """Serve the models, and these pipelines in the process itself."""
        self.dataflow.start()
        self.gateway.open_intake()
        for name, instance in (await workload.models()).items():
            self.models.publish(name, 1, instance)
        for pipeline in pipelines:
            read = read_of(pipeline, workload.readers)
            self.gateway.set_pipeline(compiled(pipeline, read=read), None)


def compiled(
    pipeline: Pipeline,
    *,
    version: int = 1,
    spread: bool = False,
    read: frozenset[Port] = frozenset(),
    partitions: int = 1,
) -> Plan:
    """The plan of a pipeline that keeps every port."""
    return compile_pipeline(
        pipeline,
        version,
        Joins(),
        record="all",
        spread=spread,
        read=read,
        partitions=partitions,
    )


def read_of(pipeline: Pipeline, readers: Sequence[Pipeline]) -> frozenset[Port]:
    """The ports of a pipeline that these read."""
    plans = [compiled(each) for each in readers]
    name = pipeline.metadata.name
    return frozenset(port.port for plan in plans for port in plan.external if port.pipeline == name)


class Layout(ABC):
    """Runs workloads in one way."""

    begins_again: bool = False
    """Whether a request that takes long begins again, and records again what it had recorded."""

    @abstractmethod
    async def run(self, workload: Workload, clock: Clock, count: int) -> dict[str, Seen]:
        """What was seen of each request, by its name, when so many records are there; those that
        are there again are not counted."""


class InProcess(Layout):
    """The gateway, driver and models of one process: what others are measured by."""

    async def run(self, workload: Workload, clock: Clock, count: int = 0) -> dict[str, Seen]:
        process = Process(clock)
        await process.start(workload, (*workload.pipelines, *workload.readers))
        target = process.gateway.resolve(f"{workload.name}.pipeline")
        seen = {each.name: Seen() for each in workload.requests}

        async def send(sent: Sent) -> None:
            await asyncio.sleep(sent.at_ms / 1000.0)
            replied = asyncio.Event()

            def reply(result: InferenceResponse | PenstockError) -> None:
                seen[sent.name].answers.append(told_caller(result))
                replied.set()

            target.submit(InferenceRequest(sent.name, sent.tensors), {}, sent.deadline_ms, reply)
            await replied.wait()

        async with asyncio.TaskGroup() as tasks:
            for sent in workload.requests:
                tasks.create_task(send(sent))
        await process.gateway.drain()
        for story in process.journal.latest():
            if story.pipeline == workload.name and story.request.id is not None:
                each = seen[story.request.id]
                each.letters += [failure.code for failure in story.failures]
                if story.result is not None and isinstance(story.result, PenstockError):
                    # Asynchronously, a request that fails is a dead letter.
                    is_failure = not isinstance(story.result, NoOutputError)
                    each.letters += [story.result.code] if is_failure else []
                each.ports += [
                    (str(record.port), record.round, told(record.body))
                    for record in story.records
                    if record.port != INPUTS
                ]
        self._add_others(process, workload, seen)
        await process.dataflow.stop()
        return {name: each.settled() for name, each in seen.items()}

    def _add_others(self, process: Process, workload: Workload, seen: Mapping[str, Seen]) -> None:
        others = (*workload.pipelines[:-1], *workload.readers)
        names = {each.metadata.name for each in others}
        for story in process.journal.latest():
            if story.pipeline in names and story.request.id is not None:
                seen[story.request.id].ports += [
                    (f"{story.pipeline}/{record.port}", record.round, told(record.body))
                    for record in story.records
                ]
        for letter in process.letters.latest():
            if letter.pipeline in names and letter.request.id is not None:
                seen[letter.request.id].letters.append(f"{letter.pipeline}/{letter.failure.code}")


async def disagreements(layout: Layout, workload: Workload, clock: Clock) -> list[str]:
    """In what a layout and one process do not agree about a workload; empty when they do."""
    wanted = await InProcess().run(workload, clock)
    if layout.begins_again:
        wanted = {name: each.once() for name, each in wanted.items()}
    count = sum(len(each.ports) + len(each.letters) for each in wanted.values())
    got = await layout.run(workload, clock, count)
    if layout.begins_again:
        got = {name: each.once() for name, each in got.items()}
    if not workload.which_marker_matters:
        wanted, got = (
            {name: each.with_any_marker(workload.readers) for name, each in seen.items()}
            for seen in (wanted, got)
        )
    return differences(wanted, got)


def differences(wanted: Mapping[str, Seen], got: Mapping[str, Seen]) -> list[str]:
    """In what two layouts do not agree, in words; empty when they do."""
    found: list[str] = []
    for name, want in wanted.items():
        have = got[name]
        for what, ours, theirs in (
            ("answers", want.answers, have.answers),
            ("ports", want.ports, have.ports),
            ("letters", want.letters, have.letters),
        ):
            missing = [each for each in ours if each not in theirs]
            more = [each for each in theirs if each not in ours]
            if list(ours) != list(theirs):
                found.append(f"{name} {what}: missing {missing}, more {more}, {len(theirs)}")
    return found
