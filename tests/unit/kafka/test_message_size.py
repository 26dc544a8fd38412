"""How large a message is, against the batch itself, written as the format says."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from penstock.transports.kafka.messages import KafkaMessage, encode
from unit.kafka.records import INPUTS, an_input


def varint(value: int) -> bytes:
    """Zigzag, seven bits at a time."""
    value = value << 1 if value >= 0 else -value * 2 - 1
    written = bytearray()
    while value > 127:
        written.append(value & 127 | 128)
        value >>= 7
    return bytes([*written, value])


def sized(content: bytes | None) -> bytes:
    return varint(-1) if content is None else varint(len(content)) + content


def batch_of(message: KafkaMessage) -> bytes:
    """A batch of one record, its head (61 bytes) zeros."""
    record = bytes([0]) + varint(0) + varint(0) + sized(message.key) + sized(message.value)
    record += varint(len(message.headers))
    for name, content in message.headers:
        record += sized(name.encode()) + sized(content)
    return bytes(61) + varint(len(record)) + record


contents = st.none() | st.binary(max_size=9) | st.integers(0, 20_000).map(bytes)


@given(contents, contents, st.lists(st.tuples(st.text(max_size=5), contents), max_size=4))
@example(None, None, [("é", None)])
@example(bytes(64), bytes(8_192), [("n" * 63, bytes(63)), ("n" * 64, bytes(64))])
def test_it_is_that_of_a_batch_of_one(
    key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes | None]]
) -> None:
    message = KafkaMessage(key, value, headers)
    assert message.nbytes == len(batch_of(message))


def test_many_headers() -> None:
    message = KafkaMessage(b"k", b"v", [("a", b"b")] * 70)
    assert message.nbytes == len(batch_of(message))


def test_a_record_s() -> None:
    message = encode(INPUTS, an_input(headers={"x-request-id": "7"}))
    assert message.nbytes == len(batch_of(message))
