"""Keeps the processes of the workers running: starts them, and each again that has ended."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from penstock.core.errors import NotReadyError

FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 30.0
"""Between the end of a worker that keeps ending and its next start; the first is at once."""

SOUND_S: Final = 60.0
"""A worker that ran for so long has not kept ending."""

FORCED_S: Final = 2.0
"""How long a worker that is to end at once has for that."""

MOST_FAILED_STARTS: Final = 3
"""After so many ends of a worker that has never answered, it is not waited for."""

UP: Final = b"u"
DRAINED: Final = b"d"
"""What workers say: that they answer, and that nothing is under way that they took in."""


class Wires(NamedTuple):
    """File descriptors that a worker inherits: ``lifeline`` can be read from once it is needed no
    more, or this process has ended; it says what it has to say on ``say``."""

    lifeline: int
    say: int


Command = Callable[[int, Wires], Sequence[str]]
"""The program of the worker with a number."""

_log = logging.getLogger(__name__)


class Workers:
    """The processes of workers 1 to ``count``. They end when this process does, however it ends."""

    def __init__(
        self,
        count: int,
        command: Command,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._count = count
        self._command = command
        self._sleep = sleep
        self._processes: dict[int, asyncio.subprocess.Process] = {}
        self._up = {number: asyncio.Event() for number in range(1, count + 1)}
        self._drained = {number: asyncio.Event() for number in range(1, count + 1)}
        self._tasks: list[asyncio.Task[None]] = []
        self._reading, self._writing = -1, -1
        self._stop = asyncio.Event()
        self._hopeless = asyncio.Event()
        self._how = ""

    def start(self) -> None:
        """Start all, and keep them running."""
        self._reading, self._writing = os.pipe()
        self._tasks = [
            asyncio.create_task(self._keep_running(number), name=f"worker {number}")
            for number in range(1, self._count + 1)
        ]

    async def all_up(self) -> None:
        """Return when each has answered once. Raises NotReadyError where one does not get there."""
        up = asyncio.ensure_future(self._until_up())
        hopeless = asyncio.ensure_future(self._hopeless.wait())
        try:
            await asyncio.wait((up, hopeless), return_when=asyncio.FIRST_COMPLETED)
            if not up.done():
                raise NotReadyError(f"{self._how}, and has not answered once; its log says why")
        finally:
            hopeless.cancel()
            up.cancel()
            await asyncio.wait((up, hopeless))

    async def _until_up(self) -> None:
        for event in self._up.values():
            await event.wait()

    async def stop(self, forced: asyncio.Event) -> None:
        """Have all finish what is under way and end, at once when ``forced`` is set.

        None goes before all are done, since they may need each other's models.
        """
        self._stop.set()
        if not self._tasks:
            return
        self._signal()
        ended = asyncio.ensure_future(self._end_all())
        forcing = asyncio.ensure_future(forced.wait())
        try:
            await asyncio.wait((ended, forcing), return_when=asyncio.FIRST_COMPLETED)
            if not ended.done():
                # The second signal forces them just so.
                self._signal()
                await asyncio.wait((ended,), timeout=FORCED_S)
        finally:
            forcing.cancel()
            ended.cancel()
            self._kill()
            for task in self._tasks:
                task.cancel()
            await asyncio.wait((ended, *self._tasks))
            self._let_go()
            os.close(self._reading)

    async def _end_all(self) -> None:
        for event in self._drained.values():
            await event.wait()
        self._let_go()
        await asyncio.wait(self._tasks)

    def _let_go(self) -> None:
        """Workers may end from now on."""
        if self._writing >= 0:
            os.close(self._writing)
            self._writing = -1

    async def _keep_running(self, number: int) -> None:
        try:
            await self._run_until_stopped(number)
        finally:
            # Nothing comes of it any more, whatever it said.
            self._drained[number].set()

    async def _run_until_stopped(self, number: int) -> None:
        loop = asyncio.get_running_loop()
        ends = 0
        while not self._stop.is_set():
            begun = loop.time()
            status = await self._run(number)
            if self._stop.is_set():
                return
            ends = 1 if loop.time() - begun >= SOUND_S else ends + 1
            if ends == MOST_FAILED_STARTS and not self._up[number].is_set():
                self._how = f"worker {number} {in_words(status)} {ends} times"
                self._hopeless.set()
            pause_s = pause_after(ends)
            _log.warning(
                "worker %d %s; it is started again%s",
                number,
                in_words(status),
                f" in {pause_s:g} s" if pause_s else "",
            )
            await self._pause(pause_s)

    async def _pause(self, pause_s: float) -> None:
        """Pause for so many seconds, or until all are to end."""
        over = asyncio.ensure_future(self._sleep(pause_s))
        stopped = asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait((over, stopped), return_when=asyncio.FIRST_COMPLETED)
        finally:
            over.cancel()
            stopped.cancel()

    async def _run(self, number: int) -> int:
        """One process from its start to its end: its status, negative for a signal."""
        hearing, saying = os.pipe()
        wires = Wires(self._reading, saying)
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command(number, wires),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=wires,
                # A Ctrl-C is this process's to answer.
                start_new_session=True,
            )
        finally:
            os.close(saying)
        listening = asyncio.create_task(self._listen(number, hearing))
        self._processes[number] = process
        if self._stop.is_set():
            self._signal()
        try:
            return await process.wait()
        finally:
            del self._processes[number]
            if process.returncode is None:
                process.kill()
                await process.wait()
            await listening

    async def _listen(self, number: int, hearing: int) -> None:
        """Hear what a worker says, to its end."""
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(hearing, "rb", 0)
        )
        try:
            while word := await reader.read(1):
                if word == UP:
                    self._up[number].set()
                elif word == DRAINED:
                    self._drained[number].set()
        finally:
            transport.close()

    def _signal(self) -> None:
        for process in self._processes.values():
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)

    def _kill(self) -> None:
        for process in self._processes.values():
            with suppress(ProcessLookupError):
                process.kill()


def pause_after(ends: int) -> float:
    """The pause in seconds before the next start of a worker that has ended so often in a row."""
    if ends < 2:
        return 0.0
    return min(FIRST_PAUSE_S * 2.0 ** min(ends - 2, 30), LONGEST_PAUSE_S)


def in_words(status: int) -> str:
    """How a process has ended, after its name."""
    if status < 0:
        return f"was ended by {signal.Signals(-status).name}"
    return f"ended with status {status}"


def program(module: str, *arguments: str) -> list[str]:
    """The command that runs ``main`` of a module with these arguments, and finds what this process
    finds."""
    code = f"import sys; sys.path[:] = {sys.path!r}; from {module} import main; main()"
    return [sys.executable, "-c", code, *arguments]
