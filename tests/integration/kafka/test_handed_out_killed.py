"""Workers that a share group hands requests out to are killed under load."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path
from typing import Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

from chaos.city import ROLES, ROOT, SHARED, City, city
from chaos.load import Reader, Writer
from harness.kafka import KafkaStarter
from penstock.transports.kafka.broker.cluster import ClusterOptions

RATE = 40.0
PATIENCE_S = 60.0
"""What a dead worker had is handed out once more after 15 s at the latest."""

DEATHS: Final = (5, 6)
"""Of workers that one request brings down: five at owners, and one where it is handed out. What was
put aside when a worker died counts as at work there, whether it was or not."""

WORKERS = {
    name: ROLES["dataflow-1"] if name.startswith("dataflow") else ROLES[name]
    for name in ("scheduler", "agent", "gateway-1", "dataflow-1", "dataflow-2")
}


def _all_are_answered(reader: Reader, writer: Writer) -> None:
    """Write no more; everything that Kafka has taken is answered, soon or late."""
    writer.stop()
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until and not writer.accepted.keys() <= reader.seen.keys():
        time.sleep(0.05)
    reader.stop()
    missing = writer.accepted.keys() - reader.seen.keys()
    assert not missing, f"{len(missing)} of {len(writer.accepted)} are lost"


def _letters(world: City, count: int = 0) -> list[str]:
    """The requests that are dead letters, all of them, once there are so many."""
    found: list[str] = []
    config = {"bootstrap.servers": world.kafka.bootstrap_servers, "group.id": "letters"}
    with closing(Consumer({**config, "enable.partition.eof": True})) as consumer:
        consumer.assign([TopicPartition(f"{ROOT}.deadletters", 0, OFFSET_BEGINNING)])
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            message = consumer.poll(0.2)
            if message is None:
                continue
            error = message.error()
            if error is None:
                identity = dict(message.headers() or ())["penstock-request"]
                assert isinstance(identity, bytes)
                found.append(identity.decode())
            elif error.code() == KafkaError._PARTITION_EOF and len(found) >= count:
                return found
    raise AssertionError(f"dead letters were not read to their end, or not all there: {found}")


def test_workers_that_are_killed_lose_nothing(tmp_path: Path, start_kafka: KafkaStarter) -> None:
    folder = tmp_path / "city"
    folder.mkdir()
    kafka = start_kafka(ClusterOptions())
    with city(folder, kafka, WORKERS, pipelines=[SHARED]) as world:
        reader = Reader(kafka.bootstrap_servers, SHARED)
        writer = Writer(kafka.bootstrap_servers, SHARED, RATE)
        for name in ("dataflow-1", "dataflow-2", "dataflow-1"):
            time.sleep(4.0)
            world.kill(name)
            time.sleep(2.0)
            world.start(name)
        time.sleep(4.0)
        _all_are_answered(reader, writer)
        assert len(writer.accepted) > 500
        assert reader.failed == {}
        assert _letters(world) == []


def test_a_broker_that_is_killed_loses_nothing(tmp_path: Path, start_kafka: KafkaStarter) -> None:
    folder = tmp_path / "city"
    folder.mkdir()
    kafka = start_kafka(ClusterOptions())
    with city(folder, kafka, {"up": ("up",)}, pipelines=[SHARED]) as world:
        reader = Reader(kafka.bootstrap_servers, SHARED)
        writer = Writer(kafka.bootstrap_servers, SHARED, RATE)
        time.sleep(6.0)
        kafka.brokers[0].kill()
        time.sleep(1.0)
        kafka.brokers[0].start()
        time.sleep(6.0)
        _all_are_answered(reader, writer)
        assert reader.failed == {}
        assert _letters(world) == []


def test_what_ends_its_worker_is_given_up_alone(tmp_path: Path, start_kafka: KafkaStarter) -> None:
    folder = tmp_path / "city"
    folder.mkdir()
    kafka = start_kafka(ClusterOptions())
    with city(folder, kafka, {"up": ("up",)}, pipelines=[SHARED]) as world:
        reader = Reader(kafka.bootstrap_servers, SHARED)
        writer = Writer(kafka.bootstrap_servers, SHARED, RATE)
        time.sleep(5.0)
        deaths = 0
        writer.write(666.0, 0, "poison")
        until = time.monotonic() + 4 * PATIENCE_S
        while not reader.seen["poison"] and time.monotonic() < until:
            time.sleep(0.05)
            if world.running["up"].has_ended:
                deaths += 1
                world.kill("up")
                world.start("up")
        _all_are_answered(reader, writer)
        assert list(reader.failed) == _letters(world, 1) == ["poison"]
        assert reader.failed["poison"].startswith("lost: 5 workers went away")
        assert deaths in DEATHS
