"""Running what a command waits for, so that it can be interrupted at any moment."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def awaited(work: Coroutine[Any, Any, T]) -> T:
    """What comes of ``work``. Raises KeyboardInterrupt when the user interrupts it.

    ``asyncio.run`` alone may sleep through a signal that comes just before it begins to wait: it
    has no descriptor for signals to wake it by, until one of them has a handler in the loop.
    """

    async def interruptible() -> T:
        asyncio.get_running_loop().add_signal_handler(signal.SIGURG, _pass_over)
        return await work

    return asyncio.run(interruptible())


def _pass_over() -> None:
    """Nothing is done about a signal that nobody sends."""
