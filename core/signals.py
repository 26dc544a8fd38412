"""Signals that ask a process to stop: the first time in peace, the second time at once."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from types import FrameType
from typing import Final

STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class StopSignals:
    """Listens for Ctrl-C and for the signal of service managers, between enter and exit.

    ``asked`` is set by the first signal of either kind, ``forced`` by the second.
    """

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.forced = asyncio.Event()
        self.first: signal.Signals | None = None
        self._before: dict[signal.Signals, Callable[[int, FrameType | None], object] | int | None]
        self._before = {}

    def __enter__(self) -> StopSignals:
        loop = asyncio.get_running_loop()
        for number in STOP_SIGNALS:
            self._before[number] = signal.getsignal(number)
            loop.add_signal_handler(number, self.receive, number)
        return self

    def __exit__(self, *_: object) -> None:
        loop = asyncio.get_running_loop()
        for number, before in self._before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, before)

    def receive(self, number: signal.Signals) -> None:
        """A signal came. Called on the event loop."""
        if self.first is None:
            self.first = number
            self.asked.set()
        else:
            self.forced.set()
