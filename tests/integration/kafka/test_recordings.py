"""What people ask about requests, over topics of a real Kafka."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from harness.shared_streams import SharedStreams
from integration.streams.rig import (
    DIAMOND_MODELS,
    PATIENCE_S,
    Process,
    call,
    config,
    diamond,
    process,
    told,
)
from integration.streams.test_asynchronous import submit
from integration.streams.test_inspect import is_whole, visits
from integration.streams.test_tap import followed
from penstock.core.config import Config
from penstock.core.contracts.inquiries import Begin
from penstock.transports.kafka.broker.cluster import LocalKafka


def over(kafka: LocalKafka) -> Config:
    """A namespace of the test's own."""
    return config(
        transport={
            "kind": "kafka",
            "bootstrapServers": kafka.bootstrap_servers,
            "namespace": f"t{uuid4().hex[:8]}",
        }
    )


async def listed_when_ended(one: Process, count: int) -> list[dict[str, Any]]:
    """The requests, once so many have ended: callers are told of that before it is acknowledged."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            listed: list[dict[str, Any]] = (await told(one, "/v1/requests"))["requests"]
            if sum(each["outcome"] is not None for each in listed) >= count:
                return listed
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("delivery", ["at-least-once", "exactly-once"])
async def test_every_step_of_a_request_is_shown(
    kafka: LocalKafka, tmp_path: Path, delivery: str
) -> None:
    documents = [*DIAMOND_MODELS, diamond(record="all", delivery=delivery)]
    async with process(SharedStreams(), tmp_path, *documents, settings=over(kafka)) as one:
        assert await one.ready() == []
        answer = one.send("diamond", 3.0, headers={"x-request-id": "theirs"})
        assert await answer.value() == 15.0
        assert answer.ticket is not None
        identity = answer.ticket.identity
        story = await told(one, f"/v1/requests/{identity}")
        while len(story["records"]) < 8:  # they are written behind the answer
            await asyncio.sleep(0.05)
            story = await told(one, f"/v1/requests/{identity}")
        assert is_whole(story), visits(story)
        for value in (1.0, -3.0):
            await one.send("diamond", value).result()
        listed = await listed_when_ended(one, 3)
        assert [each["outcome"] for each in listed] == ["step-failed", "ok", "ok"]
        assert listed[-1]["id"] == identity
        assert (await told(one, "/v1/requests/theirs"))["id"] == identity
        since = listed[1]["opened"]
        later = (await told(one, f"/v1/requests?since={since}"))["requests"]
        assert [each["id"] for each in later] == [each["id"] for each in listed[:2]]
        records = await followed(one, "diamond", most=3, begin=Begin(offset=0))
        assert {each["id"] for each in records} == {each["id"] for each in listed}


async def test_dead_letters_are_in_their_topic(kafka: LocalKafka, tmp_path: Path) -> None:
    documents = [*DIAMOND_MODELS, diamond()]
    async with process(SharedStreams(), tmp_path, *documents, settings=over(kafka)) as one:
        assert await one.ready() == []
        assert (await told(one, "/v1/deadletters"))["dead_letters"] == []
        failing = {"name": "x", "datatype": "FP64", "shape": [1], "data": [-3.0]}
        status, body = await call(one, "/v2/pipelines/diamond/requests", {"inputs": [failing]})
        assert status == 202, body
        good = await submit(one, "diamond")
        await told(one, f"/v2/requests/{good}?wait=5000")
        letters: list[dict[str, Any]] = []
        while not letters:
            letters = (await told(one, "/v1/deadletters"))["dead_letters"]
        assert (letters[0]["number"], letters[0]["step"]) == (1, "triple")
        assert letters[0]["inputs"][0]["data"] == [-3.0]
        assert await told(one, "/v1/deadletters/1") == letters[0]
        status, _ = await call(one, "/v1/deadletters/1/send", {})
        assert status == 202
