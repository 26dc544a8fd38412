"""Layouts over a real Apache Kafka, against one process without any."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

import pytest

from contract.example_pipelines import REQUESTS, example_models, example_workload
from contract.layouts import disagreements
from contract.streamed_layouts import Connect, Streamed
from penstock.core.clock import Clock, SystemClock
from penstock.core.contracts.transport import Transport
from penstock.transports.kafka.broker.cluster import LocalKafka
from penstock.transports.kafka.options import KafkaOptions
from penstock.transports.kafka.transport import KafkaTransport

_NUMBERS = count()
READ = "tfsimple, called by itself"
"""Others read it, and each other."""
SOME = ("join with renames", "loop", "second attempt", "batching", READ)


@pytest.mark.parametrize("spread", [False, True], ids=["fused", "spread"])
async def test_examples_are_the_same(kafka: LocalKafka, spread: bool) -> None:
    @asynccontextmanager
    async def opened(clock: Clock) -> AsyncIterator[Connect]:
        namespace = f"layouts{next(_NUMBERS)}"
        transports: list[Transport] = []

        async def connect() -> Transport:
            options = KafkaOptions(bootstrap_servers=kafka.bootstrap_servers, namespace=namespace)
            transport = KafkaTransport(options)
            await transport.start()
            transports.append(transport)
            return transport

        try:
            yield connect
        finally:
            for transport in transports:
                await transport.stop()

    layout = Streamed(opened, spread=spread, settle_s=0.3)
    async with example_models() as models:
        for name in SOME:
            workload = example_workload(*REQUESTS[name], models)
            assert await disagreements(layout, workload, SystemClock()) == [], name
