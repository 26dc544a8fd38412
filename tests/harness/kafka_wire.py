"""Requests of Kafka's protocol that no client of it makes by itself, byte by byte."""

from __future__ import annotations

import socket
import struct
from contextlib import closing
from pathlib import Path
from typing import Final

from confluent_kafka import Producer

_PRODUCE: Final = 0
_INIT_PRODUCER_ID: Final = 22
_TXN_OFFSET_COMMIT: Final = 28
_TIMEOUT_S: Final = 10.0

_CRC_AT, _ATTRIBUTES_AT, _NUMBER_AT = 17, 21, 53
"""In a batch of records (format 2), which begins with its offset and length: 12 bytes."""

_TRANSACTIONAL, _TIME_OF_BROKER, _CONTROL = 0x10, 0x08, 0x20
"""Attributes of one."""


def take_transactional_id(servers: str, transactional_id: str) -> tuple[int, int]:
    """InitProducerId (version 0): a producer's id and epoch, 64 and 16 bits."""
    # A client asks for the coordinator first, for which the broker makes its topic.
    Producer(
        {"bootstrap.servers": servers, "transactional.id": transactional_id}
    ).init_transactions(_TIMEOUT_S)
    body = _text(transactional_id) + struct.pack(">i", 60_000)
    answer = _ask(servers, _INIT_PRODUCER_ID, body, error_at=4)
    _, _, producer, epoch = struct.unpack(">ihqh", answer)
    return producer, epoch


def write_offset(
    servers: str,
    transactional_id: str,
    producer: tuple[int, int],
    group: str,
    where: tuple[str, int],
    offset: int,
    metadata: str,
) -> None:
    """TxnOffsetCommit (version 0) of one partition, of a transaction that nobody began: a broker
    that is not to look (``transaction.partition.verification.enable``) takes it, and waits for an
    end of it that nobody writes."""
    topic, partition = where
    body = _text(transactional_id) + _text(group) + struct.pack(">qh", *producer)
    body += struct.pack(">i", 1) + _text(topic)
    body += struct.pack(">iiq", 1, partition, offset) + _text(metadata)
    _ask(servers, _TXN_OFFSET_COMMIT, body, error_at=-2)


def write_again(servers: str, transactional_id: str, where: tuple[str, int], log: Path) -> None:
    """Produce (version 3) of the last batch of records in a file of a log, with the numbers that
    come next, in a transaction that nobody began: see :func:`write_offset`."""
    topic, partition = where
    batch = bytearray(_last_batch(log.read_bytes()))
    [attributes, last] = struct.unpack_from(">hi", batch, _ATTRIBUTES_AT)
    assert attributes & _TRANSACTIONAL, "as the one that was written"
    struct.pack_into(">h", batch, _ATTRIBUTES_AT, attributes & ~_TIME_OF_BROKER)
    [number] = struct.unpack_from(">i", batch, _NUMBER_AT)
    struct.pack_into(">i", batch, _NUMBER_AT, number + last + 1)
    struct.pack_into(">I", batch, _CRC_AT, _crc32c(bytes(batch[_ATTRIBUTES_AT:])))
    body = _text(transactional_id) + struct.pack(">hii", -1, 10_000, 1) + _text(topic)
    body += struct.pack(">iii", 1, partition, len(batch)) + bytes(batch)
    _ask(servers, _PRODUCE, body, error_at=4 + len(_text(topic)) + 8, version=3)


def _last_batch(log: bytes) -> bytes:
    """The last that is not a mark of a transaction."""
    found, at = b"", 0
    while at < len(log):
        size = 12 + struct.unpack_from(">i", log, at + 8)[0]
        batch = log[at : at + size]
        if not struct.unpack_from(">h", batch, _ATTRIBUTES_AT)[0] & _CONTROL:
            found = batch
        at += size
    return found


def _crc32c(data: bytes) -> int:
    """The sum that batches have (Castagnoli's polynomial, reflected)."""
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return value ^ 0xFFFFFFFF


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack(">h", len(data)) + data


def _ask(servers: str, key: int, body: bytes, error_at: int, version: int = 0) -> bytes:
    """The answer's body, behind its correlation id; it has no error where it would be."""
    host, _, port = servers.partition(",")[0].rpartition(":")
    request = struct.pack(">hhi", key, version, 1) + _text("test") + body
    with closing(socket.create_connection((host, int(port)), _TIMEOUT_S)) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        with connection.makefile("rb") as answers:
            [size] = struct.unpack(">i", answers.read(4))
            answer: bytes = answers.read(size)[4:]
    [error] = struct.unpack_from(">h", answer, error_at % len(answer))
    assert not error, f"request {key} is refused with {error}"
    return answer
