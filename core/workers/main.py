"""The main program of a worker, which the scheduling process starts.

``main.py CONFIG FOLDER NUMBER WORKERS REST_PORT GRPC_PORT LIFELINE SAY``; CONFIG may be empty, the
last two are file descriptors (see :class:`penstock.core.workers.supervisor.Wires`).
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from penstock.core.config import Config
from penstock.core.errors import PenstockError
from penstock.core.workers.doors import Doors
from penstock.core.workers.supervisor import DRAINED, UP

LONGEST_END_S: Final = 60.0
"""How long a worker whose event loop hangs outlives the process that started it."""

_log = logging.getLogger(__name__)


class Part(NamedTuple):
    """What one worker is told."""

    config: Path | None
    folder: Path
    number: int
    workers: int
    rest_port: int
    grpc_port: int
    lifeline: int
    say: int

    def arguments(self) -> list[str]:
        """As the command line has it."""
        first, *rest = self
        return ["" if first is None else str(first), *map(str, rest)]

    def on(self, read: Config) -> Config:
        """The configuration of this worker."""
        shared = {"shared_port": True}
        rest = read.rest.model_copy(update={"port": self.rest_port, **shared})
        grpc = read.grpc.model_copy(update={"port": self.grpc_port, **shared})
        return read.model_copy(update={"rest": rest, "grpc": grpc})


def part_of(arguments: list[str]) -> Part:
    """What stands in a command line."""
    config, folder, *numbers = arguments
    return Part(Path(config) if config else None, Path(folder), *map(int, numbers))


def main() -> None:
    """Be a worker until a signal says otherwise; a second one forces."""
    part = part_of(sys.argv[1:])
    started_by = os.getppid()
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")

    from penstock.core.cli.serving import run_loop
    from penstock.core.logs import configure_logging
    from penstock.core.plugins.manager import start_up
    from penstock.core.runtime.serving import host
    from penstock.core.signals import StopSignals
    from penstock.core.workers.worker import Worker

    settings, plugins = start_up(part.config, override=part.on)
    configure_logging(settings.logging)
    worker = Worker(
        settings,
        plugins,
        Doors(part.folder, part.workers),
        part.number,
        on_drained=partial(os.write, part.say, DRAINED),
    )

    def on_started(addresses: Mapping[str, str]) -> None:
        os.write(part.say, UP)
        _log.info("worker %d answers", part.number)

    async def serve() -> StopSignals:
        loop = asyncio.get_running_loop()
        threading.Thread(
            target=_end_with,
            args=(part.lifeline, partial(loop.call_soon_threadsafe, worker.release)),
            daemon=True,
        ).start()
        return await host(
            worker,
            worker.start,
            ready_timeout_s=0.0,
            on_started=on_started,
            on_ready=lambda _: True,
        )

    try:
        run_loop(serve())
    except PenstockError as error:
        _log.error("worker %d cannot serve: %s", part.number, error)
        sys.exit(1)
    finally:
        if os.getppid() != started_by:
            # Who would have done it has ended without a word.
            shutil.rmtree(part.folder, ignore_errors=True)


def _end_with(lifeline: int, release: Callable[[], object]) -> None:
    """End when the process that started this one has, or has no use for this one any more."""
    os.read(lifeline, 1)
    with suppress(RuntimeError):  # the loop has ended already
        release()
    time.sleep(LONGEST_END_S)
    os._exit(1)
