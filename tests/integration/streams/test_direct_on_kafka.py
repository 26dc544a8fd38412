"""Layout direct over a real Apache Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np

from harness.kafka_client import written
from harness.shared_streams import SharedStreams
from integration.streams.rig import (
    DIAMOND_MODELS,
    config,
    diamond,
    process,
    records,
)
from integration.streams.test_roles import GATEWAY, NOTHING, follower
from penstock.core.config import Config
from penstock.core.records import Absent, Failed
from penstock.core.streams.headers import ANSWERED_HEADER, OMITTED_HEADER
from penstock.proto import open_inference_pb2 as v2
from penstock.transports.kafka.broker.cluster import LocalKafka
from penstock.transports.kafka.options import KafkaOptions
from penstock.transports.kafka.transport import KafkaTransport

PIPELINE = "penstock.direct.pipeline.diamond"
NONE = SharedStreams()
"""Streams that nobody uses here."""


def transport_of(kafka: LocalKafka, **options: Any) -> dict[str, Any]:
    said = {"kind": "kafka", "bootstrapServers": kafka.bootstrap_servers, "namespace": "direct"}
    return {**said, **options}


def on_kafka(kafka: LocalKafka, **options: Any) -> Config:
    return config(transport=transport_of(kafka, **options), dataflow={"partitions": 2})


@asynccontextmanager
async def looking(kafka: LocalKafka, namespace: str = "direct") -> AsyncIterator[KafkaTransport]:
    """Somebody else who looks at the topics."""
    options = KafkaOptions(bootstrap_servers=kafka.bootstrap_servers, namespace=namespace)
    transport = KafkaTransport(options)
    await transport.start()
    try:
        yield transport
    finally:
        await transport.stop()


async def test_answers_come_at_once_and_records_afterwards(
    tmp_path: Path, kafka: LocalKafka
) -> None:
    documents = [*DIAMOND_MODELS, diamond(layout="direct", record="all")]
    settings = on_kafka(kafka, maxRecordBytes=20_000)
    async with looking(kafka) as transport:
        async with process(NONE, tmp_path, *documents, settings=settings) as both:
            assert await both.ready() == []
            assert [await both.send("diamond", 1.0).value() for _ in range(30)] == [5.0] * 30
            # More than a record may hold, of which the caller notices nothing.
            assert await both.send("diamond", *[2.0] * 3_000).value() == 10.0
        asked = await records(transport, f"{PIPELINE}.inputs", 31)
        answers = await records(transport, f"{PIPELINE}.outputs", 31)
        steps = await records(transport, f"{PIPELINE}.step.triple.outputs", 31)
    assert {each.headers[ANSWERED_HEADER] for each in asked} == {"1"}
    identities = {each.identity for each in asked}
    assert len(identities) == 31
    assert {each.identity for each in answers} == {each.identity for each in steps} == identities
    for each in (asked, answers, steps):
        (large,) = [record for record in each if OMITTED_HEADER in record.headers]
        assert large.headers[OMITTED_HEADER] == "24000"
        assert not isinstance(large.body, Absent | Failed)
        assert large.body[0].shape == (3_000,)


async def test_who_does_not_wait_is_served_by_workers_as_in_any_layout(
    tmp_path: Path, kafka: LocalKafka
) -> None:
    documents = [*DIAMOND_MODELS, diamond(layout="direct", dataflow={"partitions": 1})]
    settings = on_kafka(kafka, namespace="directly")
    async with process(NONE, tmp_path, *documents, settings=settings) as both:
        assert await both.ready() == []
        assert await both.send("diamond", 1.0).value() == 5.0
        async with looking(kafka, namespace="directly") as transport:
            await records(transport, f"{transport.root}.pipeline.diamond.inputs", 1)
            value = v2.ModelInferRequest(
                id="theirs", raw_input_contents=[np.float64(2.0).tobytes()]
            )
            value.inputs.add(name="x", datatype="FP64", shape=[1])
            topic = f"{transport.root}.pipeline.diamond.inputs"
            client = {"bootstrap.servers": kafka.bootstrap_servers}
            assert await asyncio.to_thread(written, client, topic, value.SerializeToString())
            ours, theirs = await records(transport, f"{transport.root}.pipeline.diamond.outputs", 2)
    assert (ours.request_id, theirs.request_id) == ("mine", "theirs")
    assert theirs.identity == f"{topic}/0/1"
    assert isinstance(theirs.body, tuple)


async def test_a_gateway_that_has_made_no_topic_writes_to_all(
    tmp_path: Path, kafka: LocalKafka
) -> None:
    documents = [*DIAMOND_MODELS, diamond(layout="direct", record="all")]
    settings = on_kafka(kafka, namespace="apart")
    async with process(NONE, tmp_path, *documents, roles=NOTHING, settings=settings) as scheduler:
        assert await scheduler.ready() == []
        transport = transport_of(kafka, namespace="apart")
        async with follower(NONE, scheduler, GATEWAY, transport=transport) as front:
            answers = [front.infer("pipelines/diamond") for _ in range(20)]
            assert {status for status, _ in await asyncio.gather(*answers)} == {200}
        async with looking(kafka, namespace="apart") as there:
            for port in ("inputs", "outputs", "step.double.inputs", "step.add.outputs"):
                await records(there, f"{there.root}.pipeline.diamond.{port}", 20)
