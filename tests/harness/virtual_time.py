"""An event loop whose time is a virtual clock: it never waits, it moves the clock on.

What others leave to a thread is done at once, on the loop.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from penstock.core.clock import VirtualClock

T = TypeVar("T")


class _Idle(selectors.SelectSelector):
    """Has time pass where others wait for a socket: there is nothing else to wait for."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "everybody waits for what nobody will do"
        self._clock.advance(timeout * 1000.0)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Runs callbacks in the order of their times; a minute of them takes no time."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(_Idle(clock))
        self._virtual = clock

    def time(self) -> float:
        return self._virtual.now_ms() / 1000.0

    def run_in_executor(  # type: ignore[override]  # it has no pool, and gives what is awaited
        self, executor: object, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        done: asyncio.Future[T] = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:
            done.set_exception(error)
        return done

    async def rest(self) -> None:
        """Return when nothing is left to do before time passes."""
        while True:
            await asyncio.sleep(0)
            if not self._ready:  # type: ignore[attr-defined]  # asyncio shows it to nobody
                return


def in_virtual_time(main: Callable[[VirtualClock], Coroutine[Any, Any, T]]) -> T:
    """What ``main`` returns, run on a loop and a clock of its own; errors of callbacks are raised.

    ``main`` is given the clock, which it may advance as a model does that blocks the loop.
    """
    clock = VirtualClock()
    errors: list[BaseException] = []

    def note(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        errors.append(context.get("exception") or RuntimeError(context["message"]))

    async def watched() -> T:
        asyncio.get_running_loop().set_exception_handler(note)
        return await main(clock)

    with asyncio.Runner(loop_factory=lambda: VirtualLoop(clock)) as runner:
        result = runner.run(watched())
    if errors:
        raise errors[0]
    return result
