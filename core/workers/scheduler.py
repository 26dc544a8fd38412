"""Hosts workers: the process that was started, which schedules, and looks after those that serve.

It holds the ports, and answers its workers over Unix sockets.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path

from penstock.core.control import Shortfall
from penstock.core.manifests import ManifestSource
from penstock.core.runtime.exposure import exposures
from penstock.core.runtime.runtime import Runtime
from penstock.core.workers.main import Part
from penstock.core.workers.ports import WorkerPorts
from penstock.core.workers.supervisor import Wires, Workers, program

_log = logging.getLogger(__name__)


class WorkerScheduler:
    """The process that schedules, and its workers. Started once, stopped once.

    ``runtime`` is that of this process, made with the configuration of the scheduler's door.
    """

    def __init__(self, runtime: Runtime, ports: WorkerPorts, config: Path | None) -> None:
        self._runtime = runtime
        self._ports = ports
        self._config = config
        self._workers = Workers(ports.doors.workers, self._command)

    async def start(self, manifests: Sequence[ManifestSource] = ()) -> dict[str, str]:
        """Take in the manifests, and start the workers; their addresses by front end.

        Raises what :meth:`Runtime.start` raises.
        """
        for sentence in exposures(self._ports.config):
            _log.warning("%s", sentence)
        await self._runtime.start(manifests)
        self._workers.start()
        try:
            await self._workers.all_up()
        except BaseException:
            await self._stop(None, _set())
            raise
        return self._ports.addresses()

    async def wait_ready(self, timeout_s: float) -> Sequence[Shortfall]:
        """As :meth:`Runtime.wait_ready`."""
        return await self._runtime.wait_ready(timeout_s)

    async def stop(
        self, *, grace_s: float | None = None, forced: asyncio.Event | None = None
    ) -> None:
        """Have the workers finish what is under way and end, and then this process."""
        await self._stop(grace_s, forced or asyncio.Event())

    async def _stop(self, grace_s: float | None, forced: asyncio.Event) -> None:
        await self._workers.stop(forced)
        await self._runtime.stop(grace_s=grace_s, forced=forced)

    def _command(self, number: int, wires: Wires) -> list[str]:
        ports = self._ports
        part = Part(
            self._config,
            ports.doors.folder,
            number,
            ports.doors.workers,
            ports.rest.port,
            ports.grpc.port,
            *wires,
        )
        return program("penstock.core.workers.main", *part.arguments())


def _set() -> asyncio.Event:
    """An event that is set."""
    event = asyncio.Event()
    event.set()
    return event
