"""Requests of Kafka's protocol that no client of it makes by itself, byte by byte."""

from __future__ import annotations

import socket
import struct
from contextlib import closing
from typing import Final

from confluent_kafka import Producer

_INIT_PRODUCER_ID: Final = 22
_TXN_OFFSET_COMMIT: Final = 28
_TIMEOUT_S: Final = 10.0


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


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack(">h", len(data)) + data


def _ask(servers: str, key: int, body: bytes, error_at: int) -> bytes:
    """The answer's body, behind its correlation id; it has no error where it would be."""
    host, _, port = servers.partition(",")[0].rpartition(":")
    request = struct.pack(">hhi", key, 0, 1) + _text("test") + body
    with closing(socket.create_connection((host, int(port)), _TIMEOUT_S)) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        with connection.makefile("rb") as answers:
            [size] = struct.unpack(">i", answers.read(4))
            answer: bytes = answers.read(size)[4:]
    [error] = struct.unpack_from(">h", answer, error_at % len(answer))
    assert not error, f"request {key} is refused with {error}"
    return answer
