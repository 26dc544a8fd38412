"""The file that keeps the last routes, for a gateway that starts while its scheduler is away."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

from google.protobuf.message import DecodeError

from penstock.core.routing.messages import read_routes, whole_message
from penstock.core.routing.route import Route
from penstock.proto import routes_pb2 as pb

MAGIC: Final = b"penstock routes 1 "
"""How the file begins; the sum of what follows the first line comes after."""

PAUSE_S: Final = 1.0
"""However fast routes change, they are written no more often."""

_log = logging.getLogger(__name__)


class RoutesFile:
    """Writes the routes into ``path``, each time all of them, in the place of what was there.

    The file is whole at any time: another is written and takes its name. ``sleep`` waits between
    two of them (seconds).
    """

    def __init__(
        self, path: Path, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._path = path
        self._sleep = sleep
        self._latest: Sequence[Route] | None = None
        self._wake = asyncio.Event()
        self._writing = asyncio.Lock()

    def read(self) -> Sequence[Route]:
        """The routes that were written last; none, and a warning, where they cannot be read.

        Blocks.
        """
        try:
            return _read(self._path.read_bytes())
        except FileNotFoundError:
            return ()
        except (OSError, ValueError, DecodeError) as error:
            _log.warning(
                "the routes in %s cannot be used (%s), and are left out", self._path, error
            )
            return ()

    def keep(self, routes: Sequence[Route]) -> None:
        """Write these soon, unless others come before."""
        self._latest = routes
        self._wake.set()

    async def run(self) -> None:
        """Write whatever is to be kept."""
        while True:
            await self._wake.wait()
            await self.flush()
            await self._sleep(PAUSE_S)

    async def flush(self) -> None:
        """Have on the disk what is to be kept. What cannot be written is logged."""
        async with self._writing:
            routes, self._latest = self._latest, None
            self._wake.clear()
            if routes is not None:
                try:
                    await asyncio.to_thread(_write, self._path, routes)
                except OSError as error:
                    _log.warning("the routes cannot be kept in %s: %s", self._path, error)


def _read(content: bytes) -> Sequence[Route]:
    head, _, body = content.partition(b"\n")
    if not head.startswith(MAGIC):
        raise ValueError("it is no file of routes, or one of another release")
    if head[len(MAGIC) :] != _sum(body):
        raise ValueError("it is damaged")
    return [each for each in read_routes(pb.Update.FromString(body)) if isinstance(each, Route)]


def _write(path: Path, routes: Sequence[Route]) -> None:
    body = whole_message(routes).SerializeToString()
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.new")
    with new.open("wb") as file:
        file.write(MAGIC + _sum(body) + b"\n" + body)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def _sum(body: bytes) -> bytes:
    return sha256(body).hexdigest().encode()
