"""A thread that waits for calls of the library, so that the loop need not."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue


class CallThread:
    """Makes calls one after the other. Methods are called on the event loop.

    A call that hangs keeps neither the loop nor the process from ending.
    """

    def __init__(self, name: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._calls: SimpleQueue[tuple[Callable[[], None], asyncio.Future[None]] | None]
        self._calls = SimpleQueue()
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def call(self, work: Callable[[], None]) -> asyncio.Future[None]:
        """Have a call made; the future ends as it does."""
        future: asyncio.Future[None] = self._loop.create_future()
        self._calls.put((work, future))
        return future

    def end(self) -> None:
        """End after the calls that wait."""
        self._calls.put(None)

    def _run(self) -> None:
        while (item := self._calls.get()) is not None:
            work, future = item
            error: Exception | None = None
            try:
                work()
            except Exception as raised:
                error = raised
            if self._loop.is_closed():
                return
            self._loop.call_soon_threadsafe(_end, future, error)


def _end(future: asyncio.Future[None], error: Exception | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)
