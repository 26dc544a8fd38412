"""What a worker takes requests from: a partition that it owns, or what is handed out to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from penstock.core.contracts.transport import (
    Delivery,
    Output,
    Ownership,
    Reader,
    Transport,
    Written,
)
from penstock.core.streams.headers import ANSWERED_HEADER


class Intake(Protocol):
    """Its methods are :class:`Transport`'s and :class:`Reader`'s of the same names."""

    async def take(self, limit: int) -> Sequence[Delivery]:
        """The next records."""

    async def finish(
        self,
        deliveries: Sequence[Delivery],
        outputs: Sequence[Output],
        handed: Callable[[], None] | None,
    ) -> Sequence[Written]:
        """Write outputs, and mark deliveries as done."""

    async def give_back(self, deliveries: Sequence[Delivery]) -> None:
        """Have deliveries that are not finished come again, here or elsewhere."""

    async def resign(self) -> None:
        """Begin anew: something went wrong."""


class OwnedIntake(Intake):
    """A partition number of some streams, for as long as it is owned. Requests that were answered
    by whoever wrote them there are left out."""

    def __init__(self, transport: Transport, ownership: Ownership, streams: Sequence[str]) -> None:
        self._transport = transport
        self._ownership = ownership
        self._reader: Reader = transport.read(ownership, streams, ANSWERED_HEADER)

    async def take(self, limit: int) -> Sequence[Delivery]:
        return await self._reader.take(limit)

    async def finish(
        self,
        deliveries: Sequence[Delivery],
        outputs: Sequence[Output],
        handed: Callable[[], None] | None,
    ) -> Sequence[Written]:
        return await self._transport.finish(self._ownership, deliveries, outputs, handed)

    async def give_back(self, deliveries: Sequence[Delivery]) -> None:
        await self._transport.give_back(self._ownership, deliveries)

    async def resign(self) -> None:
        await self._transport.resign(self._ownership)
