"""The server adapter ``triton``: a Triton of its own for each replica."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar, Final

from penstock.core.clock import Clock
from penstock.core.contracts.model import ModelSpec
from penstock.core.errors import NotReadyError
from penstock.core.free_ports import LOOPBACK
from penstock.servers.child.server import ChildServer, Place, Program
from penstock.servers.installing.installation import Installation
from penstock.servers.triton.model_folder import write_folder
from penstock.servers.triton.options import TritonOptions
from penstock.servers.triton.recipe import FOLDER, RECIPE, backends_in

SHARED_MEMORY: Final = Path("/dev/shm")
"""Where Linux shows it."""

LOG_LAG_S: Final = 0.1
"""How long after an answer what was logged before it may come."""

_UNREAD: Final = "failed to poll from model repository"


class TritonServer(ChildServer[TritonOptions]):
    """Starts Triton as ``penstock servers install triton`` has installed it, or the program that
    the options name."""

    kind: ClassVar[str] = "triton"

    def __init__(self, options: TritonOptions | None = None, *, clock: Clock | None = None) -> None:
        super().__init__(options or TritonOptions(), clock=clock)
        self._installation = Installation(RECIPE, self._options.installation)

    def program(self, place: Place) -> Program:
        arguments = (
            f"--model-repository={place.models}",
            "--model-control-mode=explicit",
            f"--grpc-address={LOOPBACK}",
            f"--grpc-port={place.grpc_port}",
            f"--http-address={LOOPBACK}",
            f"--http-port={place.rest_port}",
            "--allow-metrics=false",
            # Two of them on one machine must not meet in its shared memory.
            f"--backend-config=python,shm-region-prefix-name={_memory_prefix(place)}",
            f"--exit-timeout-secs={max(1, round(self._options.stop_timeout_s))}",
        )
        if self._options.command:
            return Program((*self._options.command, *arguments), {})
        python = self._installation.python()
        server = self._installation.site_packages()[0] / FOLDER
        command = (
            str(server / "bin" / "tritonserver"),
            f"--backend-directory={server / 'backends'}",
            f"--cache-directory={server / 'caches'}",
        )
        return Program((*command, *arguments), _variables(python))

    def lay_out(self, spec: ModelSpec, name: str, folder: Path) -> None:
        write_folder(spec, name, folder)

    def left_behind(self, place: Place) -> Iterable[Path]:
        return SHARED_MEMORY.glob(f"{_memory_prefix(place)}*")

    async def explained(self, sentence: str, name: str) -> str:
        """Of a configuration that it cannot read Triton tells the reason in its log alone."""
        if _UNREAD not in sentence:
            return sentence
        await asyncio.sleep(LOG_LAG_S)
        reasons = [line.partition("] ")[2] for line in self._output.last if _is_reason(line, name)]
        return f"{sentence}: {' '.join(reasons)}" if reasons else sentence

    def found_capabilities(self) -> frozenset[str]:
        own = frozenset((self.kind, "python"))
        if self._options.command:
            return own
        return own | backends_in(self._installation.site_packages())


def _memory_prefix(place: Place) -> str:
    """What the names of a server's shared memory begin with."""
    return f"penstock_{place.grpc_port}_"


def _is_reason(line: str, name: str) -> bool:
    return line.startswith("[libprotobuf ERROR") or (line.startswith("E") and f"'{name}'" in line)


def _variables(python: Path) -> dict[str, str]:
    """What makes the Python of models the installed one: they find it as any program would."""
    asked = "import sysconfig; print(sysconfig.get_config_var('LIBDIR') or '')"
    try:
        said = subprocess.run(
            [str(python), "-c", asked], check=True, capture_output=True, text=True, timeout=60
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise NotReadyError(
            f"the Python of Triton's installation does not run ({error}); remove "
            f"{python.parents[1]} and run penstock servers install triton"
        ) from error
    libraries = filter(None, (said.stdout.strip(), os.environ.get("LD_LIBRARY_PATH")))
    return {
        "PATH": os.pathsep.join((str(python.parent), os.environ.get("PATH", os.defpath))),
        "LD_LIBRARY_PATH": os.pathsep.join(libraries),
    }
