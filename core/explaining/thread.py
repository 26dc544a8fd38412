"""Libraries that call a model as a function and wait for it, beside an event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError
from typing import Protocol, TypeVar

from penstock.core.contracts.explainer import Ask
from penstock.core.own_thread import in_own_thread
from penstock.core.records import Tensors

T = TypeVar("T")


class AskFromThread(Protocol):
    """As :class:`penstock.core.contracts.explainer.Ask`, from a thread."""

    def __call__(self, tensors: Tensors, beside: Tensors = ()) -> Tensors:
        """Blocks until the answers are there."""


async def in_thread(ask: Ask, work: Callable[[AskFromThread], T], name: str) -> T:
    """What ``work`` returns or raises, in a thread of its own that asks through the event loop.

    When the caller is cancelled, what is being asked is given up, and the thread ends at its next
    question at the latest.
    """
    questions = _Questions(ask)
    try:
        return await in_own_thread(lambda: work(questions.ask), name)
    finally:
        questions.close()


class _Questions:
    """Those of one thread, which asks one at a time."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._loop = asyncio.get_running_loop()
        self._closed = threading.Event()
        self._asked: asyncio.Task[Tensors] | None = None

    def ask(self, tensors: Tensors, beside: Tensors = ()) -> Tensors:
        """Called in the thread."""
        if self._closed.is_set():
            raise CancelledError
        answer = self._answer(tensors, beside)
        return asyncio.run_coroutine_threadsafe(answer, self._loop).result()

    def close(self) -> None:
        """Nobody waits for the thread any more."""
        self._closed.set()
        if self._asked is not None:
            self._asked.cancel()

    async def _answer(self, tensors: Tensors, beside: Tensors) -> Tensors:
        if self._closed.is_set():
            raise asyncio.CancelledError
        self._asked = asyncio.current_task()
        try:
            return await self._ask(tensors, beside)
        finally:
            self._asked = None
