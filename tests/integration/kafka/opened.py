"""Streams on a broker for the suite of layouts, with names of their own each time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

from contract.streamed_layouts import Connect, Opened
from penstock.core.clock import Clock
from penstock.core.contracts.transport import Transport
from penstock.transports.kafka.broker.cluster import LocalKafka
from penstock.transports.kafka.options import KafkaOptions
from penstock.transports.kafka.transport import KafkaTransport


def opened_on(kafka: LocalKafka) -> Opened:
    """What opens streams there, and connects to them as often as it is asked."""

    @asynccontextmanager
    async def opened(clock: Clock) -> AsyncIterator[Connect]:
        namespace = f"streams{uuid4().hex}"
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

    return opened
