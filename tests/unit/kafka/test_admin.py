"""Questions to a broker: so many at once, and by which client."""

from __future__ import annotations

import asyncio
import gc
import weakref
from concurrent.futures import Future
from typing import cast

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from penstock.transports.kafka.admin import Admin

SETTLES = 20
"""Turns of the loop after which nothing more happens by itself."""


class Client:
    """Answers when it is told to, and never once it is gone."""

    def __init__(self) -> None:
        self.asked: dict[str, Future[int]] = {}

    def ask(self, name: str) -> dict[str, Future[int]]:
        self.asked[name] = Future()
        return {name: self.asked[name]}

    def refuse(self, name: str, code: int) -> None:
        self.asked[name].set_exception(KafkaException(KafkaError(code)))


class Asker:
    """Asks by clients that are noted."""

    def __init__(self) -> None:
        self.clients: list[weakref.ref[Client]] = []
        self._admin = Admin(self._made)

    def _made(self) -> AdminClient:
        client = Client()
        self.clients.append(weakref.ref(client))
        return cast("AdminClient", client)

    def client(self, number: int) -> Client:
        client = self.clients[number]()
        assert client is not None, "somebody waits for it"
        return client

    def begin(self, name: str) -> asyncio.Task[dict[str, int | KafkaError]]:
        return asyncio.create_task(
            self._admin.ask(lambda client: cast("Client", client).ask(name)), name=name
        )


async def settle() -> None:
    for _ in range(SETTLES):
        await asyncio.sleep(0)


async def test_each_part_is_answered_or_refused() -> None:
    asker = Asker()
    well, badly = asker.begin("well"), asker.begin("badly")
    await settle()
    asker.client(0).asked["well"].set_result(1)
    asker.client(0).refuse("badly", KafkaError.UNKNOWN_TOPIC_OR_PART)
    assert await well == {"well": 1}
    refusal = (await badly)["badly"]
    assert isinstance(refusal, KafkaError)
    assert refusal.code() == KafkaError.UNKNOWN_TOPIC_OR_PART
    assert len(asker.clients) == 1, "a broker said so"


async def test_who_waits_for_a_client_that_is_replaced_has_its_answer() -> None:
    asker = Asker()
    late, lost = asker.begin("late"), asker.begin("lost")
    await settle()
    asker.client(0).refuse("lost", KafkaError._TIMED_OUT)
    await lost

    after = asker.begin("after")
    await settle()
    asker.client(1).asked["after"].set_result(2)
    assert await after == {"after": 2}, "others are asked by another client"

    gc.collect()
    asker.client(0).asked["late"].set_result(1)
    assert await late == {"late": 1}


async def test_a_client_that_is_replaced_goes_with_the_last_who_waits_for_it() -> None:
    asker = Asker()
    lost, late, gone = (asker.begin(name) for name in ("lost", "late", "gone"))
    await settle()
    for task, name in ((lost, "lost"), (late, "late")):
        asker.client(0).refuse(name, KafkaError._TRANSPORT)
        await task
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    async with asyncio.timeout(10.0):
        while asker.clients[0]() is not None:  # noqa: ASYNC110 - a thread lets it go
            await asyncio.sleep(0.001)
    assert len(asker.clients) == 2, "it was replaced once"


async def test_no_more_than_so_many_questions_are_under_way() -> None:
    asker = Asker()
    tasks = [asker.begin(str(number)) for number in range(100)]
    most = 0
    while not all(task.done() for task in tasks):
        await settle()
        waiting = {name: asked for name, asked in asker.client(0).asked.items() if not asked.done()}
        most = max(most, len(waiting))
        for asked in waiting.values():
            asked.set_result(0)
    assert most == 16
    assert len(asker.client(0).asked) == 100
