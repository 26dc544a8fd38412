"""Streams in memory whose records have been messages of Kafka."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.core.contracts.transport import Output, Written
from penstock.core.records import Record
from penstock.transports.kafka.messages import decode, encode
from penstock.transports.memory import MemoryTransport


class CodedTransport(MemoryTransport):
    """Keeps of each record what Kafka would: a message, and what is read of it."""

    def _write(self, outputs: Sequence[Output]) -> list[Written]:
        return super()._write([output._replace(record=_carried(output)) for output in outputs])


def _carried(output: Output) -> Record:
    return decode(output.stream, *encode(output.stream, output.record))
