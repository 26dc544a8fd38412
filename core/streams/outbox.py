"""Requests on their way into streams: what comes in one turn of the loop goes as one batch."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Protocol

from penstock.core.contracts.transport import Output, PartlyWrittenError, Transport, Written
from penstock.core.errors import InternalError, NotReadyError, PenstockError
from penstock.core.streams.clock import TransportClock

_log = logging.getLogger(__name__)


class Sender(Protocol):
    """Who has something written, and is told once what became of it."""

    def sent(self, written: Written) -> None:
        """It is acknowledged."""

    def refused(self, error: PenstockError) -> None:
        """It is not written; with NotReadyError it may be all the same."""


class Outbox:
    """Publishes. How much may be on its way, those see to who put it here."""

    __slots__ = ("_clock", "_outputs", "_senders", "_tasks", "_transport")

    def __init__(self, transport: Transport, clock: TransportClock) -> None:
        self._transport = transport
        self._clock = clock
        self._outputs: list[Output] = []
        self._senders: list[Sender] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def put(self, output: Output, sender: Sender) -> None:
        """Have a record written."""
        if not self._outputs:
            asyncio.get_running_loop().call_soon(self._post)
        self._outputs.append(output)
        self._senders.append(sender)

    async def close(self) -> None:
        """Wait for nothing any more, and send nothing more."""
        self._outputs, self._senders = [], []
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _post(self) -> None:
        outputs, self._outputs = self._outputs, []
        senders, self._senders = self._senders, []
        if not outputs:
            return  # closed meanwhile
        task = asyncio.get_running_loop().create_task(self._publish(outputs, senders))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _publish(self, outputs: Sequence[Output], senders: Sequence[Sender]) -> None:
        asked_ms = self._clock.local_ms()
        try:
            written = await self._transport.publish(outputs)
        except PartlyWrittenError as error:
            await self._partly_sent(outputs, senders, error)
            return
        except Exception as error:
            await self._refused(outputs, senders, _known(error))
            return
        # Those of one batch were stamped at about one moment.
        self._clock.learn_of(written[-1:], asked_ms, self._clock.local_ms())
        for sender, place in zip(senders, written, strict=True):
            sender.sent(place)

    async def _partly_sent(
        self, outputs: Sequence[Output], senders: Sequence[Sender], error: PartlyWrittenError
    ) -> None:
        for sender, place in zip(senders, error.places, strict=True):
            if place is not None:
                sender.sent(place)
        left = error.refusals
        why = next(iter(left.values()))
        await self._refused([outputs[i] for i in left], [senders[i] for i in left], why)

    async def _refused(
        self, outputs: Sequence[Output], senders: Sequence[Sender], error: PenstockError
    ) -> None:
        """Nothing of these is written. They go one by one, for the sake of those that were refused
        for another's."""
        if len(outputs) > 1 and not isinstance(error, NotReadyError):
            for output, sender in zip(outputs, senders, strict=True):
                await self._publish([output], [sender])
            return
        for sender in senders:
            sender.refused(error)


def _known(error: Exception) -> PenstockError:
    if isinstance(error, PenstockError):
        return error
    _log.error("requests could not be published", exc_info=error)
    return InternalError("the request could not be published, by a defect of Penstock")
