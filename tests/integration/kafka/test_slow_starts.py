"""Processes that start while the broker is away or stands still: they wait for it, and say so."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chaos.city import UP, City
from chaos.load import Caller
from harness.kafka import KafkaStarter
from penstock.transports.kafka.broker.cluster import ClusterOptions, LocalKafka

CLIENT = {"socket.timeout.ms": "10000"}
STILL_S = 15.0
"""Longer than the library waits for the answer of a broker: as it comes, for a minute."""

AWAY_S = 15.0
WAITS = "this process waits for the streams of 'penstock.default'"
ONE = {"up": UP["up"]}


@contextmanager
def _back_after(kafka: LocalKafka, away_s: float, *, killed: bool) -> Iterator[None]:
    """The broker is away, or stands still, and is there again after a while."""
    [broker] = kafka.brokers
    pid = broker.pid
    assert pid is not None
    if killed:
        broker.kill()
    else:
        os.kill(pid, signal.SIGSTOP)

    def come_back() -> None:
        if killed:
            broker.start()
        else:
            os.kill(pid, signal.SIGCONT)

    timer = threading.Timer(away_s, come_back)
    timer.start()
    try:
        yield
    finally:
        timer.join()


def _starts(folder: Path, kafka: LocalKafka, away_s: float, *, killed: bool) -> None:
    folder.mkdir()
    world = City(folder, kafka, ONE, client=CLIENT)
    try:
        with _back_after(kafka, away_s, killed=killed):
            began = time.monotonic()
            world.start("up")
            assert time.monotonic() - began > away_s - 1.0
        world.wait_ready()
        caller = Caller([world.url("up")], world.pipelines[0], 0.02)
        time.sleep(2.0)
        caller.stop()
        assert caller.answered
        assert WAITS in world.running["up"].logged()
    finally:
        world.close()


def test_a_role_waits_for_a_broker_that_comes_up_later(
    tmp_path: Path, start_kafka: KafkaStarter
) -> None:
    _starts(tmp_path / "city", start_kafka(ClusterOptions()), AWAY_S, killed=True)


def test_a_role_waits_for_a_broker_that_stands_still(
    tmp_path: Path, start_kafka: KafkaStarter
) -> None:
    _starts(tmp_path / "city", start_kafka(ClusterOptions()), STILL_S, killed=False)
