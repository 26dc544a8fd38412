"""One process of a worker: what talks to it, and the memory that it sees."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import penstock
from penstock.core.children.output import Output
from penstock.core.children.process import ChildProcess
from penstock.servers.environments.connection import WorkerConnection
from penstock.servers.environments.region import Region

PACKAGE: Final = Path(penstock.__file__).parent
"""What a worker imports ``penstock`` from."""

BOOT: Final = Path(__file__).with_name("worker") / "boot.py"


class Run(NamedTuple):
    """A process that was started; whether it is up its connection says."""

    process: ChildProcess
    connection: WorkerConnection
    region: Region


def command(python: Path, *words: object) -> list[str]:
    """What runs a worker; what it prints comes at once."""
    return [str(python), "-u", str(BOOT), str(PACKAGE), *map(str, words)]


async def start_run(
    python: Path,
    *,
    shared_bytes: int,
    spare: bool,
    environment: Mapping[str, str],
    output: Output,
    grace_s: float,
) -> Run:
    """Start a process. Raises NotReadyError when it cannot be."""
    region = Region(shared_bytes)
    ours, theirs = socket.socketpair()
    connection = None
    try:
        passed: Sequence[int] = [fd for fd in (theirs.fileno(), region.fd) if fd >= 0]
        connection = await WorkerConnection.over(ours)
        process = await ChildProcess.start(
            command(python, "serve", theirs.fileno(), region.fd, int(spare)),
            environment=environment,
            # Where models in this process are as well.
            folder=Path.cwd(),
            output=output,
            grace_s=grace_s,
            passed=passed,
        )
    except BaseException:
        if connection is not None:
            connection.close()
        raise
    finally:
        theirs.close()
        region.hand_over()
    return Run(process, connection, region)
