"""What one side says to the other over a stream, and how long the other may be silent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final, Generic, TypeVar

from penstock.core.errors import LostError

T = TypeVar("T")

MOST_UNSAID: Final = 100_000
"""Messages that wait to be sent. Who reads none of so many is not there."""


class Line(Generic[T]):
    """The messages of one side, in order, from the first to the end."""

    def __init__(self, most: int = MOST_UNSAID) -> None:
        self._unsaid: asyncio.Queue[T] = asyncio.Queue(most)
        self._ended = asyncio.Event()

    @property
    def open(self) -> bool:
        """Whether something can still be said."""
        return not self._ended.is_set()

    def say(self, message: T) -> None:
        """Say something; nothing once the line is closed, which it is if nobody reads."""
        if self._ended.is_set():
            return
        try:
            self._unsaid.put_nowait(message)
        except asyncio.QueueFull:
            self.close()

    def close(self) -> None:
        """Say no more than what was said. May be repeated."""
        self._ended.set()

    async def messages(self) -> AsyncIterator[T]:
        """What is said, as it is, up to the end."""
        ended = asyncio.create_task(self._ended.wait())
        try:
            while True:
                while not self._unsaid.empty():
                    yield self._unsaid.get_nowait()
                if ended.done():
                    return
                following = asyncio.create_task(self._unsaid.get())
                try:
                    await asyncio.wait((following, ended), return_when=asyncio.FIRST_COMPLETED)
                    if following.done():
                        yield following.result()
                finally:
                    following.cancel()
        finally:
            ended.cancel()

    async def beat(self, beat_s: float, sign: Callable[[], T]) -> None:
        """Give a sign of life every ``beat_s`` seconds, until the line is closed."""
        while self.open:
            self.say(sign())
            await asyncio.sleep(beat_s)


async def heard(messages: AsyncIterator[T], silence_s: float, who: str) -> AsyncIterator[T]:
    """``messages`` as they come. Raises LostError when ``who`` is silent for ``silence_s``."""
    while True:
        try:
            async with asyncio.timeout(silence_s):
                message = await anext(messages)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise LostError(f"{who} has said nothing for {silence_s:g} s") from None
        yield message
