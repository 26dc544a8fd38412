"""Streams in memory that are read some time after they were written, as with a broker."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from penstock.core.contracts.transport import Ownership, Reader
from penstock.transports.memory import MemoryTransport

LATE_S: Final = 0.02


class LateReading(MemoryTransport):
    """Owners who wait get what comes ``LATE_S`` late, with all that has come by then."""

    def read(
        self, ownership: Ownership, streams: Sequence[str], passing: str | None = None
    ) -> Reader:
        reader = super().read(ownership, streams, passing)
        wait = reader._wait  # type: ignore[attr-defined]  # the one of this transport

        async def wait_late() -> None:
            await wait()
            await asyncio.sleep(LATE_S)

        reader._wait = wait_late  # type: ignore[attr-defined]
        return reader
