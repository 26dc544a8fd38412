"""What is known of topics, where the broker that is asked hears late of what was done to them."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from typing import NamedTuple

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicCollection

from harness.virtual_time import in_virtual_time
from penstock.core.clock import VirtualClock
from penstock.core.errors import NotFoundError, NotReadyError
from penstock.transports.kafka import topics as module
from penstock.transports.kafka.topics import Topics


class Described(NamedTuple):
    topic_id: str
    partitions: Sequence[object]


class LateBroker:
    """Tells of a topic that was deleted as if it were there, to so many questions after that; then
    of what was made under its name meanwhile, if anything was."""

    def __init__(self, late: int, *, made_again: bool = False) -> None:
        self.late = late
        self.made_again = made_again
        self.deleted = False
        self.questions_since = 0

    def describe_topics(self, asked: TopicCollection, **_: object) -> dict[str, Future[Described]]:
        return {name: self._told() for name in asked.topic_names}

    def delete_topics(self, names: Sequence[str], **_: object) -> dict[str, Future[None]]:
        self.deleted = True
        answer: Future[None] = Future()
        answer.set_result(None)
        return dict.fromkeys(names, answer)

    def _told(self) -> Future[Described]:
        answer: Future[Described] = Future()
        self.questions_since += self.deleted
        if self.questions_since <= self.late:
            answer.set_result(Described("before", [object()]))
        elif self.made_again:
            answer.set_result(Described("again", [object(), object()]))
        else:
            answer.set_exception(KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)))
        return answer


def topics_of(broker: LateBroker, monkeypatch: pytest.MonkeyPatch) -> Topics:
    monkeypatch.setattr(module, "AdminClient", lambda _: broker)
    return Topics({}, lambda **_: {}, None)


@pytest.mark.parametrize("known", [True, False])
def test_a_deleted_topic_is_gone_for_the_broker_that_is_asked(
    monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    async def scenario(_: VirtualClock) -> None:
        topics = topics_of(LateBroker(late=3), monkeypatch)
        if known:
            assert await topics.find("t") == 1
        await topics.delete(["t"])
        with pytest.raises(NotFoundError):
            await topics.find("t")

    in_virtual_time(scenario)


def test_one_that_is_made_again_at_once_is_another(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(_: VirtualClock) -> None:
        topics = topics_of(LateBroker(late=3, made_again=True), monkeypatch)
        await topics.delete(["t"])
        assert await topics.find("t") == 2

    in_virtual_time(scenario)


def test_it_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(_: VirtualClock) -> None:
        topics = topics_of(LateBroker(late=10_000), monkeypatch)
        with pytest.raises(NotReadyError, match="'t' was deleted, and a broker has it after 20 s"):
            await topics.delete(["t"])

    in_virtual_time(scenario)
