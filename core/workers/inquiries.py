"""What people ask about requests, asked of every worker and put together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final, TypeVar

from penstock.core.client.control import ControlClient
from penstock.core.contracts.inquiries import (
    FROM_NOW_ON,
    Begin,
    Document,
    Inquiries,
    Search,
    Tapped,
)
from penstock.core.errors import LostError, NotFoundError, NotReadyError
from penstock.core.identity import worker_of
from penstock.core.journal import InquiryDesk

T = TypeVar("T")

AWAY: Final = (NotReadyError, LostError)
"""What a worker that has ended and is being started again answers with."""

AGAIN_S: Final = 0.5
"""How long a tap waits before it goes to a worker again that was away."""

_log = logging.getLogger(__name__)


class WorkerInquiries(Inquiries):
    """One other worker, asked over ``client``."""

    def __init__(self, client: ControlClient) -> None:
        self._client = client

    async def inspect(self, identity: str) -> Document:
        return await self._client.inspect(identity)

    async def export(self, identity: str) -> bytes:
        return await self._client.export(identity)

    async def find(self, search: Search) -> Sequence[Document]:
        return await self._client.list_requests(search)

    async def tap(
        self,
        port: str,
        *,
        everything: bool,
        state: str | None,
        most: int,
        begin: Begin = FROM_NOW_ON,
    ) -> AsyncGenerator[Tapped]:
        told = self._client.tap(port, everything=everything, state=state, most=most, begin=begin)
        return self._tapped(told)

    async def _tapped(self, told: AsyncIterator[Document | int | None]) -> AsyncGenerator[Tapped]:
        async for news in told:
            if news is None:
                yield Tapped("open", {})
            elif isinstance(news, int):
                yield Tapped("lost", {"lost": news})
            else:
                yield Tapped("record", news)

    async def letters(self, *, pipeline: str | None = None, most: int = 20) -> Sequence[Document]:
        return await self._client.list_letters(pipeline=pipeline, most=most)

    async def letter(self, number: int) -> Document:
        return await self._client.letter(number)

    async def send_again(self, number: int) -> str:
        return await self._client.send_again(number)


class MergedInquiries(Inquiries):
    """All workers by number, one of which is this process, ``own``.

    What one worker has, its number in the identity or its dead letter says; of what all have, the
    latest comes first. Workers that are away are left out, for what they had is gone.
    Where requests are ``owned`` by others than took them in, identities say nothing of that.
    """

    def __init__(self, workers: Mapping[int, Inquiries], own: int, *, owned: bool = False) -> None:
        self._workers = workers
        self._own = own
        self._owned = owned

    async def inspect(self, identity: str) -> Document:
        has_it = self._who_has(identity)
        return await (self._meant(identity) if has_it is None else has_it.inspect(identity))

    async def _meant(self, request_id: str) -> Document:
        """The latest request with that ``x-request-id``."""
        found, why = await self._ask_all(lambda worker: worker.inspect(request_id))
        if not found:
            raise why or NotReadyError("no worker answers at the moment; ask again later")
        latest, *others = sorted(found, key=_identity, reverse=True)
        same = [
            *latest["same_x_request_id"],
            *(name for each in others for name in (each["id"], *each["same_x_request_id"])),
        ]
        return {**latest, "same_x_request_id": sorted(same, reverse=True)}

    async def export(self, identity: str) -> bytes:
        has_it = self._who_has(identity)
        if has_it is None:
            identity = (await self._meant(identity))["id"]
            has_it = self._who_has(identity)
        if has_it is not None:
            return await has_it.export(identity)
        found, why = await self._ask_all(lambda worker: worker.export(identity))
        if not found:
            raise why or NotReadyError("no worker answers at the moment; ask again later")
        return found[0]

    def _who_has(self, identity: str) -> Inquiries | None:
        """None where it is no identity that a worker gave."""
        number = None if self._owned else worker_of(identity)
        return None if number is None else self._workers.get(number)

    async def find(self, search: Search) -> Sequence[Document]:
        found = await self._all_of(lambda worker: worker.find(search))
        # As their identities sort, so do the moments in which they came in.
        found = sorted(found, key=lambda each: (each["opened"], each["id"]), reverse=True)
        return found[: search.most]

    async def letters(self, *, pipeline: str | None = None, most: int = 20) -> Sequence[Document]:
        found = await self._all_of(lambda worker: worker.letters(pipeline=pipeline, most=most))
        return sorted(found, key=lambda each: (each["at"], each["number"]), reverse=True)[:most]

    async def letter(self, number: int) -> Document:
        return await self._keeper(number).letter(number)

    async def send_again(self, number: int) -> str:
        return await self._keeper(number).send_again(number)

    def _keeper(self, letter: int) -> Inquiries:
        """Who keeps the dead letter of that number (see :class:`WorkerNumber`)."""
        return self._workers[letter % len(self._workers) or len(self._workers)]

    async def tap(
        self,
        port: str,
        *,
        everything: bool,
        state: str | None,
        most: int,
        begin: Begin = FROM_NOW_ON,
    ) -> AsyncGenerator[Tapped]:
        def follow(worker: Inquiries) -> Awaitable[AsyncGenerator[Tapped]]:
            return worker.tap(port, everything=everything, state=state, most=0, begin=begin)

        # Raises what is wrong with the question, before anybody else is asked.
        own = await follow(self._workers[self._own])
        others = [each for number, each in self._workers.items() if number != self._own]
        return _Taps(own, others, follow).merged(most)

    async def _all_of(
        self, ask: Callable[[Inquiries], Awaitable[Sequence[Document]]]
    ) -> list[Document]:
        answers, _ = await self._ask_all(ask)
        return [each for answer in answers for each in answer]

    async def _ask_all(
        self, ask: Callable[[Inquiries], Awaitable[T]]
    ) -> tuple[list[T], NotFoundError | None]:
        """The answers of those that have one, and why one has none."""
        answers: list[T] = []
        why: NotFoundError | None = None

        async def one(worker: Inquiries) -> None:
            nonlocal why
            try:
                answers.append(await ask(worker))
            except NotFoundError as error:
                why = error
            except AWAY as error:
                _log.info("a worker is away: %s", error.message)

        asked = [asyncio.ensure_future(one(worker)) for worker in self._workers.values()]
        try:
            await asyncio.gather(*asked)
        finally:
            for each in asked:
                each.cancel()
        return answers, why


class InquiriesOverStreams(Inquiries):
    """What ``streams`` have, whichever process worked on it; and of ``workers`` what each has for
    itself, as the calls of models, and the requests of pipelines that are steps."""

    def __init__(self, streams: Inquiries, workers: Inquiries, desk: InquiryDesk) -> None:
        self._streams = streams
        self._workers = workers
        self._desk = desk

    async def inspect(self, identity: str) -> Document:
        try:
            return await self._streams.inspect(identity)
        except NotFoundError as error:
            return await _or_else(self._workers.inspect(identity), error)

    async def export(self, identity: str) -> bytes:
        try:
            return await self._streams.export(identity)
        except NotFoundError as error:
            return await _or_else(self._workers.export(identity), error)

    async def find(self, search: Search) -> Sequence[Document]:
        return await self._streams.find(search)

    async def tap(
        self,
        port: str,
        *,
        everything: bool,
        state: str | None,
        most: int,
        begin: Begin = FROM_NOW_ON,
    ) -> AsyncGenerator[Tapped]:
        of_model = self._desk.wanted(port, everything=everything, state=state).kind == "model"
        asked = self._workers if of_model else self._streams
        return await asked.tap(port, everything=everything, state=state, most=most, begin=begin)

    async def letters(self, *, pipeline: str | None = None, most: int = 20) -> Sequence[Document]:
        return await self._streams.letters(pipeline=pipeline, most=most)

    async def letter(self, number: int) -> Document:
        return await self._streams.letter(number)

    async def send_again(self, number: int) -> str:
        return await self._streams.send_again(number)


async def _or_else(answer: Awaitable[T], error: NotFoundError) -> T:
    """The answer, or where there is none the error of who was asked first, who knows more."""
    try:
        return await answer
    except NotFoundError:
        raise error from None


class _Taps:
    """The taps of all workers as one."""

    def __init__(
        self,
        own: AsyncGenerator[Tapped],
        others: Sequence[Inquiries],
        follow: Callable[[Inquiries], Awaitable[AsyncGenerator[Tapped]]],
    ) -> None:
        self._own = own
        self._others = others
        self._follow = follow
        # A reader that is slow keeps the workers waiting, each of which loses records within its
        # own bounds then, and says so.
        self._news: asyncio.Queue[Tapped] = asyncio.Queue(1)

    async def merged(self, most: int) -> AsyncGenerator[Tapped]:
        """First ``open``, when all workers that are up follow."""
        opened = await anext(self._own)
        followed = [asyncio.Event() for _ in self._others]
        tasks = [asyncio.ensure_future(self._take(self._own))]
        tasks += [
            asyncio.ensure_future(self._take_again(worker, event))
            for worker, event in zip(self._others, followed, strict=True)
        ]
        try:
            for event in followed:
                await event.wait()
            yield opened
            told = 0
            while not most or told < most:
                news = await self._next(tasks[0])
                told += news.kind == "record"
                yield news
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await self._own.aclose()

    async def _next(self, own: asyncio.Future[None]) -> Tapped:
        """The next news; raises what the tap of this process has ended with."""
        waiting = asyncio.ensure_future(self._news.get())
        try:
            await asyncio.wait((waiting, own), return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                own.result()
                raise NotReadyError("the server is stopping; follow another one")
            return waiting.result()
        finally:
            waiting.cancel()

    async def _take(self, tapped: AsyncGenerator[Tapped]) -> None:
        async for news in tapped:
            await self._news.put(news)

    async def _take_again(self, worker: Inquiries, followed: asyncio.Event) -> None:
        """Follow another worker, also after it has been started again."""
        while True:
            with suppress(*AWAY, NotFoundError):
                async for news in await self._follow(worker):
                    if news.kind != "open":
                        await self._news.put(news)
                    followed.set()
            followed.set()
            await asyncio.sleep(AGAIN_S)


def _identity(document: Document) -> str:
    identity: str = document["id"]
    return identity
