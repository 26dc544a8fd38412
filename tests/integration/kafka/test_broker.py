"""Brokers that we start: they answer clients, come back, and end with us."""

from __future__ import annotations

from harness.kafka_client import went_through
from penstock.transports.kafka.broker.cluster import LocalKafka


def test_a_record_goes_through(kafka: LocalKafka) -> None:
    assert went_through({"bootstrap.servers": kafka.bootstrap_servers}, "there")
