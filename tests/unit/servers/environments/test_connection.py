"""Messages of a worker, put together from whatever pieces they come in. No socket."""

from __future__ import annotations

import asyncio
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from penstock.servers.environments.connection import WorkerConnection
from penstock.servers.environments.wire import message


class FakeTransport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""

    def writelines(self, parts: Any) -> None:
        self.written += b"".join(parts)

    def abort(self) -> None:
        pass


def feed(connection: WorkerConnection, data: bytes, most: int) -> None:
    """Give the connection ``data`` as a socket would, at most so many bytes at a time."""
    while data:
        buffer = connection.get_buffer(-1)
        assert len(buffer) > 0
        count = min(most, len(buffer), len(data))
        buffer[:count] = data[:count]
        data = data[count:]
        connection.buffer_updated(count)


def connected() -> tuple[WorkerConnection, FakeTransport]:
    connection, transport = WorkerConnection(), FakeTransport()
    connection.connection_made(transport)
    return connection, transport


sizes = st.lists(
    st.tuples(
        st.integers(0, 40) | st.integers(60_000, 140_000),
        st.integers(0, 40) | st.integers(60_000, 140_000),
    ),
    min_size=1,
    max_size=6,
)


@settings(deadline=None, max_examples=50)
@given(sizes=sizes, most=st.sampled_from((13, 1000, 65_536, 1 << 20)))
def test_every_message_comes_whole_and_in_order(sizes: list[tuple[int, int]], most: int) -> None:
    async def main() -> None:
        connection, _ = connected()
        sent: list[tuple[str, bytes]] = []
        came: list[tuple[str, bytes]] = []
        stream = b"".join(message({"format": 1}))
        for text, contents in sizes:
            sent.append(("t" * text, bytes(number % 251 for number in range(contents))))
            number = connection.ask(
                {}, (), lambda header, contents: came.append((header["text"], bytes(contents)))
            )
            stream += b"".join(message({"id": number, "text": sent[-1][0]}, [sent[-1][1]]))
        feed(connection, stream, most)
        assert connection.hello == {"format": 1}
        assert came == sent

    asyncio.run(main())


async def test_who_waits_is_told_when_the_worker_is_gone() -> None:
    connection, transport = connected()
    assert not await connection.greeted(0.0)
    asking = asyncio.create_task(connection.answer_to({"do": "load"}))
    await asyncio.sleep(0)
    assert b'"do":"load"' in transport.written
    connection.connection_lost(None)
    assert await asking is None
    assert not connection.is_open
    assert await connection.answer_to({"do": "load"}) is None
    assert not await connection.greeted(10.0)


async def test_an_answer_for_somebody_who_has_left_is_dropped() -> None:
    connection, _ = connected()
    asking = asyncio.create_task(connection.answer_to({"do": "load"}))
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    feed(connection, b"".join(message({"id": 1})), 100)
