"""Workers on Kafka that stand still, come and go, and are sent what is wrong."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
import yaml
from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, Producer, TopicPartition

from chaos.city import LEAST, ONCE, PIPELINES, ROLES, ROOT, City, city, pipeline_manifest
from chaos.load import Reader, Writer, request_of
from harness.kafka import CALM_LEASE_MS, KafkaStarter, need_kafka
from penstock.transports.kafka.broker.cluster import ClusterOptions, LocalKafka

RATE = 20.0
PATIENCE_S = 30.0
LEASE_S = 2.0
AWAY_S = 60.0
MAX_DELIVERIES = 5

SERVED = ("scheduler", "agent", "dataflow-1", "dataflow-2", "gateway-1")
COMMANDS = {name: ROLES[name] for name in SERVED}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    """Nobody dies in it."""
    need_kafka()
    folder = tmp_path_factory.mktemp("misfortunes")
    with (
        LocalKafka(folder / "kafka") as kafka,
        closing(City(folder, kafka, COMMANDS)) as made,
    ):
        path = folder / "penstock.yaml"
        config = yaml.safe_load(path.read_text())
        config["transport"]["leaseMs"] = CALM_LEASE_MS
        path.write_text(yaml.safe_dump(config))
        for name in COMMANDS:
            made.start(name)
        made.wait_ready()
        yield made


class Load:
    """Requests in every pipeline, of which each must be answered."""

    def __init__(self, world: City, rate: float = RATE) -> None:
        servers = world.kafka.bootstrap_servers
        self._stack = ExitStack()
        self.readers = {name: Reader(servers, name) for name in PIPELINES}
        self.writers = {name: Writer(servers, name, rate) for name in PIPELINES}
        for reader in self.readers.values():
            self._stack.callback(reader.stop)
        time.sleep(1.0)

    def end(self, *, refused: bool = False) -> None:
        """All have been answered that Kafka has taken; whether some may be ``refused`` by it."""
        for writer in self.writers.values():
            writer.stop()
        with self._stack:
            for name, writer in self.writers.items():
                assert refused or not writer.refused
                missing = _until_seen(self.readers[name], set(writer.accepted))
                assert not missing, f"{name}: {len(missing)} of {len(writer.accepted)} are lost"
            time.sleep(0.5)

    def doubled(self, pipeline: str) -> list[str]:
        """The requests that are there more than once."""
        mine = self.writers[pipeline].accepted
        seen = self.readers[pipeline].seen
        return [each for each, times in seen.items() if times > 1 and each in mine]

    def failed(self, pipeline: str) -> dict[str, str]:
        """Those that have failed, and why."""
        mine = self.writers[pipeline].accepted
        return {who: why for who, why in self.readers[pipeline].failed.items() if who in mine}


def _answered_but_for_one(world: City, pipeline: str) -> tuple[Reader, int]:
    """Write a request among others that ends the process of its model, and start that again until
    the request is given up; comes back with how often."""
    reader = Reader(world.kafka.bootstrap_servers, pipeline)
    writer = Writer(world.kafka.bootstrap_servers, pipeline, RATE)
    deaths = 0
    try:
        writer.write(666.0, 0, "poison")
        until = time.monotonic() + 4 * PATIENCE_S
        while not reader.seen["poison"] and time.monotonic() < until:
            time.sleep(0.05)
            if "up" in world.running and world.running["up"].has_ended:
                deaths += 1
                world.kill("up")
                world.start("up")
        writer.stop()
        assert not _until_seen(reader, set(writer.accepted))
    finally:
        reader.stop()
    return reader, deaths


def _until_seen(reader: Reader, wanted: set[str]) -> set[str]:
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until and not wanted <= reader.seen.keys():
        time.sleep(0.05)
    return wanted - reader.seen.keys()


def _dead_letters(world: City) -> Iterator[Message]:
    consumer = Consumer({"bootstrap.servers": world.kafka.bootstrap_servers, "group.id": "letters"})
    with closing(consumer):
        consumer.assign([TopicPartition(f"{ROOT}.deadletters", 0, OFFSET_BEGINNING)])
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            message = consumer.poll(0.2)
            if message is not None and message.error() is None:
                yield message


def test_a_worker_that_stands_still_is_fenced_when_it_wakes(
    tmp_path: Path, start_kafka: KafkaStarter
) -> None:
    folder = tmp_path / "city"
    folder.mkdir()
    with city(folder, start_kafka(ClusterOptions()), COMMANDS) as world:
        load = Load(world)
        world.pause("dataflow-1")
        time.sleep(2 * LEASE_S + 1.0)
        world.resume("dataflow-1")
        time.sleep(LEASE_S)
        load.end()
        assert load.doubled(ONCE) == []
        assert load.failed(ONCE) == load.failed(LEAST) == {}


def test_workers_that_come_and_go_lose_and_double_nothing(world: City) -> None:
    load = Load(world)
    world.stop("dataflow-2")
    time.sleep(1.0)
    world.start("dataflow-2")
    time.sleep(1.0)
    world.stop("dataflow-1")
    world.start("dataflow-1")
    load.end()
    assert load.doubled(ONCE) == load.doubled(LEAST) == []
    assert load.failed(ONCE) == load.failed(LEAST) == {}


def test_versions_change_places_under_load(world: City) -> None:
    load = Load(world)
    for record in ("all", "boundary", "none"):
        for pipeline in PIPELINES:
            manifest = pipeline_manifest(pipeline).replace(
                "spec:\n", f"spec:\n  record: {record}\n"
            )
            world.apply(manifest)
    load.end()
    assert load.doubled(ONCE) == load.doubled(LEAST) == []
    assert load.failed(ONCE) == load.failed(LEAST) == {}


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_a_request_that_ends_its_worker_is_given_up_and_no_other(
    tmp_path: Path, start_kafka: KafkaStarter, pipeline: str
) -> None:
    folder = tmp_path / "city"
    folder.mkdir()
    with city(folder, start_kafka(ClusterOptions()), {"up": ("up",)}) as world:
        reader, deaths = _answered_but_for_one(world, pipeline)
    assert deaths == MAX_DELIVERIES
    assert list(reader.failed) == ["poison"]
    assert reader.failed["poison"].startswith("lost: 5 workers went away")


def test_a_broker_is_away_for_a_minute(tmp_path: Path, start_kafka: KafkaStarter) -> None:
    folder = tmp_path / "city"
    folder.mkdir()
    with city(folder, start_kafka(ClusterOptions()), {"up": ("up",)}) as world:
        load = Load(world, rate=5.0)
        world.kafka.brokers[0].kill()
        time.sleep(AWAY_S)
        world.kafka.brokers[0].start()
        time.sleep(1.0)
        load.end()
        assert load.doubled(ONCE) == []
        assert load.failed(ONCE) == load.failed(LEAST) == {}


def test_a_cluster_of_three_loses_one(tmp_path: Path, start_kafka: KafkaStarter) -> None:
    folder = tmp_path / "city"
    folder.mkdir()
    with city(folder, start_kafka(ClusterOptions(brokers=3)), {"up": ("up",)}) as world:
        load = Load(world, rate=5.0)
        world.kafka.brokers[1].kill()
        time.sleep(5.0)
        world.kafka.brokers[1].start()
        load.end()
        assert load.doubled(ONCE) == []
        assert load.failed(ONCE) == load.failed(LEAST) == {}


def test_what_cannot_be_decoded_is_a_dead_letter_and_whole(world: City) -> None:
    poison = b"\x93 this is no request"
    producer = Producer({"bootstrap.servers": world.kafka.bootstrap_servers})
    for pipeline in PIPELINES:
        topic = f"{ROOT}.pipeline.{pipeline}.inputs"
        producer.produce(
            topic, poison, partition=0, headers={"penstock-request": f"bad-{pipeline}"}
        )
    assert producer.flush(PATIENCE_S) == 0
    load = Load(world)
    load.end()
    waited_for = {f"bad-{pipeline}".encode() for pipeline in PIPELINES}
    for letter in _dead_letters(world):
        headers = dict(letter.headers() or ())
        if headers.get("penstock-request") in waited_for:
            waited_for.discard(headers["penstock-request"])
            assert letter.value() == poison
            assert headers["penstock-code"] == b"invalid-request"
        if not waited_for:
            return
    raise AssertionError(f"no dead letter for {waited_for}")


def test_a_request_that_is_too_large_is_refused_at_the_edge(world: City) -> None:
    data = ", ".join(["1.5"] * 300_000)
    body = (
        f'{{"inputs": [{{"name": "x", "datatype": "FP32", "shape": [300000], "data": [{data}]}}]}}'
    )
    url = f"{world.url('gateway-1')}/v2/pipelines/{LEAST}/infer"
    request = urllib.request.Request(url, body.encode(), {"Content-Type": "application/json"})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=PATIENCE_S)
    with closing(refused.value):
        assert refused.value.code == 413
        assert b"maxRecordBytes" in refused.value.read()


def test_the_broker_refuses_what_other_clients_write_too_large(world: City) -> None:
    errors: list[object] = []
    servers = world.kafka.bootstrap_servers
    producer = Producer({"bootstrap.servers": servers, "message.max.bytes": 10_000_000})
    producer.produce(
        f"{ROOT}.pipeline.{LEAST}.inputs",
        request_of(3.0) + bytes(2_000_000),
        on_delivery=lambda error, _: errors.append(error and error.name()),
    )
    assert producer.flush(PATIENCE_S) == 0
    assert errors == ["MSG_SIZE_TOO_LARGE"]
