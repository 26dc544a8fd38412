"""Bodies, however they come in pieces."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.transports.embedded.bodies import BodyReader
from penstock.transports.embedded.chunks import LAST_CHUNK, ChunkError, chunk


def read(reader: BodyReader, data: bytes, cuts: list[int]) -> tuple[bytes, bool, bytes]:
    """What comes of ``data`` that is cut at these places."""
    body, complete, behind = b"", False, b""
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    for start, end in pairwise(places):
        if complete:
            behind += data[start:end]
            continue
        pieces, complete, behind = reader.feed(data[start:end])
        body += b"".join(pieces)
    return body, complete, behind


pieces = st.lists(st.binary(min_size=1, max_size=40), max_size=5)
cuts = st.lists(st.integers(0, 500), max_size=6)


@given(pieces, cuts, st.binary(max_size=5))
def test_chunks_are_read_wherever_they_are_cut(
    pieces: list[bytes], cuts: list[int], behind: bytes
) -> None:
    data = b"".join(map(chunk, pieces)) + LAST_CHUNK + behind
    assert read(BodyReader(None), data, cuts) == (b"".join(pieces), True, behind)


@given(st.binary(max_size=60), cuts, st.binary(max_size=5))
def test_a_length_is_read_wherever_it_is_cut(body: bytes, cuts: list[int], behind: bytes) -> None:
    assert read(BodyReader(len(body)), body + behind, cuts) == (body, True, behind)


def test_extensions_and_trailers_are_left_out() -> None:
    data = b"3 ;a=b\r\nabc\r\n0\r\nx-trailer: 1\r\ny: 2\r\n\r\n"
    assert read(BodyReader(None), data, []) == (b"abc", True, b"")


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n",
        b"x\r\n",
        b"-1\r\n",
        b"+1\r\n",
        b"1_0\r\n",
        b"0x1\r\n",
        b"3\nabc",
        b"3\r\nabcd\r\n",
        b"3\r\nabc\n",
        b"f" * 17 + b"\r\n",
        b"1;" + b"x" * 5_000,
    ],
)
def test_what_are_no_chunks_is_refused(data: bytes) -> None:
    with pytest.raises(ChunkError):
        read(BodyReader(None), data, [])
