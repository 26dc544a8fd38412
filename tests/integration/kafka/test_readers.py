"""Pipelines that read others on a real Apache Kafka, with workers that are killed meanwhile."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Mapping
from dataclasses import replace

import pytest

from contract.layouts import INPUTS, OUTPUTS, Sent, Workload
from contract.scripted_pipelines import Quoting
from contract.streamed_layouts import Running, Streamed
from integration.kafka.opened import opened_on
from penstock.core.clock import SystemClock
from penstock.core.contracts.model import ModelCall, ModelInstance
from penstock.core.records import Absent, Failed, Tensors
from penstock.core.resources import Pipeline
from penstock.testing.scripts import tensor
from penstock.transports.kafka.broker.cluster import LocalKafka
from unit.streams.test_matching_by_key import ask, said_in, workload

REQUESTS = 120


class Slow(ModelInstance):
    """Takes its time, so that there is always something under way."""

    def infer(self, call: ModelCall) -> Awaitable[Tensors]:
        return self._go()

    async def _go(self) -> Tensors:
        await asyncio.sleep(0.05)
        return (tensor("y", "slow"),)


def pipeline(name: str, step: str, *inputs: str, **output: str) -> Pipeline:
    spec = {"steps": [{"name": step}], "output": {"steps": [step], **output}}
    renamed = {f"{each}.y": f"y{number}" for number, each in enumerate(inputs)}
    section = {"input": {"externalInputs": inputs, "tensorMap": renamed}} if inputs else {}
    return Pipeline.model_validate({"metadata": {"name": name}, "spec": {**spec, **section}})


async def models() -> Mapping[str, ModelInstance]:
    return {"slow": Slow(), "slower": Slow(), "quote": Quoting()}


WORKLOAD = Workload(
    (pipeline("src", "slow"),),
    models,
    tuple(Sent(f"q{number}", (tensor("x", "x"),)) for number in range(REQUESTS)),
    (
        pipeline("later", "slower", "src.outputs"),
        pipeline("both", "quote", "src.outputs", "later.outputs"),
    ),
)


IN_ORDER = replace(
    WORKLOAD,
    readers=(
        WORKLOAD.readers[0],
        pipeline("both", "slow", "src.outputs", "later.outputs", order="partition"),
    ),
)


def over(
    kafka: LocalKafka, *, exactly_once: bool, partitions: int = 2, workers: int = 2
) -> Streamed:
    return Streamed(
        opened_on(kafka),
        spread=False,
        workers=workers,
        exactly_once=exactly_once,
        partitions=partitions,
    )


async def answers(running: Running, pipeline: str) -> Counter[str]:
    """How often each request was answered in a pipeline, when all of them have been."""
    stream = running.names.of(pipeline, OUTPUTS)
    while len({each.identity for each in running.watch.records[stream]}) < REQUESTS:
        assert await running.watch.until(len(running.watch.records[stream]) + 1, stream)
    for record in running.watch.records[stream]:
        assert not isinstance(record.body, Absent | Failed), record
    return Counter([each.identity for each in running.watch.records[stream]])


@pytest.mark.parametrize("exactly_once", [False, True], ids=["at least once", "exactly once"])
async def test_a_worker_that_dies_leaves_what_it_gathered_to_others(
    kafka: LocalKafka, exactly_once: bool
) -> None:
    layout = over(kafka, exactly_once=exactly_once)
    async with layout.serving(WORKLOAD, SystemClock()) as running:
        both = running.names.of("both", OUTPUTS)

        async def send() -> None:
            for number in range(REQUESTS):
                await running.send(number)
                await asyncio.sleep(0.01)

        sending = asyncio.create_task(send())
        assert await running.watch.until(20, both)
        await running.kill(running.workers[0])
        await running.add_worker()
        assert await running.watch.until(60, both)
        await running.leave(running.workers[0])
        await sending
        for name in ("src", "later", "both"):
            found = await answers(running, name)
            assert set(found) == {each.name for each in WORKLOAD.requests}
            if exactly_once:
                assert set(found.values()) == {1}


@pytest.mark.parametrize("exactly_once", [False, True], ids=["at least once", "exactly once"])
async def test_a_worker_that_dies_leaves_the_order_of_what_was_read(
    kafka: LocalKafka, exactly_once: bool
) -> None:
    layout = over(kafka, exactly_once=exactly_once, partitions=1)
    async with layout.serving(IN_ORDER, SystemClock()) as running:
        both = running.names.of("both", OUTPUTS)
        sending = asyncio.gather(*[running.send(number) for number in range(REQUESTS)])
        assert await running.watch.until(20, both)
        await running.kill(running.workers[0])
        await running.add_worker()
        assert await running.watch.until(60, both)
        await running.kill(running.workers[0])
        await sending
        found = await answers(running, "both")
        if exactly_once:
            assert set(found.values()) == {1}
        records = running.watch.records
        given = dict.fromkeys(each.identity for each in records[running.names.of("both", INPUTS)])
        told = dict.fromkeys(each.identity for each in records[both])
        assert list(told) == list(given)


async def test_who_takes_over_goes_on_matching_by_key(kafka: LocalKafka) -> None:
    """The second of ``a`` puts nothing out: its pair is skipped before ``b`` has said anything."""
    layout = over(kafka, exactly_once=True, partitions=1, workers=1)
    async with layout.serving(workload(), SystemClock()) as running:
        pairs = running.names.of("pairs", OUTPUTS)
        await ask(running, "a", "0", "1nothing", "2")
        assert await running.watch.until(1, pairs)
        await running.kill(running.workers[0])
        await running.add_worker()
        await ask(running, "b", "0", "1", "2")
        assert await running.watch.until(3, pairs)
        said = [said_in(each) for each in running.watch.records[pairs]]
        assert said == ["nothing", "a0+b0", "a2+b2"]
