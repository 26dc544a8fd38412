"""Envoy as a child of this process: started, watched, and started again when it ends."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from penstock.core.children.output import Output
from penstock.core.children.process import ChildProcess
from penstock.core.children.supervisor import Charge, Process, Supervisor, Watching
from penstock.core.clock import Clock
from penstock.transports.envoy.admin import Admin

SUBJECT: Final = "Envoy"
LOOK_S: Final = 2.0
HANG_S: Final = 30.0
GRACE_S: Final = 5.0


class EnvoyCharge(Charge):
    """How Envoy is started and asked."""

    def __init__(self, command: Sequence[str], folder: Path, admin: Admin, output: Output) -> None:
        self._command = command
        self._folder = folder
        self._admin = admin
        self._output = output
        self._was_up = False
        self.pid: int | None = None
        """The number of its process, None when none runs."""

    async def launch(self) -> Process:
        self._was_up = False
        process = await ChildProcess.start(
            self._command, environment={}, folder=self._folder, output=self._output, grace_s=GRACE_S
        )
        self.pid = process.pid
        return process

    async def lives(self, timeout_s: float) -> bool:
        readiness = await self._admin.readiness()
        # One that is drained is not ready, and lives.
        return readiness is not None if self._was_up else readiness == 200

    async def came_up(self) -> None:
        self._was_up = True

    async def went_down(self) -> None:
        self._was_up = False
        self.pid = None


def supervisor(charge: EnvoyCharge, output: Output, start_s: float, clock: Clock) -> Supervisor:
    """What keeps Envoy running."""
    return Supervisor(SUBJECT, charge, output, Watching(start_s, LOOK_S, HANG_S), clock)
