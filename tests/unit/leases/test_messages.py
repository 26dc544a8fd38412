"""What members write comes back as it was, and what is strange is skipped."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

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

names = st.text(st.characters(codec="utf-8"), max_size=8)
numbers = st.integers(0, 2**40)
subjects = st.tuples(names, names)
members = st.builds(MemberId, names, names)
counts = st.dictionaries(subjects, numbers, max_size=3)
lists = st.dictionaries(subjects, st.lists(numbers, max_size=3), max_size=3)
owns = st.dictionaries(subjects, st.dictionaries(numbers, numbers, max_size=3), max_size=3)
messages = st.one_of(
    *(st.builds(kind, members, numbers) for kind in (Beat, Ask, Bye)),
    st.builds(Hello, members, numbers, st.booleans()),
    st.builds(Holdings, members, numbers, numbers, counts, owns),
    st.builds(Act, members, numbers, st.lists(subjects, max_size=3), lists, counts, lists),
)


@given(messages)
def test_a_message_comes_back_as_it_was(message: Message) -> None:
    assert decode(encode(message)) == message


@pytest.mark.parametrize(
    "text",
    [None, b"", b"t", b"1", b"1{", b"1[]", b"1null", b'2["beat","p","x",1]', b'1["new","p","x",1]'],
)
def test_what_is_not_known_is_skipped(text: bytes | None) -> None:
    assert decode(text) is None


@given(st.binary(max_size=40))
def test_no_bytes_are_too_strange(text: bytes) -> None:
    decode(text)
    decode(b"1" + text)


def test_a_beat_is_small() -> None:
    assert len(encode(Beat(MemberId("worker-1.example", "0123456789abcdef"), 10**6))) < 64
