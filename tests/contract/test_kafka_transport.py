"""The contract of transports, over a real Apache Kafka."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import count

import pytest

from contract.transport import TransportContract, a_record
from harness.renamed_transport import RenamedTransport
from penstock.core.contracts.transport import Output, StreamSpec, Transport
from penstock.core.errors import NotFoundError
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


async def test_what_another_process_has_made_can_be_written_to(kafka: LocalKafka) -> None:
    servers, namespace = kafka.bootstrap_servers, f"contract{next(_NUMBERS)}"
    one, two = (
        KafkaTransport(KafkaOptions(bootstrap_servers=servers, namespace=namespace))
        for _ in range(2)
    )
    stream = f"{one.root}.s"
    await one.start()
    await two.start()
    try:
        await one.make_streams([StreamSpec(stream, 3)])
        [written] = await two.publish([Output(stream, a_record("a"))])
        assert written.stream == stream
        with pytest.raises(NotFoundError):
            await two.publish([Output(f"{stream}s", a_record("a"))])
    finally:
        await one.stop()
        await two.stop()
