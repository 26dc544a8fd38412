"""The contract of transports, for records that have been messages of Kafka."""

from __future__ import annotations

from collections.abc import AsyncIterator

from contract.transport import TransportContract
from harness.coded_transport import CodedTransport
from penstock.core.contracts.transport import Transport
from penstock.transports.memory import MemoryOptions


class TestCodedTransport(TransportContract):
    async def started(self) -> AsyncIterator[Transport]:
        transport = CodedTransport(MemoryOptions())
        await transport.start()
        yield transport
        await transport.stop()
