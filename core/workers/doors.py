"""How the processes behind one address reach each other: Unix sockets in one folder."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from penstock.core.config import Config


class Door(NamedTuple):
    """One process: what people call it, and where it answers the others over REST and gRPC."""

    name: str
    rest: Path
    grpc: Path

    @property
    def grpc_target(self) -> str:
        """As gRPC clients take it."""
        return f"unix:{self.grpc}"

    def on(self, config: Config) -> Config:
        """The configuration of front ends that listen here; nobody else gets into the folder, so
        there is no TLS."""
        rest = {"host": f"unix:{self.rest}", "tls": None, "shared_port": False}
        grpc = {"host": self.grpc_target, "tls": None, "shared_port": False}
        return config.model_copy(
            update={
                "rest": config.rest.model_copy(update=rest),
                "grpc": config.grpc.model_copy(update=grpc),
            }
        )


class Doors(NamedTuple):
    """Those of a scheduling process and of its ``workers``, which have the numbers from 1 on, in
    ``folder``."""

    folder: Path
    workers: int

    @property
    def numbers(self) -> range:
        """Those of the workers."""
        return range(1, self.workers + 1)

    @property
    def scheduler(self) -> Door:
        """The process that was started."""
        return self._door("the scheduling process", "scheduler")

    def worker(self, number: int) -> Door:
        """One worker."""
        return self._door(f"worker {number}", f"worker-{number}")

    def copies_of(self, number: int) -> Path:
        """Where a worker answers over gRPC for the copies of models that it has."""
        return self.folder / f"worker-{number}-copies.sock"

    def _door(self, name: str, file: str) -> Door:
        return Door(name, self.folder / f"{file}-rest.sock", self.folder / f"{file}-grpc.sock")
