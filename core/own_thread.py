"""Work that blocks for long, on a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def in_own_thread(function: Callable[[], T], name: str) -> T:
    """What ``function`` returns or raises, SystemExit and the like as a RuntimeError.

    Not the loop's shared pool: loads that hang would fill it. When the caller is cancelled the
    thread goes on, and what it brings is dropped.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def hand_over(result: T | None, error: Exception | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]  # T may include None

    def work() -> None:
        result, error = None, None
        try:
            result = function()
        except Exception as raised:
            error = raised
        except BaseException as raised:
            error = RuntimeError(f"{type(raised).__name__}: {raised}")
        try:
            loop.call_soon_threadsafe(hand_over, result, error)
        except RuntimeError:
            # The loop has closed meanwhile, and nobody waits any more.
            return

    threading.Thread(target=work, name=name, daemon=True).start()
    return await future
