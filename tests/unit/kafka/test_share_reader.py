"""What a share group hands out, and who is given it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from penstock.core.contracts.transport import Delivery
from penstock.transports.kafka.messages import NOTHING
from penstock.transports.kafka.shared import reader as sharing
from penstock.transports.kafka.shared.reader import KafkaShareReader


class Handing:
    """A thread that hands out what it is given when it is asked, and keeps what is accepted."""

    def __init__(self, config: Any, topic: str, arrived: Any, failed: Any) -> None:
        self._arrived = arrived
        self.batches: list[list[Any]] = []
        self.accepted: list[int] = []

    def ask(self) -> None:
        asyncio.get_running_loop().call_soon(self._arrived, self.batches.pop(0))

    def accept(self, messages: Sequence[Any]) -> None:
        self.accepted += [message.offset for message in messages]


def message(offset: int, key: bytes | None, value: bytes | None) -> Any:
    return SimpleNamespace(
        offset=offset, key=lambda: key, value=lambda: value, delivery_count=lambda: 1
    )


async def test_what_says_nothing_is_done_with(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Handing] = []

    def hand(*given: Any) -> Handing:
        made.append(Handing(*given))
        return made[-1]

    monkeypatch.setattr(sharing, "ShareThread", hand)

    def deliver(read: Any, attempt: int) -> Delivery:
        return cast("Delivery", SimpleNamespace(partition=0, offset=read.offset))

    nobody: Any = None
    reader = KafkaShareReader({}, "t", nobody, nobody, deliver)
    [thread] = made
    nothing = message(0, NOTHING.key, NOTHING.value)
    thread.batches = [[nothing], [message(1, b"k", b"v"), message(2, NOTHING.key, None)]]
    assert [each.offset for each in await reader.take()] == [1]
    assert thread.accepted == [0, 2]
