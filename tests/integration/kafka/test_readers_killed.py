"""A reader that keeps an order, with a step that does: an owner of them is killed (``-9``)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

from chaos.city import LEAST, PARTITIONS, ROOT, UP, City, city
from chaos.load import Reader, Writer
from harness.kafka import need_kafka
from penstock.transports.kafka.broker.cluster import LocalKafka

RATE = 40.0
PATIENCE_S = 60.0
PIPELINES = f"""\
kind: Pipeline
metadata: {{name: child}}
spec:
  dataflow: {{partitions: {PARTITIONS}}}
  steps:
  - {{name: left}}
  output: {{steps: [left], order: partition}}
---
kind: Pipeline
metadata: {{name: orderly}}
spec:
  dataflow: {{partitions: {PARTITIONS}}}
  input: {{externalInputs: [{LEAST}.outputs.z], tensorMap: {{{LEAST}.outputs.z: y}}}}
  steps:
  - {{name: inner, pipeline: child}}
  output: {{steps: [inner], order: partition}}
"""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[City]:
    need_kafka()
    with (
        LocalKafka(tmp_path / "kafka") as kafka,
        city(tmp_path, kafka, UP) as made,
    ):
        made.apply(PIPELINES)
        yield made


def orders(world: City, port: str) -> list[list[str]]:
    """The requests in each partition of a stream of the reader, each where it stands first."""
    topic = f"{ROOT}.pipeline.orderly.{port}"
    found: list[dict[str, None]] = [{} for _ in range(PARTITIONS)]
    config = {"bootstrap.servers": world.kafka.bootstrap_servers, "group.id": "looks"}
    with closing(Consumer({**config, "enable.partition.eof": True})) as consumer:
        consumer.assign([TopicPartition(topic, n, OFFSET_BEGINNING) for n in range(PARTITIONS)])
        left = PARTITIONS
        until = time.monotonic() + PATIENCE_S
        while left and time.monotonic() < until:
            message = consumer.poll(1.0)
            if message is None:
                continue
            error = message.error()
            if error is not None:
                assert error.code() == KafkaError._PARTITION_EOF, error
                left -= 1
                continue
            identity = dict(message.headers() or ())["penstock-request"]
            assert isinstance(identity, bytes)
            found[message.partition() or 0][identity.decode()] = None
    assert not left, "it was not read to its end"
    return [list(each) for each in found]


def test_nothing_is_lost_or_overtakes(world: City) -> None:
    servers = world.kafka.bootstrap_servers
    reader = Reader(servers, "orderly")
    writer = Writer(servers, LEAST, RATE)
    try:
        while len(writer.accepted) < 40:
            time.sleep(0.05)
        world.kill("dataflow-1")
        while len(writer.accepted) < 120:
            time.sleep(0.05)
        world.start("dataflow-1")
        writer.stop()
        until = time.monotonic() + PATIENCE_S
        while not writer.accepted.keys() <= reader.seen.keys() and time.monotonic() < until:
            time.sleep(0.05)
        assert writer.accepted.keys() <= reader.seen.keys()
        assert not reader.failed
    finally:
        reader.stop()
    assert orders(world, "outputs") == orders(world, "inputs")
