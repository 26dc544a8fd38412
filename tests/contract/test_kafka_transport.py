"""The contract of transports, over a real Apache Kafka."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import count

import pytest

from contract.transport import TransportContract
from harness.renamed_transport import RenamedTransport
from penstock.core.contracts.transport import Transport
from penstock.transports.kafka.broker.cluster import LocalKafka
from penstock.transports.kafka.options import KafkaOptions
from penstock.transports.kafka.transport import KafkaTransport

_NUMBERS = count()


class TestKafkaTransport(TransportContract):
    timeout_s = 30.0

    @pytest.fixture(autouse=True)
    def _broker(self, kafka: LocalKafka) -> None:
        self.servers = kafka.bootstrap_servers

    async def started(self) -> AsyncIterator[Transport]:
        namespace = f"contract{next(_NUMBERS)}"
        options = KafkaOptions(bootstrap_servers=self.servers, namespace=namespace)
        transport = RenamedTransport(KafkaTransport(options), f"{options.root}.")
        await transport.start()
        try:
            yield transport
        finally:
            await transport.stop()
