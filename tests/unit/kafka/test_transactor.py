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
from penstock.transports.kafka.messages import NOTHING, KafkaMessage
from penstock.transports.kafka.outgoing import Outgoing
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
        self.written: list[tuple[str, int, bytes | None]] = []
        self.refusal: KafkaError | None = None
        self.refusals: list[KafkaError] = []
        """Of commits, one each."""
        self.aborted = 0

    def begin_transaction(self) -> None: ...

    def produce(
        self, topic: str, value: Any, key: bytes | None, partition: int, *heard: Any, **more: Any
    ) -> None:
        self.written.append((topic, partition, key))

    def flush(self) -> None: ...

    def send_offsets_to_transaction(self, positions: Any, metadata: Any) -> None:
        self.asked.set()
        assert self.answered.wait(30.0)
        if self.refusal is not None:
            raise KafkaException(self.refusal)
        self.committed += [(each.topic, each.partition, each.offset) for each in positions]

    def commit_transaction(self) -> None:
        if self.refusals:
            raise KafkaException(self.refusals.pop())

    def abort_transaction(self) -> None:
        self.aborted += 1


@pytest.fixture
def producer(monkeypatch: pytest.MonkeyPatch) -> Iterator[HangingProducer]:
    made = HangingProducer()
    monkeypatch.setattr(transactor, "taken", lambda config, topic, now_s, begins: made)
    monkeypatch.setattr(transactor, "OFFSETS_S", SOON_S)
    monkeypatch.setattr(transactor, "STAGE_S", EVER_S)
    yield made
    made.answered.set()


async def begun(*, heard: bool, standing: Standing | None = None) -> Transactor:
    if standing is None:
        standing = Standing(asyncio.get_running_loop().time)
    if heard:
        standing.prove(float("inf"))
    made = Transactor({}, "members", standing)
    await made.begin()
    return made


class AGroup:
    """All that a transaction asks of one."""

    metadata = None


def finish_one(made: Transactor, *written: int) -> asyncio.Future[Any]:
    inlet = SimpleNamespace(where=("s", 0))
    source = Source(cast("Any", inlet), Progress(), cast("Any", None), cast("Any", None))
    messages = [Outgoing("t", number, KafkaMessage(b"k", b"v", []), 2) for number in written]
    return made.carry_out(messages, cast("Group", AGroup()), [(source, 0)])


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


async def test_the_last_two_are_in_doubt(producer: HangingProducer) -> None:
    producer.answered.set()
    made = await begun(heard=True)
    assert made.in_doubt == set()
    doubts = []
    for number in (1, 2, 3):
        await asyncio.wait_for(finish_one(made, number), 30.0)
        doubts.append({partition for _, partition in made.in_doubt})
    assert doubts == [{1}, {1, 2}, {2, 3}]
    await made.close()


async def test_all_are_since_kafka_was_away(producer: HangingProducer) -> None:
    now_s = 0.0
    standing = Standing(lambda: now_s)
    producer.answered.set()
    standing.prove(1.0)
    made = await begun(heard=False, standing=standing)

    async def write(number: int) -> set[int]:
        await asyncio.wait_for(finish_one(made, number), 30.0)
        return {partition for _, partition in made.in_doubt}

    assert await write(1) == {1}
    now_s = 5.0
    standing.prove(100.0)
    assert [await write(number) for number in (2, 3, 4)] == [{1, 2}, {1, 2, 3}, {1, 2, 3, 4}]

    made.trust(made.in_doubt_since_s)
    now_s = 200.0
    standing.prove(300.0)
    assert await write(5) == {1, 2, 3, 4, 5}, "it was away again before anything was written"

    made.trust(made.in_doubt_since_s)
    assert await write(6) == {5, 6}
    later = await begun(heard=False, standing=standing)
    later.inherit(made)
    assert later.in_doubt == made.in_doubt
    await made.close()
    await later.close()


async def test_what_was_written_is_ended_by_a_message_that_says_nothing(
    producer: HangingProducer,
) -> None:
    made = await begun(heard=True)
    await made.end_in([("t", 3), ("u", 0)])
    assert producer.written == [("t", 3, NOTHING.key), ("u", 0, NOTHING.key)]
    assert producer.committed == []
    await made.close()


async def test_all_are_while_kafka_is_not_heard(producer: HangingProducer) -> None:
    now_s = 0.0
    standing = Standing(lambda: now_s)
    producer.answered.set()
    standing.prove(1.0)
    made = await begun(heard=False, standing=standing)
    for number in (1, 2, 3):
        await asyncio.wait_for(finish_one(made, number), 30.0)
        now_s += 2.0  # it was killed after the first one, and is back before it is heard
    assert {partition for _, partition in made.in_doubt} == {1, 2, 3}
    await made.close()


async def test_what_is_tried_again_counts_once(
    producer: HangingProducer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transactor, "_AGAIN_S", 0.0)
    producer.answered.set()
    made = await begun(heard=True)
    await asyncio.wait_for(finish_one(made, 1), 30.0)
    producer.refusals = [KafkaError(KafkaError._TIMED_OUT)] * 2
    await asyncio.wait_for(finish_one(made, 2), 30.0)
    assert producer.aborted == 2
    assert {partition for _, partition in made.in_doubt} == {1, 2}
    await made.close()
