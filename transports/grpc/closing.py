"""Ends calls that would go on for ever when the server drains."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, TypeVar

import grpc

T = TypeVar("T")


class Closing:
    """The moment from which long calls are not to go on. One for each server."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    @property
    def begun(self) -> bool:
        """Whether that moment has come."""
        return self._event.is_set()

    def begin(self) -> None:
        """End every iteration of :meth:`until`."""
        self._event.set()

    async def until(self, items: AsyncIterator[T]) -> AsyncIterator[T]:
        """``items``, up to their end or to this moment, whichever comes first."""
        closing = asyncio.ensure_future(self._event.wait())
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
        """The messages of a call, up to their end or to this moment."""
        return self.until(_messages(context))


async def _messages(context: grpc.aio.ServicerContext[T, Any]) -> AsyncIterator[T]:
    while True:
        message = await context.read()
        if message is grpc.aio.EOF:  # type: ignore[attr-defined]  # missing in the stubs
            return
        yield message


async def _next(items: AsyncIterator[T]) -> T:
    return await anext(items)
