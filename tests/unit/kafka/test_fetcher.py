"""What the thread that reads makes of what the library brings."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError

from penstock.transports.kafka import fetcher as fetching
from penstock.transports.kafka.fetcher import Fetcher
from penstock.transports.kafka.messages import NOTHING

PLACE, BELL = ("t", 3), ("bell", 5)
PATIENCE_S = 10.0


class FakeConsumer:
    """Brings what it is given, once."""

    def __init__(self, config: Any, *, tells: bool) -> None:
        self.brought: list[Any] = []
        self.taken = threading.Event()
        self.assigned: list[Any] = []
        self.began_anew = 0

    def assign(self, starts: Any, *, ask: bool) -> None:
        self.assigned += starts

    def unassign(self, gone: Any) -> None:
        pass

    def poll(self, within_s: float) -> list[Any]:
        brought, self.brought = self.brought, []
        if brought:
            self.taken.set()
        return brought

    def begin_anew(self) -> None:
        self.began_anew += 1

    def close(self) -> None:
        pass


def brings(
    where: tuple[str, int],
    offset: int,
    code: int | None = None,
    *,
    key: bytes | None = None,
    value: bytes | None = b"v",
) -> Any:
    """A message, an end, or an error."""
    error = None if code is None else KafkaError(code)
    topic, partition = where
    return SimpleNamespace(
        error=lambda: error,
        topic=lambda: topic,
        partition=lambda: partition,
        offset=lambda: offset,
        key=lambda: key,
        value=lambda: value,
    )


class Rig:
    """A fetcher with a consumer that is fake."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        made: list[FakeConsumer] = []

        def make(config: Any, *, tells: bool) -> FakeConsumer:
            made.append(FakeConsumer(config, tells=tells))
            return made[-1]

        monkeypatch.setattr(fetching, "AssignedConsumer", make)
        monkeypatch.setattr(fetching, "_POLL_S", 0.0)
        self.missing: list[str] = []
        self.fetcher = Fetcher({}, self.missing.append, lambda: None)
        [self.consumer] = made

    async def bring(self, *messages: Any) -> None:
        """Have them read, and taken in."""
        self.consumer.taken.clear()
        self.consumer.brought = list(messages)
        await asyncio.to_thread(self.consumer.taken.wait)
        await self.fetcher.catch_up()


def run(monkeypatch: pytest.MonkeyPatch, main: Callable[[Rig], Coroutine[Any, Any, None]]) -> None:
    async def whole() -> None:
        rig = Rig(monkeypatch)
        try:
            await asyncio.wait_for(main(rig), PATIENCE_S)
        finally:
            await rig.fetcher.close()

    asyncio.run(whole())


@pytest.mark.parametrize(
    ("code", "read"),
    [
        (None, True),
        (KafkaError._PARTITION_EOF, True),
        (KafkaError.UNKNOWN_TOPIC_OR_PART, False),
        (KafkaError.NOT_LEADER_FOR_PARTITION, False),
        (KafkaError._TRANSPORT, False),
    ],
)
def test_a_partition_that_the_broker_refuses_is_not_read_yet(
    monkeypatch: pytest.MonkeyPatch, code: int | None, read: bool
) -> None:
    async def main(rig: Rig) -> None:
        inlets = await rig.fetcher.open({PLACE: 0})
        await rig.bring(brings(PLACE, 0, code))
        assert inlets[PLACE].heard is read
        assert inlets[PLACE].error is None
        assert rig.missing == ["t"] * (code == KafkaError.UNKNOWN_TOPIC_OR_PART)

    run(monkeypatch, main)


def test_what_is_heard_is_told_and_read_by_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(rig: Rig) -> None:
        heard: list[int] = []
        rig.fetcher.hear(BELL, heard.append)
        await rig.bring(brings(BELL, 7), brings(BELL, 8), brings(("bell", 6), 9))
        await rig.bring(brings(BELL, 9, KafkaError._PARTITION_EOF))
        assert rig.consumer.assigned == [BELL]
        assert heard == [7, 8]
        assert not rig.fetcher.reads(BELL)

    run(monkeypatch, main)


def test_a_consumer_that_is_lost_is_replaced_by_the_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main(rig: Rig) -> None:
        rig.fetcher.begin_anew()
        await rig.fetcher.catch_up()
        assert rig.consumer.began_anew == 1

    run(monkeypatch, main)


def test_what_says_nothing_is_given_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(rig: Rig) -> None:
        inlets = await rig.fetcher.open({PLACE: 0})
        inlet = inlets[PLACE]
        await rig.bring(brings(PLACE, 0, key=NOTHING.key, value=NOTHING.value))
        assert inlet.heard
        assert not inlet.messages
        await rig.bring(
            brings(PLACE, 1, key=NOTHING.key, value=b"v"), brings(PLACE, 2, key=b"k", value=None)
        )
        await rig.bring(brings(PLACE, 3, key=NOTHING.key, value=NOTHING.value))
        await rig.bring(brings(PLACE, 4, KafkaError._PARTITION_EOF))
        assert [each.offset() for each in inlet.messages] == [1, 2]
        assert inlet.reached == 4

    run(monkeypatch, main)
