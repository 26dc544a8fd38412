"""Layout direct: the gateway answers by itself, and the streams hear of it afterwards."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

from harness.shared_streams import SharedStreams
from integration.streams.rig import (
    DIAMOND_MODELS,
    PATIENCE_S,
    Process,
    call,
    config,
    diamond,
    manifest,
    process,
    records,
    single,
)
from integration.streams.test_roles import DATAFLOW, GATEWAY, NOTHING, follower
from penstock.core.errors import PenstockError
from penstock.core.records import Absent, Failed, Record
from penstock.core.streams.headers import ANSWERED_HEADER, REPLY_TO_HEADER

ROOT = "test.shared.pipeline"
LETTERS = "test.shared.deadletters"


async def test_who_waits_is_answered_without_a_worker(tmp_path: Path) -> None:
    streams = SharedStreams()
    documents = [*DIAMOND_MODELS, diamond(layout="direct")]
    async with process(streams, tmp_path, *documents, roles=GATEWAY) as front:
        assert await front.ready() == []
        assert await front.send("diamond", 2.0, headers={"x-request-id": "r"}).value() == 10.0
        (asked,) = await records(streams, f"{ROOT}.diamond.inputs", 1)
        (answer,) = await records(streams, f"{ROOT}.diamond.outputs", 1)
        assert dict(asked.headers) == {ANSWERED_HEADER: "1", "x-request-id": "r"}
        assert dict(answer.headers) == {"x-request-id": "r"}
        assert (asked.identity, asked.key) == (answer.identity, answer.key)
        assert asked.request_id == answer.request_id == "mine"
        assert asked.deadline_ms == answer.deadline_ms


async def test_a_worker_passes_over_what_is_answered_and_runs_what_nobody_waits_for(
    tmp_path: Path,
) -> None:
    streams = SharedStreams()
    documents = [*DIAMOND_MODELS, diamond(layout="direct", dataflow={"partitions": 1})]
    async with process(streams, tmp_path, *documents) as both:
        assert await both.ready() == []
        assert await both.send("diamond", 2.0).value() == 10.0
        await records(streams, f"{ROOT}.diamond.inputs", 1)
        body = {"inputs": [{"name": "x", "datatype": "FP64", "shape": [1], "data": [3.0]}]}
        status, _ = await call(both, "/v2/pipelines/diamond/requests", body)
        assert status == 202
        first, second = await records(streams, f"{ROOT}.diamond.outputs", 2)
        asked = await records(streams, f"{ROOT}.diamond.inputs", 2)
        # Both were taken in turn, for the second has come out: the first was not run again.
        assert [each.identity for each in asked] == [first.identity, second.identity]
        assert REPLY_TO_HEADER not in asked[1].headers


async def test_what_a_worker_has_in_hand_keeps_nobody_from_an_answer(tmp_path: Path) -> None:
    streams = SharedStreams()
    documents = [*DIAMOND_MODELS, diamond(layout="direct"), *single("waits", "endless")]
    settings = config(limits={"inFlight": 1}, defaults={"drainMs": 1})
    async with process(streams, tmp_path, *documents, settings=settings) as both:
        assert await both.ready() == []
        for _ in range(2):
            body = {"inputs": [{"name": "x", "datatype": "FP64", "shape": [1], "data": [3.0]}]}
            assert (await call(both, "/v2/pipelines/waits/requests", body))[0] == 202
        await eventually(both, 'requests_in_flight{pipeline="waits"} 2')
        assert await both.send("diamond", 2.0, timeout_ms=5_000.0).value() == 10.0


async def test_a_gateway_calls_models_where_they_are(tmp_path: Path) -> None:
    streams = SharedStreams()
    documents = [*DIAMOND_MODELS, diamond(layout="direct")]
    async with process(streams, tmp_path, *documents, roles=NOTHING) as scheduler:
        assert await scheduler.ready() == []
        async with follower(streams, scheduler, GATEWAY) as front:
            status, answer = await front.infer("pipelines/diamond")
            assert (status, answer["outputs"][0]["data"]) == (200, [15.0])
            await records(streams, f"{ROOT}.diamond.outputs", 1)
        async with follower(streams, scheduler, DATAFLOW) as worker:
            status, answer = await worker.infer("pipelines/diamond")
            assert (status, answer["code"]) == (501, "unsupported")


async def test_what_is_answered_is_written_before_a_process_ends(tmp_path: Path) -> None:
    streams = SharedStreams()
    documents = [*DIAMOND_MODELS, diamond(layout="direct")]
    async with process(streams, tmp_path, *documents, roles=GATEWAY) as front:
        assert await front.ready() == []
        answers = [front.send("diamond", 1.0) for _ in range(20)]
    assert [await answer.value() for answer in answers] == [5.0] * 20
    await records(streams, f"{ROOT}.diamond.inputs", 20)
    await records(streams, f"{ROOT}.diamond.outputs", 20)


async def test_streams_that_are_away_hold_no_answer_up(tmp_path: Path) -> None:
    streams = SharedStreams()
    documents = [*DIAMOND_MODELS, diamond(layout="direct")]
    async with process(streams, tmp_path, *documents, roles=GATEWAY) as front:
        assert await front.ready() == []
        streams.away = True
        assert await front.send("diamond", 2.0).value() == 10.0
        await eventually(front, 'records_unwritten_total{pipeline="diamond"} 2')
        streams.away = False
        assert await front.send("diamond", 2.0).value() == 10.0
        await records(streams, f"{ROOT}.diamond.outputs", 1)


async def eventually(at: Process, line: str) -> None:
    """Return when the page of metrics has a line."""
    async with asyncio.timeout(PATIENCE_S):
        while line not in (await call(at, "/metrics"))[1]:
            pass


async def test_nothing_is_written_where_nothing_is_kept(tmp_path: Path) -> None:
    streams = SharedStreams()
    documents = [*DIAMOND_MODELS, diamond(layout="direct", record="none")]
    async with process(streams, tmp_path, *documents, roles=GATEWAY) as front:
        assert await front.ready() == []
        assert await front.send("diamond", 2.0).value() == 10.0
    assert streams.published == []


async def test_what_needs_one_owner_goes_through_the_streams(tmp_path: Path) -> None:
    documents = [
        *single("once", "double", layout="direct", delivery="exactly-once"),
        *single("ordered", "add", layout="direct", output={"steps": ["add"], "order": "partition"})[
            1:
        ],
        manifest("Model", "add", python="models:add"),
    ]
    streams = SharedStreams()
    async with process(streams, tmp_path, *documents) as both:
        assert await both.ready() == []
        assert await both.send("once", 2.0).value() == 4.0
        assert isinstance(await both.send("ordered", 2.0).result(), PenstockError)
        for name in ("once", "ordered"):
            (asked,) = await records(streams, f"{ROOT}.{name}.inputs", 1)
            assert ANSWERED_HEADER not in asked.headers


def branching(layout: str) -> list[str]:
    """A pipeline in which all can happen: values, absence, failures, failures that no answer
    tells of, and steps that go on after the answer."""
    models = ("router", "triple", "double", "slow", "endless")
    return [
        *[manifest("Model", name, python=f"models:{name}") for name in models],
        manifest(
            "Pipeline",
            "branching",
            layout=layout,
            record="all",
            dataflow={"partitions": 2},
            steps=[
                {"name": "router"},
                {"name": "double", "inputs": ["router.outputs.even"],
                 "tensorMap": {"router.outputs.even": "x"}},
                {"name": "slow", "inputs": ["router.outputs.even"],
                 "tensorMap": {"router.outputs.even": "x"}},
                {"name": "endless", "inputs": ["router.outputs.odd"], "timeoutMs": 50,
                 "tensorMap": {"router.outputs.odd": "x"}, "onError": "absent"},
                {"name": "triple"},
            ],
            output={"steps": ["double", "endless"], "stepsJoin": "any"},
        ),
    ]  # fmt: skip


VALUES = (4.0, 3.0, -2.0, -3.0)
"""An even number is answered, an odd one is not; where they are negative, 'triple' fails."""


def told(record: Record) -> tuple[Any, ...]:
    body = record.body
    if isinstance(body, Absent | Failed):
        return str(record.port), record.round, body
    tensors = [(each.name, each.datatype, each.shape, bytes(each.raw)) for each in body]
    return str(record.port), record.round, tuple(tensors)


async def seen(tmp_path: Path, layout: str) -> tuple[list[Any], Counter[Any], list[Any]]:
    """Answers, records by stream with all that they say, and dead letters."""
    streams = SharedStreams()
    async with process(streams, tmp_path, *branching(layout)) as both:
        assert await both.ready() == []
        answers: list[Any] = []
        for value in VALUES:
            result = await both.send("branching", value).result()
            if isinstance(result, PenstockError):
                answers.append((result.code, result.message))
            else:
                answers.append(bytes(result.tensors[0].raw))
    there: Counter[Any] = Counter()
    ports = ["inputs", "outputs"]
    for step in ("router", "double", "slow", "endless", "triple"):
        ports += [f"step.{step}.inputs", f"step.{step}.outputs"]
    for port in ports:
        for record in await records(streams, f"{ROOT}.branching.{port}", len(VALUES)):
            headers = record.headers.keys() - {ANSWERED_HEADER, REPLY_TO_HEADER}
            there[told(record), record.request_id, frozenset(headers)] += 1
    letters = [
        (told(each), sorted(each.headers.keys() - {REPLY_TO_HEADER}), each.headers["penstock-code"])
        for each in await records(streams, LETTERS, 2)
    ]
    return answers, there, sorted(letters, key=repr)


async def test_answers_and_streams_are_those_of_fused(tmp_path: Path) -> None:
    direct = await seen(tmp_path, "direct")
    fused = await seen(tmp_path, "fused")
    for ours, theirs in zip(direct, fused, strict=True):
        assert ours == theirs


async def test_who_goes_away_ends_the_request_as_cancelled(tmp_path: Path) -> None:
    streams = SharedStreams()
    documents = single("waits", "endless", layout="direct", record="all")
    async with process(streams, tmp_path, *documents, roles=GATEWAY) as front:
        assert await front.ready() == []
        answer = front.send("waits", 2.0)
        await asyncio.sleep(0)
        assert answer.ticket is not None
        answer.ticket.cancel()
        (put_out,) = await records(streams, f"{ROOT}.waits.outputs", 1)
        assert isinstance(put_out.body, Failed)
        assert put_out.body.code == "cancelled"
        await records(streams, LETTERS, 0)
