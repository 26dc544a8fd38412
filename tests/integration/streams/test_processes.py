"""Processes that share pipelines by sharing streams."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import numpy as np

from harness.shared_streams import SharedStreams
from integration.streams.rig import DIAMOND_MODELS, Answer, diamond, process, single
from penstock.core.contracts.gateway import Ticket
from penstock.core.contracts.transport import THE_BEGINNING, Output
from penstock.core.errors import DeadlineError, UnsupportedError
from penstock.core.records import Absent, Failed, Port, Record
from penstock.core.tensors import Tensor

INPUTS = "test.shared.pipeline.diamond.inputs"
OUTPUTS = "test.shared.pipeline.diamond.outputs"
REPLIES = "test.shared.replies"


async def identities_in(streams: SharedStreams, stream: str) -> Counter[str]:
    """How often each request is in a stream."""
    found: Counter[str] = Counter()
    for number, extent in enumerate(await streams.extents(stream)):
        tail = await streams.tail(stream, number, THE_BEGINNING)
        if extent.end:
            found.update(each.record.identity for each in await tail.take(extent.end))
    return found


async def records_of(streams: SharedStreams, stream: str, ticket: Ticket) -> list[Record]:
    """Those of one request in a stream."""
    found = []
    for number, extent in enumerate(await streams.extents(stream)):
        tail = await streams.tail(stream, number, THE_BEGINNING)
        if extent.end:
            found += [each.record for each in await tail.take(extent.end)]
    return [each for each in found if each.identity == ticket.identity]


async def test_a_process_answers_what_another_works_on(tmp_path: Path) -> None:
    streams = SharedStreams()
    documents = [*DIAMOND_MODELS, diamond()]
    async with (
        process(streams, tmp_path, *documents, roles=frozenset({"pipeline-gateway"})) as front,
        process(streams, tmp_path, *documents, roles=frozenset({"dataflow"})) as back,
    ):
        await front.ready()
        await back.ready()
        assert await front.send("diamond", 3.0).value() == 15.0
        refusal = await back.send("diamond", 3.0).result()
        assert isinstance(refusal, UnsupportedError)
        assert "pipeline gateway" in refusal.message


async def test_who_waits_beside_the_worker_is_told_without_a_stream(tmp_path: Path) -> None:
    streams = SharedStreams()
    exactly_once = diamond(delivery="exactly-once").replace("diamond", "once")
    documents = [*DIAMOND_MODELS, diamond(), exactly_once]
    async with process(streams, tmp_path, *documents) as one:
        await one.ready()
        assert await one.send("diamond", 3.0).value() == 15.0
        assert not await identities_in(streams, REPLIES)
        # What is exactly once is told when the transaction with the answer is over.
        answer = one.send("once", 3.0)
        assert await answer.value() == 15.0
        assert answer.ticket is not None
        assert await identities_in(streams, REPLIES) == Counter([answer.ticket.identity])
        documents = [*DIAMOND_MODELS, diamond()]
        async with process(
            streams, tmp_path, *documents, roles=frozenset({"pipeline-gateway"})
        ) as front:
            await front.ready()
            elsewhere = front.send("diamond", 1.0)
            assert await elsewhere.value() == 5.0
            assert elsewhere.ticket is not None
            assert elsewhere.ticket.identity in await identities_in(streams, REPLIES)


async def test_workers_that_come_and_go_lose_and_double_no_answer(tmp_path: Path) -> None:
    streams = SharedStreams()
    documents = [*DIAMOND_MODELS, diamond()]
    answers: list[Answer] = []
    async with process(streams, tmp_path, *documents) as one:
        await one.ready()
        for _ in range(3):
            async with process(streams, tmp_path, *documents, roles=frozenset({"dataflow"})) as two:
                await two.ready()
                for value in range(30):
                    answers.append(one.send("diamond", float(value)))
                    await asyncio.sleep(0.002)
        values = [await answer.value() for answer in answers]
        assert values == [5.0 * value for _ in range(3) for value in range(30)]
        assert set((await identities_in(streams, OUTPUTS)).values()) == {1}


async def test_who_stops_hands_its_requests_over(tmp_path: Path) -> None:
    streams = SharedStreams()
    documents = single("lazy", "slow")
    async with process(streams, tmp_path, *documents, roles=frozenset({"pipeline-gateway"})) as one:
        await one.ready()
        async with process(streams, tmp_path, *documents, roles=frozenset({"dataflow"})) as two:
            await two.ready()
            answers = [one.send("lazy", float(value)) for value in range(20)]
            await asyncio.sleep(0.05)
        async with process(streams, tmp_path, *documents, roles=frozenset({"dataflow"})) as three:
            await three.ready()
            assert [await each.value() for each in answers] == [float(v) for v in range(20)]


async def test_records_that_anybody_writes_are_worked_on(tmp_path: Path) -> None:
    streams = SharedStreams()
    async with process(streams, tmp_path, *DIAMOND_MODELS, diamond()) as one:
        await one.ready()
        tensor = Tensor.from_numpy("x", np.array([4.0]))
        record = Record("", b"", "", 0, Port(None, "inputs"), 0, (tensor,), {}, {}, float("inf"))
        await streams.publish([Output(INPUTS, record, 2)])
        tail = await streams.tail(OUTPUTS, 2, THE_BEGINNING)
        async with asyncio.timeout(10):
            (answer,) = await tail.take(1)
        assert answer.record.identity == f"{INPUTS}/2/0"
        body = answer.record.body
        assert not isinstance(body, Absent | Failed)
        assert body[0].array[0] == 20.0


async def test_a_request_whose_time_is_over_fails_in_its_streams_as_well(tmp_path: Path) -> None:
    streams = SharedStreams()
    documents = [*DIAMOND_MODELS, diamond(record="all")]
    async with process(streams, tmp_path, *documents, roles=frozenset({"pipeline-gateway"})) as one:
        await one.ready()
        late = one.send("diamond", 1.0, timeout_ms=30)
        assert isinstance(await late.result(), DeadlineError)
        async with process(streams, tmp_path, *documents, roles=frozenset({"dataflow"})) as two:
            await two.ready()
            assert await one.send("diamond", 2.0).value() == 10.0
            assert late.ticket is not None
            put_out = "test.shared.pipeline.diamond.step.double.outputs"
            for stream in (put_out, OUTPUTS):
                bodies = [each.body for each in await records_of(streams, stream, late.ticket)]
                assert [type(body) for body in bodies] == [Failed]


async def test_requests_of_a_pipeline_that_is_gone_stay_in_its_stream(tmp_path: Path) -> None:
    streams = SharedStreams()
    async with process(streams, tmp_path, *DIAMOND_MODELS, diamond()) as one:
        await one.ready()
        await one.runtime.control.delete("Pipeline", "diamond", force=False)
        tensor = Tensor.from_numpy("x", np.array([4.0]))
        record = Record("late", b"", "", 0, Port(None, "inputs"), 0, (tensor,), {}, {}, 1e300)
        await asyncio.sleep(0.05)
        await streams.publish([Output(INPUTS, record, 0)])
        await asyncio.sleep(0.05)
        assert await identities_in(streams, OUTPUTS) == {}
        await one.apply(diamond())
        await one.ready()
        tail = await streams.tail(OUTPUTS, 0, THE_BEGINNING)
        async with asyncio.timeout(10):
            (answer,) = await tail.take(1)
        assert answer.record.identity == "late"
