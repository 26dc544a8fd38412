"""Transactions whose library hangs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from confluent_kafka import KafkaError, KafkaException

from penstock.core.contracts.transport import FencedError
from penstock.core.errors import NotReadyError
from penstock.transports.kafka import transactor
from penstock.transports.kafka.group import Group
from penstock.transports.kafka.progress import Progress
from penstock.transports.kafka.source import Source
from penstock.transports.kafka.standing import Standing
from penstock.transports.kafka.transactor import Transactor

SOON_S = 0.05
EVER_S = 1_000.0


class HangingProducer:
    """One that waits for offsets to be taken until it is let go."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.answered = threading.Event()
        self.committed: list[tuple[str, int, int]] = []
        self.refusal: KafkaError | None = None

    def begin_transaction(self) -> None: ...

    def flush(self) -> None: ...

    def send_offsets_to_transaction(self, positions: Any, metadata: Any) -> None:
        self.asked.set()
        assert self.answered.wait(30.0)
        if self.refusal is not None:
            raise KafkaException(self.refusal)
        self.committed += [(each.topic, each.partition, each.offset) for each in positions]

    def commit_transaction(self) -> None: ...


@pytest.fixture
def producer(monkeypatch: pytest.MonkeyPatch) -> Iterator[HangingProducer]:
    made = HangingProducer()
    monkeypatch.setattr(transactor, "taken", lambda config, topic, now_s, begins: made)
    monkeypatch.setattr(transactor, "OFFSETS_S", SOON_S)
    monkeypatch.setattr(transactor, "STAGE_S", EVER_S)
    yield made
    made.answered.set()


async def begun(*, heard: bool) -> Transactor:
    standing = Standing(asyncio.get_running_loop().time)
    if heard:
        standing.prove(float("inf"))
    made = Transactor({}, "members", standing)
    await made.begin()
    return made


class AGroup:
    """All that a transaction asks of one."""

    metadata = None


def finish_one(made: Transactor) -> asyncio.Future[Any]:
    inlet = SimpleNamespace(where=("s", 0))
    source = Source(cast("Any", inlet), Progress(), cast("Any", None), cast("Any", None))
    return made.carry_out([], cast("Group", AGroup()), [(source, 0)])


async def test_offsets_that_are_not_taken_while_kafka_is_heard_are_given_up(
    producer: HangingProducer,
) -> None:
    made = await begun(heard=True)
    with pytest.raises(FencedError, match="has not answered"):
        await asyncio.wait_for(finish_one(made), 30.0)
    assert made.is_over
    with pytest.raises(FencedError):
        await finish_one(made)
    await made.close()


async def test_while_kafka_is_away_they_are_waited_for(producer: HangingProducer) -> None:
    made = await begun(heard=False)
    done = finish_one(made)
    await asyncio.to_thread(producer.asked.wait, 30.0)
    await asyncio.sleep(4 * SOON_S)
    assert not done.done()
    producer.answered.set()
    await asyncio.wait_for(done, 30.0)
    assert not made.is_over
    await made.close()


async def test_none_begins_while_somebody_writes_between_them(producer: HangingProducer) -> None:
    producer.answered.set()
    made = await begun(heard=True)
    async with made.between:
        done = finish_one(made)
        await asyncio.sleep(SOON_S)
        assert not producer.asked.is_set()
    await asyncio.wait_for(done, 30.0)
    assert producer.asked.is_set()
    await made.close()


async def test_what_waits_for_its_turn_is_told_of_the_end(producer: HangingProducer) -> None:
    made = await begun(heard=True)
    async with made.between:
        waiting = finish_one(made)
        await asyncio.sleep(SOON_S)
        await made.close()
    with pytest.raises(FencedError):
        await asyncio.wait_for(waiting, 10.0)
    assert not producer.asked.is_set()


async def test_who_hangs_while_it_begins_is_waited_for_no_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    let_go = threading.Event()

    def hanging(config: Any, topic: str, now_s: Any, begins: Any) -> None:
        begins()
        let_go.wait(30.0)
        begins()

    monkeypatch.setattr(transactor, "taken", hanging)
    monkeypatch.setattr(transactor, "STAGE_S", SOON_S)
    monkeypatch.setattr(transactor, "OFFSETS_S", SOON_S)
    with pytest.raises(FencedError, match="has not answered"):
        await asyncio.wait_for(begun(heard=True), 10.0)
    let_go.set()


async def test_what_the_broker_forgot_is_ended_by_a_transaction_about_nothing(
    producer: HangingProducer,
) -> None:
    producer.answered.set()
    made = await begun(heard=True)
    async with made.between:
        settling = asyncio.ensure_future(made.settle(cast("Group", AGroup())))
        await asyncio.sleep(SOON_S)
        assert not producer.asked.is_set(), "another is under way"
    await asyncio.wait_for(settling, 30.0)
    assert producer.committed == [("members", 0, 0)]
    await asyncio.wait_for(finish_one(made), 30.0)
    await made.close()
    with pytest.raises(FencedError):
        await made.settle(cast("Group", AGroup()))


async def test_where_that_cannot_be_done_transactions_begin_anew(producer: HangingProducer) -> None:
    producer.answered.set()
    producer.refusal = KafkaError(KafkaError._TIMED_OUT)
    made = await begun(heard=True)
    with pytest.raises(NotReadyError):
        await made.settle(cast("Group", AGroup()))
    assert made.is_over
    await made.close()
