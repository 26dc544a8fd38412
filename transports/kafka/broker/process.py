"""One run of a broker: Java under a guard."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

from penstock.core import child_guard
from penstock.core.errors import NotReadyError

STARTED: Final = "Kafka Server started"
"""What a broker logs when it answers."""

LAST_WORDS: Final = 5
"""Lines of a broker that did not come up which its error shows."""


class BrokerProcess:
    """A broker's process. It ends when this process does, however that ends.

    ``started`` is done when the broker answers, or has the error that says why it never did;
    ``ended`` has the words for how it ended. Both may be waited for in any thread.
    """

    def __init__(self, command: Sequence[str], folder: Path, grace_s: float, lock: int) -> None:
        self.started: Future[None] = Future()
        self.ended: Future[str] = Future()
        self._last: deque[str] = deque(maxlen=LAST_WORDS)
        self._connection, theirs = socket.socketpair()
        told = (str(theirs.fileno()), str(grace_s), str(lock))
        with theirs:
            self._guarding = subprocess.Popen(
                [sys.executable, "-I", "-S", child_guard.PROGRAM, *told, *command],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                pass_fds=(theirs.fileno(), lock),
                # A Ctrl-C is this process's to answer.
                start_new_session=True,
            )
        self._told = self._connection.makefile("r")
        said = self._told.readline().strip()
        self.pid = int(said) if said.isdigit() else None
        if self.pid is None:
            self._last.append(said.removeprefix("error "))
        threading.Thread(target=self._follow, name=f"broker {self.pid}", daemon=True).start()

    def terminate(self) -> None:
        """Have it end in peace, by force when its time for that is over. Does not wait."""
        self._tell("terminate")

    def kill(self) -> None:
        """Have it end at once (``kill -9``). Does not wait."""
        self._tell("kill")

    def _tell(self, word: str) -> None:
        with suppress(OSError):  # a guard that is gone needs no word
            self._connection.send(f"{word}\n".encode())

    def _follow(self) -> None:
        """Read all that it says until it has ended."""
        output = self._guarding.stdout
        assert output is not None, "it is piped"
        with output, self._told, self._connection:
            self._read(output)
            how = child_guard.in_words(self._told.readline().strip() if self.pid else "")
        self._guarding.wait()
        if not self.started.done():
            said = " / ".join(self._last)
            self.started.set_exception(NotReadyError(f"{how} before it was up: {said}"))
        self.ended.set_result(how)

    def _read(self, output: IO[str]) -> None:
        for line in output:
            text = line.strip()
            if STARTED in text and not self.started.done():
                self.started.set_result(None)
            if text:
                self._last.append(text[:300])
