"""A command of ``penstock`` that serves, in a process of its own, as people start it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import IO

from harness.unheard import unheard

STOP_S = 30.0
"""How long a stop may take; only one that hangs takes so long."""

NOTHING: Mapping[str, str] = MappingProxyType({})

PROGRAM = "import sys; from penstock.core.cli import main; sys.exit(main())"


class Program:
    """One process. ``started`` is what it printed when it was, ``addresses`` (``rest``, ``grpc``)
    among it."""

    def __init__(
        self, folder: Path, words: Sequence[str | Path], environment: Mapping[str, str] = NOTHING
    ) -> None:
        folder.mkdir(exist_ok=True)
        self._log = (folder / "log").open("a+")
        self._process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *words, "-o", "json"],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
        )
        try:
            self.started = self.event("started")
        except BaseException:
            self.close()
            raise
        addresses = self.started["addresses"]
        assert isinstance(addresses, dict)
        self.addresses: dict[str, str] = addresses

    @property
    def grpc(self) -> str:
        """``host:port``."""
        return self.addresses["grpc"]

    @property
    def grpc_port(self) -> str:
        """That of it, for one that takes its place."""
        return self.grpc.rpartition(":")[2]

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    def ready(self) -> None:
        """Wait until it says that everything is ready."""
        ready = self.event("ready")
        assert not ready["not_ready"], ready["not_ready"]

    def event(self, name: str) -> dict[str, object]:
        """The next document that it prints, which must be the event ``name``."""
        assert self._process.stdout is not None
        return event(self._process.stdout, name, self._log)

    def stop(self) -> None:
        """Ask it to stop, and wait for a stop in peace."""
        self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(STOP_S)
        assert code == 0, self.logged()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    @property
    def has_ended(self) -> bool:
        """Whether it runs no more."""
        return self._process.poll() is not None

    def ended(self) -> int:
        """Wait until it ends by itself; its exit code."""
        return self._process.wait(STOP_S)

    def kill(self) -> None:
        """End it without a warning (``kill -9``)."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """Leave nothing behind."""
        self.kill()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._log.close()

    def logged(self) -> str:
        """What it logged."""
        return shown(self._log)


def event(lines: IO[str], name: str, log: IO[str]) -> dict[str, object]:
    """The next document of the output, which must be the event ``name``."""
    text = ""
    for line in lines:
        text += line
        try:
            document: dict[str, object] = json.loads(text)
        except ValueError:
            continue
        assert document["event"] == name, document
        return document
    raise AssertionError(f"the process ended before it was {name}: {text}{shown(log)}")


def shown(log: IO[str]) -> str:
    """What a process logged."""
    log.seek(0)
    return log.read()


@contextmanager
def program(
    folder: Path, *words: str | Path, environment: Mapping[str, str] = NOTHING
) -> Iterator[Program]:
    """A process that has started; it is killed at the end unless it has stopped. Nothing may have
    failed in it without anybody's hearing of that."""
    started = Program(folder, words, environment)
    try:
        yield started
        failed = unheard(started.logged())
    finally:
        started.close()
    assert not failed, failed
