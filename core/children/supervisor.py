"""Keeps a server running: starts it, watches it, and starts it again when it ends."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Final

from penstock.core.children.life import Life
from penstock.core.children.output import Output
from penstock.core.clock import Clock
from penstock.core.errors import NotReadyError, PenstockError

FIRST_LOOK_S: Final = 0.02
LONGEST_LOOK_S: Final = 0.5
"""Between two questions to a server whether it is up yet; no server says so by itself."""

LAST_WORDS: Final = 3
"""Lines of a server that did not come up which its error shows."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Watching:
    """How a server is watched: it has ``start_s`` to come up, is asked every ``look_s`` whether it
    lives, and hangs when no answer comes for ``hang_s``."""

    start_s: float
    look_s: float
    hang_s: float


class Process(ABC):
    """One run of a server."""

    @property
    @abstractmethod
    def how(self) -> str | None:
        """How it has ended, in words after "the server", None while it has not."""

    @abstractmethod
    async def ended(self, timeout_s: float | None = None) -> str | None:
        """Wait until it has ended, for up to ``timeout_s``: how, None when it has not."""

    @abstractmethod
    async def terminate(self) -> str:
        """Have it end, by force when its time for that is over; how it ended."""

    @abstractmethod
    def kill(self) -> None:
        """Have it end at once. Does not wait for that."""


class Charge(ABC):
    """What a supervisor looks after: how one kind of server is started and asked."""

    @abstractmethod
    async def launch(self) -> Process:
        """Start a process. Raises PenstockError when it cannot be."""

    @abstractmethod
    async def lives(self, timeout_s: float) -> bool:
        """Whether the process that was launched last answers, asked once. Raises nothing."""

    @abstractmethod
    async def came_up(self) -> None:
        """The server can be called; raises nothing. Cancelled when the server ends meanwhile."""

    @abstractmethod
    async def went_down(self) -> None:
        """The server cannot be called any more; its process has ended, or is ended now. Raises
        nothing."""


class Supervisor:
    """Looks after one server, from :meth:`start` to :meth:`stop`.

    ``subject`` is what sentences call it, as ``server 'big/0'``.
    """

    def __init__(
        self, subject: str, charge: Charge, output: Output, watching: Watching, clock: Clock
    ) -> None:
        self.life = Life(subject)
        self._subject = subject
        self._charge = charge
        self._output = output
        self._watching = watching
        self._clock = clock
        self._first: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the server and wait until it is up; then look after it.

        Raises NotReadyError when it does not come up the first time, with what it said.
        """
        self._first = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._look_after(self._first), name=self._subject)
        try:
            await asyncio.shield(self._first)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End the server, by force when it takes too long."""
        self.life.stops()
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def _look_after(self, first: asyncio.Future[None]) -> None:
        try:
            await self._keep_running(first)
        except Exception as error:
            said = "%s is not looked after any more"
            _log.exception(said, self._subject, extra=self._output.about)
            self.life.stops()
            if not first.done():
                first.set_exception(error)

    async def _keep_running(self, first: asyncio.Future[None]) -> None:
        while True:
            self.life.starts()
            pause_ms = await self._one_life(first)
            if not first.done():
                first.set_exception(NotReadyError(f"{self._subject} {self.life.how}"))
            if first.exception() is not None:
                return
            _log.warning("%s", self.life.why_not(self._clock.now_ms()), extra=self._output.about)
            await asyncio.sleep(pause_ms / 1000.0)

    async def _one_life(self, first: asyncio.Future[None]) -> float:
        """One process from its start to its end: the pause before the next, in milliseconds."""
        try:
            process = await self._charge.launch()
        except PenstockError as error:
            if not first.done():
                first.set_exception(error)
            return self._ended(f"could not be started: {error.message}")
        try:
            how = await self._until_up(process)
            if how is None:
                how = await self._while_up(process, first)
            # Before anything is taken away, so that nobody calls what is not there.
            return self._ended(how)
        finally:
            await self._charge.went_down()
            await process.terminate()

    def _ended(self, how: str) -> float:
        return self.life.ended(how, self._clock.now_ms())

    async def _while_up(self, process: Process, first: asyncio.Future[None]) -> str:
        """The time in which the server can be called: how it ended."""
        self.life.is_up(self._clock.now_ms())
        coming_up = asyncio.create_task(self._charge.came_up(), name=f"{self._subject} came up")
        try:
            if not first.done():
                first.set_result(None)
            return await self._until_down(process)
        finally:
            coming_up.cancel()
            await asyncio.wait([coming_up])

    async def _until_up(self, process: Process) -> str | None:
        """Wait until the server is up: None, or how it ended before it was."""
        patience_s = self._watching.start_s
        try:
            async with asyncio.timeout(patience_s):
                pause_s = FIRST_LOOK_S
                while not await self._charge.lives(self._watching.look_s):
                    how = await process.ended(pause_s)
                    if how is not None:
                        return f"{how} before it was up{self._said()}"
                    pause_s = min(2.0 * pause_s, LONGEST_LOOK_S)
        except TimeoutError:
            process.kill()
            return f"was not up within {patience_s:g} s{self._said()}"
        how = await process.ended(0.0)
        return None if how is None else f"{how} when it was up{self._said()}"

    async def _until_down(self, process: Process) -> str:
        """Wait until the server has ended, or hangs and is ended: how that was."""
        ending = asyncio.create_task(process.ended(), name=f"the end of {self._subject}")
        hanging = asyncio.create_task(self._until_it_hangs(), name=f"looking at {self._subject}")
        try:
            await asyncio.wait([ending, hanging], return_when=asyncio.FIRST_COMPLETED)
            if ending.done():
                return ending.result() or "has ended"
            process.kill()
            return f"gave no sign of life for {hanging.result():.0f} s and was ended"
        finally:
            ending.cancel()
            hanging.cancel()
            await asyncio.wait([ending, hanging])

    async def _until_it_hangs(self) -> float:
        """Look at the server until it has not answered for too long: for how many seconds."""
        answered_ms = self._clock.now_ms()
        while True:
            await asyncio.sleep(self._watching.look_s)
            if await self._charge.lives(self._watching.look_s):
                answered_ms = self._clock.now_ms()
                continue
            silent_s = (self._clock.now_ms() - answered_ms) / 1000.0
            if silent_s >= self._watching.hang_s:
                return silent_s

    def _said(self) -> str:
        last = " / ".join(self._output.last[-LAST_WORDS:])
        return f" (its last words: {last})" if last else ""
