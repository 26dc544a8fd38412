"""Brokers that we start: they answer clients, come back, and end with us."""

from __future__ import annotations

import os
import socket
from contextlib import closing
from pathlib import Path
from random import sample
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, KafkaException
from confluent_kafka.admin import ConfigResource, ConfigSource, ResourceType

from harness.kafka import KafkaStarter, need_kafka
from harness.kafka_client import PATIENCE_S, admin_of, new_topic, read, went_through, written
from harness.program import program
from penstock.core.errors import ConflictError, InvalidRequestError, NotReadyError
from penstock.core.folder_lock import alone_with
from penstock.core.free_ports import LOOPBACK, is_free
from penstock.transports.kafka.broker.cluster import ClusterOptions, LocalKafka
from penstock.transports.kafka.broker.process import BrokerProcess


def client_of(kafka: LocalKafka) -> dict[str, str]:
    return {"bootstrap.servers": kafka.bootstrap_servers}


def free_row(count: int) -> int:
    """The first of so many free ports in a row, below those that systems give out by themselves."""
    firsts = range(20_000, 30_000, count)
    rows = (range(first, first + count) for first in sample(firsts, len(firsts)))
    return next(row.start for row in rows if all(map(is_free, row)))


def test_a_record_goes_through(kafka: LocalKafka) -> None:
    assert went_through(client_of(kafka), f"topic-{uuid4().hex}")


def test_a_group_reads_at_once(kafka: LocalKafka) -> None:
    topic = new_topic(client_of(kafka), copies=1)
    assert written(client_of(kafka), topic, b"hello")
    group = {"group.id": topic, "auto.offset.reset": "earliest"}
    with closing(Consumer({**client_of(kafka), **group})) as consumer:
        consumer.subscribe([topic])
        message = consumer.poll(PATIENCE_S)
        assert message is not None
        assert message.value() == b"hello"


def test_it_is_a_stock_broker(kafka: LocalKafka) -> None:
    """What users meet on a broker that they have is what tests meet here."""
    admin = admin_of(client_of(kafka))
    [asked] = admin.describe_configs([ConfigResource(ResourceType.BROKER, "1")]).values()
    changed = {
        each.name
        for each in asked.result(PATIENCE_S).values()
        if each.source == ConfigSource.STATIC_BROKER_CONFIG.value
    }
    assert changed == {
        "advertised.listeners",
        "broker.id",  # the old name of node.id
        "broker.heartbeat.interval.ms",
        "broker.session.timeout.ms",
        "controller.listener.names",
        "controller.quorum.voters",
        "group.initial.rebalance.delay.ms",
        "inter.broker.listener.name",
        "listener.security.protocol.map",
        "listeners",
        "log.dirs",
        "node.id",
        "offsets.topic.num.partitions",
        "offsets.topic.replication.factor",
        "process.roles",
        "share.coordinator.state.topic.min.isr",
        "share.coordinator.state.topic.replication.factor",
        "transaction.state.log.min.isr",
        "transaction.state.log.num.partitions",
        "transaction.state.log.replication.factor",
    }


def test_a_killed_broker_comes_back_with_what_it_acknowledged(start_kafka: KafkaStarter) -> None:
    kafka = start_kafka(ClusterOptions(properties={"message.max.bytes": "3000000"}))
    [broker] = kafka.brokers
    client = {**client_of(kafka), "message.max.bytes": "3000000"}
    large = b"x" * 2_000_000
    assert written(client, "kept", large)
    before = broker.pid
    broker.kill()
    assert broker.ended.result(0) == "was ended by SIGKILL"
    broker.start()
    assert broker.pid != before
    assert read(client, "kept") == large
    broker.stop()
    broker.start()
    assert read(client, "kept") == large


def test_three_brokers_go_on_with_two(start_kafka: KafkaStarter) -> None:
    kafka = start_kafka(ClusterOptions(brokers=3))
    assert len(kafka.bootstrap_servers.split(",")) == 3
    topic = new_topic(client_of(kafka), copies=3)
    assert written(client_of(kafka), topic, b"before")
    kafka.brokers[0].kill()
    assert written(client_of(kafka), new_topic(client_of(kafka), copies=2), b"meanwhile")
    assert read(client_of(kafka), topic) == b"before"
    kafka.brokers[0].start()
    kafka.brokers[1].kill()
    assert read(client_of(kafka), topic) == b"before"


def test_what_was_written_stays_until_somebody_begins_afresh(tmp_path: Path) -> None:
    need_kafka()
    folder = tmp_path / "kept"
    with LocalKafka(folder) as kafka:
        assert written(client_of(kafka), "kept", b"old")
        with pytest.raises(ConflictError, match="another Kafka runs on"):
            LocalKafka(folder, ClusterOptions(fresh=True)).start()
    with LocalKafka(folder) as kafka:
        assert read(client_of(kafka), "kept") == b"old"
    with pytest.raises(ConflictError, match=r"1 broker\(s\) wrote, and 3 were asked for"):
        LocalKafka(folder, ClusterOptions(brokers=3)).start()
    with LocalKafka(folder, ClusterOptions(fresh=True)) as kafka:
        assert "kept" not in admin_of(client_of(kafka)).list_topics(timeout=PATIENCE_S).topics


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    need_kafka()
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "file").touch()
    for fresh in (False, True):
        with pytest.raises(InvalidRequestError, match="holds other things"):
            LocalKafka(tmp_path / "own", ClusterOptions(fresh=fresh)).start()
    assert (tmp_path / "own" / "file").exists()


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    need_kafka()
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConflictError, match=f"port {port}, .* is taken; .*--port"):
            LocalKafka(tmp_path / "kafka", ClusterOptions(port=port)).start()


def test_three_brokers_have_ports_in_a_row(start_kafka: KafkaStarter) -> None:
    first = free_row(3)
    kafka = start_kafka(ClusterOptions(brokers=3, port=first))
    assert kafka.bootstrap_servers == ",".join(f"{LOOPBACK}:{first + n}" for n in range(3))


def test_a_broker_that_ends_at_its_start_says_why(tmp_path: Path) -> None:
    need_kafka()
    wrong = ClusterOptions(properties={"log.retention.hours": "soon"})
    with pytest.raises(NotReadyError, match=r"log\.retention\.hours"):
        LocalKafka(tmp_path / "kafka", wrong).start()
    with LocalKafka(tmp_path / "kafka") as kafka:
        assert kafka.brokers[0].pid is not None


def test_a_broker_that_ends_later_in_its_start_says_why(start_kafka: KafkaStarter) -> None:
    kafka = start_kafka(ClusterOptions())
    [broker] = kafka.brokers
    broker.stop()
    (broker.place.records / "meta.properties").write_text("version=1\n")
    with pytest.raises(NotReadyError, match=r"broker 1 ended with status 1 before it was up: .+"):
        broker.start()


def test_a_program_that_is_none_is_an_error(tmp_path: Path) -> None:
    nowhere = os.open(os.devnull, os.O_RDONLY)
    process = BrokerProcess(["/nowhere/java"], tmp_path, 1.0, nowhere)
    with pytest.raises(NotReadyError, match="/nowhere/java"):
        process.started.result(PATIENCE_S)
    os.close(nowhere)


def test_brokers_end_with_who_started_them(tmp_path: Path) -> None:
    need_kafka()
    folder = tmp_path / "kafka"
    with program(tmp_path, "kafka", "up", "--port", "0", "--folder", folder) as up:
        client = {"bootstrap.servers": up.addresses["kafka"]}
        assert written(client, "kept", b"old")
        up.kill()
    # The folder is free when the broker has ended, and not before.
    with alone_with(folder), pytest.raises(KafkaException):
        admin_of(client).list_topics(timeout=0.2)
    with LocalKafka(folder) as kafka:
        assert read(client_of(kafka), "kept") == b"old"
