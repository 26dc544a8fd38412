"""What workers share from before the first of them until the last has ended."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from penstock.core.config import Config
from penstock.core.workers.doors import Doors
from penstock.core.workers.held_port import HeldPort


class WorkerPorts:
    """The ports of REST and gRPC, and the folder of the doors: what workers share from before the
    first of them until the last has ended.

    Raises ConflictError for a port that is taken, UnsupportedError where processes cannot share
    one.
    """

    def __init__(self, config: Config, workers: int) -> None:
        self.config = config
        self.rest = HeldPort("rest", config.rest.host, config.rest.port)
        try:
            self.grpc = HeldPort("grpc", config.grpc.host, config.grpc.port)
        except BaseException:
            self.rest.close()
            raise
        # Nobody else may go in and out by these doors.
        self.doors = Doors(Path(tempfile.mkdtemp(prefix="penstock-")), workers)

    def close(self) -> None:
        """Let go of the ports, and remove the folder."""
        self.rest.close()
        self.grpc.close()
        shutil.rmtree(self.doors.folder, ignore_errors=True)

    def addresses(self) -> dict[str, str]:
        """Where workers answer, by front end, as people write it."""
        rest, grpc = self.config.rest, self.config.grpc
        secured = "" if grpc.tls is None else "grpcs://"
        scheme = "http" if rest.tls is None else "https"
        return {
            "grpc": f"{secured}{_shown(grpc.host)}:{self.grpc.port}",
            "rest": f"{scheme}://{_shown(rest.host)}:{self.rest.port}",
        }


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
