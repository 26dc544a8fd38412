"""What is written into the log comes back; what others write is passed over."""

from __future__ import annotations

import pytest

from penstock.transports.kafka.leases.messages import (
    Act,
    Ask,
    Beat,
    Bye,
    Hello,
    Holdings,
    MemberId,
    Message,
    decode,
    encode,
)

ME = MemberId('näme "1"', "f0")
S, OTHER = ("group", "stream"), ("group", "o\0ther")


@pytest.mark.parametrize(
    "message",
    [
        Beat(ME, 1),
        Hello(ME, 2**40),
        Hello(ME, 5, first=False),
        Ask(ME, 6),
        Bye(ME, 3),
        Holdings(ME, 4, 17, {S: 8, OTHER: 1}, {S: {0: 5, 7: 2**40}}),
        Holdings(ME, 4, -1, {}, {}),
        Act(ME, 5, [S], {S: [1, 2]}, {OTHER: 3}, {OTHER: [0]}),
        Act(ME, 5, [], {}, {}, {}),
    ],
    ids=lambda message: type(message).__name__,
)
def test_a_message_comes_back_as_it_was(message: Message) -> None:
    assert decode(encode(message)) == message


@pytest.mark.parametrize(
    "text",
    [
        None,
        b"",
        b"1",
        b"2" + encode(Beat(ME, 1))[1:],
        b"1{}",
        b"1[]",
        b"1null",
        b'1["beat"]',
        b'1["wave","a","b",1]',
        b'1["beat","a","b",1,2]',
        b'1["act","a","b",1,[],[],[]]',
        b'1["act","a","b",1,[],[["x"]],[],[]]',
        b'1[["beat"],"a","b",1]',
        encode(Beat(ME, 1))[:-1],
        b"\xff\xfe",
    ],
)
def test_what_is_not_known_is_passed_over(text: bytes | None) -> None:
    assert decode(text) is None
