"""Ends a server in peace: new calls are refused, long ones end, and the others are waited for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import grpc

T = TypeVar("T")

QUIET_S: Final = 0.01
"""One look at whether calls still come in."""

QUIET_LOOKS: Final = 5
"""So many looks without a call, and all that had reached the server have come up."""

RESTLESS_LOOKS: Final = 100
"""Callers who go on and on are waited for no longer than this."""


class Closing:
    """The end of a server: what is under way, and from when on nothing new is taken in."""

    def __init__(self) -> None:
        self.begun = False
        self._beginning = asyncio.Event()
        self._under_way = 0
        self._idle = asyncio.Event()
        self._refused = 0
        self._may_refuse = asyncio.Event()
        self._may_refuse.set()

    def begin(self) -> None:
        """Take in nothing new and end every iteration of :meth:`until`. May be repeated."""
        self.begun = True
        self._beginning.set()

    # Calls

    def enter(self) -> None:
        """A call is under way. Hot."""
        self._under_way += 1

    def leave(self) -> None:
        """A call has ended, but for the sending of what it answered. Hot."""
        self._under_way -= 1
        if self.begun and not self._under_way:
            self._idle.set()

    @contextmanager
    def call(self) -> Iterator[None]:
        """:meth:`enter` and :meth:`leave` around a call."""
        self.enter()
        try:
            yield
        finally:
            self.leave()

    async def refusal(self) -> None:
        """A call came after the beginning; return when it may be refused, or be answered where that
        is done to the end."""
        self._refused += 1
        await self._may_refuse.wait()

    async def drained(self) -> None:
        """Return when nothing is under way and no new calls come in; only after :meth:`begin`."""
        while self._under_way:
            self._idle.clear()
            await self._idle.wait()
        await self.quiet()

    async def quiet(self) -> None:
        """Return when no new calls come in, whatever is under way; only after :meth:`begin`.

        grpcio hands calls out one by one, and those that wait in it when it is stopped end as
        CANCELLED, which no client tries again. So it is stopped when it has none left. For that
        those that came last are kept back, or their callers would come again at once, until
        :meth:`release`.
        """
        self._may_refuse.clear()
        quiet = 0
        for _ in range(RESTLESS_LOOKS):
            before = self._refused
            await asyncio.sleep(QUIET_S)
            quiet = quiet + 1 if self._refused == before else 0
            if quiet == QUIET_LOOKS:
                return

    def release(self) -> None:
        """Let the last refusals go. May be repeated."""
        self._may_refuse.set()

    # Streams

    async def until(self, items: AsyncIterator[T]) -> AsyncIterator[T]:
        """``items``, up to their end or to the beginning of the server's, whichever is first."""
        closing = asyncio.ensure_future(self._beginning.wait())
        following: asyncio.Future[T] = asyncio.ensure_future(_next(items))
        try:
            while True:
                await asyncio.wait((following, closing), return_when=asyncio.FIRST_COMPLETED)
                if self.begun:
                    return
                try:
                    item = following.result()
                except StopAsyncIteration:
                    return
                yield item
                following = asyncio.ensure_future(_next(items))
        finally:
            closing.cancel()
            following.cancel()
            await asyncio.wait((following, closing))
            if not following.cancelled():
                following.exception()  # looked at, so that nobody complains that nobody did

    def messages(self, context: grpc.aio.ServicerContext[T, Any]) -> AsyncIterator[T]:
        """The messages of a call, up to their end or to the beginning of the server's."""
        return self.until(_messages(context))


async def _messages(context: grpc.aio.ServicerContext[T, Any]) -> AsyncIterator[T]:
    while True:
        message = await context.read()
        if message is grpc.aio.EOF:  # type: ignore[attr-defined]  # missing in the stubs
            return
        yield message


async def _next(items: AsyncIterator[T]) -> T:
    return await anext(items)
