"""The server adapter ``mlserver``: an MLServer of its own for each replica."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Final

from penstock.core.clock import Clock
from penstock.core.contracts.model import ModelSpec
from penstock.core.free_ports import LOOPBACK
from penstock.servers.child.server import ChildServer, Place, Program
from penstock.servers.installing.installation import Installation
from penstock.servers.mlserver.model_folder import write_folder
from penstock.servers.mlserver.options import MLServerOptions
from penstock.servers.mlserver.recipe import RECIPE, runtimes_in

_SETTINGS: Final = "MLSERVER_"

_MAIN: Final = "from mlserver.cli import main; main()"
"""Not its script, which names the Python of where it was made."""


class MLServer(ChildServer[MLServerOptions]):
    """Starts MLServer as ``penstock servers install mlserver`` has installed it, or the program
    that the options name."""

    kind: ClassVar[str] = "mlserver"

    def __init__(
        self, options: MLServerOptions | None = None, *, clock: Clock | None = None
    ) -> None:
        super().__init__(options or MLServerOptions(), clock=clock)
        self._installation = Installation(RECIPE, self._options.installation)

    def program(self, place: Place) -> Program:
        command = self._options.command
        if not command:
            command = (str(self._installation.python()), "-c", _MAIN)
        variables = {
            "HOST": LOOPBACK,
            "HTTP_PORT": str(place.rest_port),
            "GRPC_PORT": str(place.grpc_port),
            "GRPC_MAX_MESSAGE_LENGTH": str(self._options.max_message_bytes),
            "METRICS_ENDPOINT": "",
            "MODEL_REPOSITORY_ROOT": str(place.models),
            "LOAD_MODELS_AT_STARTUP": "false",
            "PARALLEL_WORKERS": str(self._options.workers),
            "DEBUG": "false",
        }
        return Program(
            (*command, "start", str(place.models)),
            {f"{_SETTINGS}{name}": value for name, value in variables.items()},
        )

    def lay_out(self, spec: ModelSpec, name: str, folder: Path) -> None:
        apart = self._options.own_processes and not self._options.command
        environment = self._installation.folder if apart else None
        write_folder(spec, name, folder, environment=environment)

    def found_capabilities(self) -> frozenset[str]:
        return frozenset((self.kind, "python")) | self._runtimes()

    def _runtimes(self) -> frozenset[str]:
        if self._options.command:
            return frozenset()
        if self._installation.note() is None:
            # What will be there when it is installed, as its status asks for.
            return frozenset(RECIPE.default_extras)
        return runtimes_in(self._installation.site_packages())
