"""One run of a server: a program under a guard."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from penstock.core import child_guard
from penstock.core.children.memory import memory_of_group
from penstock.core.children.out_of_memory import ended_for_memory
from penstock.core.children.output import Output
from penstock.core.children.supervisor import Process
from penstock.core.errors import NotReadyError

LAST_OUTPUT_S: Final = 2.0
"""How long the output of a server that has ended is waited for: others may hold it open."""

_FOREIGN: Final = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PYTHONSTARTUP")
"""Variables of this process that would mislead the Python of another environment."""


class ChildProcess(Process):
    """A program that was started. It ends when this process does, and its own children with it."""

    def __init__(
        self,
        pid: int,
        guarding: asyncio.subprocess.Process,
        guard: Guard,
        reader: asyncio.Task[None],
    ) -> None:
        self.pid = pid
        self._guard = guard
        self._ended_for_memory = ended_for_memory()
        self._ending = asyncio.create_task(self._end(guarding, reader), name=f"process {pid}")

    @classmethod
    async def start(
        cls,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        folder: Path,
        output: Output,
        grace_s: float,
        passed: Sequence[int] = (),
    ) -> ChildProcess:
        """Start the program in ``folder``, with ``environment`` over this process's own and the
        open files ``passed``.

        Told to end, it has ``grace_s`` for that. Raises NotReadyError when it cannot be started.
        """
        starting = asyncio.create_task(
            cls._start(command, environment, folder, output, grace_s, passed),
            name=f"start {command[0]}",
        )
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            # Nobody can take back half a start.
            with suppress(NotReadyError):
                await (await starting).terminate()
            raise

    @classmethod
    async def _start(
        cls,
        command: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
        output: Output,
        grace_s: float,
        passed: Sequence[int],
    ) -> ChildProcess:
        ours, theirs = socket.socketpair()
        guard = Guard(ours)
        # A pipe of our own: asyncio takes no process for ended while anybody holds one of its.
        reading, writing = os.pipe()
        reader = asyncio.create_task(output.follow(os.fdopen(reading, "rb", 0)), name="output")
        told = (str(theirs.fileno()), str(grace_s), ",".join(map(str, passed)))
        program = [sys.executable, "-I", "-S", child_guard.PROGRAM, *told]
        try:
            try:
                guarding = await asyncio.create_subprocess_exec(
                    *program,
                    *command,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=writing,
                    stderr=writing,
                    pass_fds=(theirs.fileno(), *passed),
                    # A Ctrl-C is this process's to answer.
                    start_new_session=True,
                    env=environment_with(environment),
                    cwd=folder,
                )
            finally:
                theirs.close()
                os.close(writing)
        except OSError as error:
            guard.close()
            await _until_read(reader)
            raise NotReadyError(f"'{command[0]}' cannot be started: {error}") from error
        said = await guard.hear()
        if not said.isdigit():
            guard.close()
            await guarding.wait()
            await _until_read(reader)
            why = said.removeprefix("error ") or f"its guard ended ({' / '.join(output.last)})"
            raise NotReadyError(f"'{command[0]}' cannot be started: {why}")
        return cls(int(said), guarding, guard, reader)

    @property
    def how(self) -> str | None:
        return self._ending.result() if self._ending.done() else None

    async def ended(self, timeout_s: float | None = None) -> str | None:
        await asyncio.wait([self._ending], timeout=timeout_s)
        return self.how

    def memory_bytes(self) -> int | None:
        """What it and the processes that it started hold; None when that cannot be told."""
        return None if self._ending.done() else memory_of_group(self.pid)

    async def terminate(self) -> str:
        self._guard.tell("terminate")
        return await asyncio.shield(self._ending)

    def kill(self) -> None:
        self._guard.tell("kill")

    async def _end(self, guarding: asyncio.subprocess.Process, reader: asyncio.Task[None]) -> str:
        status = await self._guard.hear()
        self._guard.close()
        await guarding.wait()
        if not status:
            # The server has ended with its guard; what it started may not have.
            end_group(self.pid)
        await _until_read(reader)
        return _in_words(status, for_memory=ended_for_memory() > self._ended_for_memory)


def environment_with(own: Mapping[str, str]) -> dict[str, str]:
    """The variables of a program with ``own`` ones over those of this process."""
    inherited = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
    return {**inherited, **own}


class Guard:
    """The guard of one program, as it is talked to."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self._connection = connection
        self._heard = b""

    def tell(self, word: str) -> None:
        """Say one word; a guard that is gone needs none."""
        with suppress(OSError):
            self._connection.send(f"{word}\n".encode())

    async def hear(self) -> str:
        """The next line, empty when the guard is gone."""
        loop = asyncio.get_running_loop()
        while b"\n" not in self._heard:
            try:
                chunk = await loop.sock_recv(self._connection, 4096)
            except OSError:
                chunk = b""
            if not chunk:
                return ""
            self._heard += chunk
        line, _, self._heard = self._heard.partition(b"\n")
        return line.decode(errors="replace")

    def close(self) -> None:
        """Talk no more; the guard ends its program when that has not ended."""
        self._connection.close()


async def _until_read(reader: asyncio.Task[None]) -> None:
    await asyncio.wait([reader], timeout=LAST_OUTPUT_S)
    reader.cancel()
    await asyncio.wait([reader])


def end_group(group: int) -> None:
    """End whatever is left of a group of processes."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def _in_words(status: str, *, for_memory: bool) -> str:
    how = child_guard.in_words(status)
    if for_memory and status == str(-signal.SIGKILL):
        how += ", as the system ends processes when memory is short"
    return how
