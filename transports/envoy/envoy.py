"""One Envoy: our child, or somebody else's that dials us."""

from __future__ import annotations

import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from penstock.core.children.output import Output
from penstock.core.clock import Clock
from penstock.core.contracts.forwarder import ForwarderContext
from penstock.core.free_ports import LOOPBACK
from penstock.transports.envoy.admin import Admin
from penstock.transports.envoy.binary import find_envoy
from penstock.transports.envoy.bootstrap import bootstrap
from penstock.transports.envoy.options import EnvoyOptions
from penstock.transports.envoy.process import SUBJECT, EnvoyCharge, supervisor


class Envoy(ABC):
    """The Envoy that forwards. ``control_plane`` is where it looks for us, ``admin`` its
    administration where that can be reached."""

    control_plane: str
    admin: Admin | None

    @property
    def pid(self) -> int | None:
        """The number of its process, None where none of ours runs."""
        return None

    @abstractmethod
    async def start(self) -> None:
        """Have it run; the control plane listens already. Raises NotReadyError with its last
        words."""

    @abstractmethod
    async def stop(self) -> None:
        """Have it run no more, if it is ours."""

    @abstractmethod
    def away(self, *, followed: bool) -> str:
        """Why it forwards nothing now, empty when it does; ``followed``: whether it listens to
        the control plane."""


class ExternalEnvoy(Envoy):
    """An Envoy that somebody else runs; it goes on when we stop."""

    def __init__(self, options: EnvoyOptions, context: ForwarderContext) -> None:
        self.control_plane = f"{context.host}:{options.ads_port}"
        port = options.admin_port
        self.admin = Admin(f"{LOOPBACK}:{port}") if port else None

    async def start(self) -> None:
        return

    async def stop(self) -> None:
        return

    def away(self, *, followed: bool) -> str:
        if followed:
            return ""
        return f"no Envoy has dialled the control plane at {self.control_plane}"


class OwnEnvoy(Envoy):
    """An Envoy that is a child of this process, and started again when it ends."""

    def __init__(self, options: EnvoyOptions, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        self._program = find_envoy(options.binary)
        self._folder = Path(tempfile.mkdtemp(prefix="penstock-envoy-"))
        self.control_plane = self._at(options.ads_port, "control-plane.sock")
        self._admin_place = self._at(options.admin_port, "admin.sock")
        self.admin = Admin(self._admin_place)
        output = Output(SUBJECT)
        self._charge = EnvoyCharge(self._command(), self._folder, self.admin, output)
        self._child = supervisor(self._charge, output, options.start_timeout_s, clock)

    @property
    def pid(self) -> int | None:
        return self._charge.pid

    async def start(self) -> None:
        text = bootstrap(self._folder.name, self.control_plane, self._admin_place)
        self._bootstrap.write_text(text)
        await self._child.start()

    async def stop(self) -> None:
        await self._child.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def away(self, *, followed: bool) -> str:
        why_not = self._child.life.why_not(self._clock.now_ms())
        if why_not is None and not followed:
            return "Envoy has lost its control plane and looks for it"
        return why_not or ""

    @property
    def _bootstrap(self) -> Path:
        return self._folder / "bootstrap.json"

    def _command(self) -> Sequence[str]:
        options = self._options
        command = [str(self._program), "--config-path", str(self._bootstrap)]
        command += ["--disable-hot-restart", "--log-level", options.log_level]
        if options.concurrency:
            command += ["--concurrency", str(options.concurrency)]
        return command

    def _at(self, port: int | None, socket: str) -> str:
        return f"{LOOPBACK}:{port}" if port else f"unix:{self._folder / socket}"
