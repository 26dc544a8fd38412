"""A real Apache Kafka for tests: one that they share, or some of their own.

Fixtures of the whole of ``tests`` (``tests/conftest.py``). Where there is no Java or no Maven,
tests that use them are skipped with the reason; they fail in CI.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TypeAlias

import pytest

from penstock.core.errors import PenstockError
from penstock.transports.kafka.broker.cluster import ClusterOptions, LocalKafka, quietly
from penstock.transports.kafka.broker.jars import kafka_jars
from penstock.transports.kafka.broker.java import find_java

KafkaStarter: TypeAlias = Callable[[ClusterOptions], LocalKafka]

CALM_LEASE_MS = 15_000
"""Where nobody dies: a machine that stands still for a second has nobody taken for dead then, whose
requests would be answered again."""


def need_kafka() -> None:
    """Have what a broker is made of, fetched when it is not there."""
    try:
        find_java()
        kafka_jars(quietly)
    except PenstockError as error:
        if os.environ.get("CI"):
            pytest.fail(f"Kafka cannot be had: {error}")
        pytest.skip(f"Kafka cannot be had here: {error}")


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalKafka]:
    """One broker that all tests share, up from the first that asks for it on: they take topics and
    groups of their own, and leave it running. ``kafka.bootstrap_servers`` is its address."""
    need_kafka()
    with LocalKafka(tmp_path_factory.mktemp("kafka") / "shared") as running:
        yield running


@pytest.fixture
def start_kafka(tmp_path: Path) -> Iterator[KafkaStarter]:
    """Starts a Kafka of the test's own, as often as it is called; killed at the end.

    Its ``brokers`` have ``kill``, ``stop`` and ``start`` (again, on the same folder and ports).
    """
    need_kafka()
    with ExitStack() as running:

        def start(options: ClusterOptions) -> LocalKafka:
            folder = tmp_path / f"kafka-{len(started)}"
            kafka = LocalKafka(folder, options)
            started.append(kafka)
            kafka.start()
            running.callback(kafka.kill)  # its folder goes as well
            return kafka

        started: list[LocalKafka] = []
        yield start
