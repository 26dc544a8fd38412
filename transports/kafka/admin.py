"""Questions to the broker about topics and groups, and changes of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Final, TypeVar

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from penstock.transports.kafka.refusals import is_own

K = TypeVar("K")
V = TypeVar("V")

_AT_ONCE: Final = 16
"""How many are under way. A broker answers them one after the other, and the library counts the
time of each from when it is asked: of a thousand at once the last would be given up."""


class _Client:
    """One of the library's, and how many wait for its answers."""

    __slots__ = ("admin", "asking")

    def __init__(self, admin: AdminClient) -> None:
        self.admin = admin
        self.asking = 0


class Admin:
    """Asks so many questions at once, by a client that has brokers. On the event loop.

    A client that answers by itself may have lost all brokers (see :class:`Ties`), so others are
    asked by another one. It lives as long as somebody waits for it: the answers of one that ends
    never come.

    ``make`` makes a client.
    """

    def __init__(self, make: Callable[[], AdminClient]) -> None:
        self._make = make
        self._client = _Client(make())
        self._room = asyncio.Semaphore(_AT_ONCE)

    async def ask(
        self, question: Callable[[AdminClient], Mapping[K, Future[V]]]
    ) -> dict[K, V | KafkaError]:
        """The answer to each part of a question, or what Kafka says instead."""
        async with self._room:
            client = self._client
            client.asking += 1
            try:
                parts = question(client.admin)
                answers: dict[K, V | KafkaError] = {}
                for part, future in parts.items():
                    answer = await _answer(future)
                    answers[part] = answer
                if any(isinstance(each, KafkaError) and is_own(each) for each in answers.values()):
                    self._replace(client)
                return answers
            finally:
                client.asking -= 1
                self._let_go(client)

    def _replace(self, client: _Client) -> None:
        if client is self._client:
            self._client = _Client(self._make())

    def _let_go(self, client: _Client) -> None:
        if client is not self._client and not client.asking:
            lost = [client.admin]
            del client.admin
            # Its end waits for threads of the library, for which the loop has no time.
            asyncio.get_running_loop().run_in_executor(None, lost.clear)


async def _answer(asked: Future[V]) -> V | KafkaError:
    try:
        return await asyncio.wrap_future(asked)
    except KafkaException as error:
        refusal: KafkaError = error.args[0]
        return refusal
