"""Gateways that answer themselves and write behind the answer, and are killed under load."""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

from chaos.city import LEAST, PARTITIONS, ROLES, ROOT, City, city, pipeline_manifest
from chaos.load import BODY
from harness.kafka import need_kafka
from penstock.transports.kafka.broker.cluster import LocalKafka

DIRECT = "direct"
CALL_S = 10.0
PATIENCE_S = 30.0
LOAD_S = 3.0
"""So long there is load before a kill."""

KILLS = 3
STREAMS = ("inputs", "step.left.outputs", "outputs")
SERVED = ("scheduler", "agent", "dataflow-1", "gateway-1", "gateway-2")


class Callers:
    """People who call one gateway, each one call after the other."""

    def __init__(self, url: str, number: int) -> None:
        self._place = urlsplit(url).netloc
        self._name = uuid4().hex[:8]
        self._numbers = count()
        self._ends = threading.Event()
        self.answered: dict[str, float] = {}
        """When each request had its answer."""
        self.others: Counter[str] = Counter()
        """What else became of requests."""
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(number)]
        for thread in self._threads:
            thread.start()

    def between(self, since: float, until: float) -> set[str]:
        """What was answered in a time."""
        return {each for each, when in self.answered.copy().items() if since <= when <= until}

    def until_more(self) -> None:
        """Wait until one more request has its answer."""
        before = len(self.answered)
        until = time.monotonic() + PATIENCE_S
        while len(self.answered) == before:
            assert time.monotonic() < until, "nothing is answered any more"
            time.sleep(0.01)

    def stop(self) -> None:
        """Call no more."""
        self._ends.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while not self._ends.wait(0.01):
            self._call(f"{self._name}-{next(self._numbers)}")

    def _call(self, identity: str) -> None:
        headers = {"Content-Type": "application/json", "x-request-id": identity}
        with closing(http.client.HTTPConnection(self._place, timeout=CALL_S)) as connection:
            try:
                connection.request("POST", f"/v2/pipelines/{DIRECT}/infer", BODY, headers)
                response = connection.getresponse()
                body = response.read()
            except TimeoutError:
                self.others["no answer"] += 1
            except (OSError, http.client.HTTPException):
                self.others["broken"] += 1
            else:
                if response.status == 200:
                    self.answered[identity] = time.monotonic()
                else:
                    self.others[f"{response.status} {body.decode()[:200]}"] += 1


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    need_kafka()
    folder = tmp_path_factory.mktemp("direct")
    with (
        LocalKafka(folder / "kafka") as kafka,
        city(folder, kafka, {name: ROLES[name] for name in SERVED}) as made,
    ):
        direct = pipeline_manifest(LEAST).replace(f"name: {LEAST}", f"name: {DIRECT}")
        made.apply(direct.replace("layout: fused", "layout: direct\n  record: all"))
        yield made


def written(world: City, port: str) -> Counter[str]:
    """How often each request, by its caller's name for it, is in a stream of the pipeline."""
    topic = f"{ROOT}.pipeline.{DIRECT}.{port}"
    found: Counter[str] = Counter()
    config = {"bootstrap.servers": world.kafka.bootstrap_servers, "group.id": "looks"}
    with closing(Consumer({**config, "enable.partition.eof": True})) as consumer:
        consumer.assign([TopicPartition(topic, n, OFFSET_BEGINNING) for n in range(PARTITIONS)])
        ended: set[int | None] = set()
        until = time.monotonic() + PATIENCE_S
        while len(ended) < PARTITIONS and time.monotonic() < until:
            message = consumer.poll(1.0)
            if message is None:
                continue
            error = message.error()
            if error is not None:
                assert error.code() == KafkaError._PARTITION_EOF, error
                ended.add(message.partition())
                continue
            headers: dict[str, Any] = dict(message.headers() or ())
            found[headers["x-request-id"].decode()] += 1
    assert len(ended) == PARTITIONS
    return found


def until_written(world: City, port: str, answered: set[str]) -> Counter[str]:
    """Wait until all of these are in a stream, which takes some ms if no broker is away and the
    machine has time; how often each request is in it then."""
    until = time.monotonic() + PATIENCE_S
    while True:
        found = written(world, port)
        missing = answered - found.keys()
        if not missing:
            return found
        assert time.monotonic() < until, f"{len(missing)} of {len(answered)} are missing in {port}"
        time.sleep(0.1)


def test_a_killed_gateway_loses_no_more_than_what_it_had_not_written(world: City) -> None:
    killed, stays = (Callers(world.url(name), 4) for name in ("gateway-1", "gateway-2"))
    promised: set[str] = set()
    while not killed.answered.keys() & written(world, "outputs").keys():
        time.sleep(0.5)  # the first batch has to connect first
    since = time.monotonic()
    for _ in range(KILLS):
        time.sleep(LOAD_S)
        killed.until_more()
        answered = killed.between(since, time.monotonic())
        for port in STREAMS:
            until_written(world, port, answered)
        promised |= answered
        world.kill("gateway-1")
        time.sleep(0.5)
        world.start("gateway-1")
        world.wait_ready()
        since = time.monotonic()
    killed.until_more()
    for callers in (killed, stays):
        callers.stop()
    # Nobody waited in vain, and nothing but the kills was seen.
    assert all(what == "broken" or "is starting" in what for what in killed.others), killed.others
    assert not stays.others
    world.stop("gateway-1")  # it writes what it has
    promised |= stays.answered.keys()
    promised |= killed.between(since, time.monotonic())
    for port in STREAMS:
        assert set(until_written(world, port, promised).values()) == {1}, port


def test_what_is_left_to_workers_is_not_run_again(world: City) -> None:
    """Inputs of requests that are answered stand in the stream that workers read."""
    before = written(world, "outputs")
    world.kill("dataflow-1")
    world.start("dataflow-1")
    time.sleep(3.0)
    assert written(world, "outputs") == before
