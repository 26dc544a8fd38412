"""Records that are written behind the answers that they tell of."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from penstock.core.contracts.transport import Output, PartlyWrittenError, Transport, Written
from penstock.core.errors import OverloadedError, TooLargeError
from penstock.core.metrics import Metrics
from penstock.core.records import Absent, Body, Failed
from penstock.core.streams.clock import TransportClock
from penstock.core.streams.omitted import without_tensors

LINGER_S: Final = 0.01
"""So long a batch waits to be a full one: many small ones cost the requests beside them more than
all else that is done for streams."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WriteBehindLimits:
    """How many records may wait, and how many of them go as one batch; bytes are of tensors."""

    records: int = 50_000
    held_bytes: int = 64 * 1024 * 1024
    batch: int = 500
    batch_bytes: int = 4 * 1024 * 1024


class WriteBehind:
    """Writes in the order of :meth:`put`, one batch at a time, and holds nobody up.

    What finds no room, or is not taken by the transport, is not written: that is counted for each
    pipeline and logged once, until something is written again. Of a record that is too large
    headers and signature are written. All methods are called on the event loop.
    """

    def __init__(
        self,
        transport: Transport,
        clock: TransportClock,
        metrics: Metrics,
        limits: WriteBehindLimits | None = None,
    ) -> None:
        self._transport = transport
        self._clock = clock
        self._metrics = metrics
        self._limits = limits or WriteBehindLimits()
        self._waiting: deque[Output] = deque()
        self._under_way: Sequence[Output] = ()
        self._held = 0
        """Bytes of what waits and of what is under way."""
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._lost = 0
        """Records that were not written since one was."""

    def put(self, outputs: Sequence[Output]) -> None:
        """Have records written: all of them or, where there is no room, none."""
        size = _size(outputs)
        limits = self._limits
        waiting = len(self._waiting) + len(outputs)
        if waiting > limits.records or (self._held and self._held + size > limits.held_bytes):
            self._lose(outputs, "too much waits to be written")
            return
        self._held += size
        self._waiting.extend(outputs)
        if self._task is None and self._timer is None:
            self._linger()

    async def drain(self) -> None:
        """Return when all is written that can be."""
        while self._timer is not None or self._task is not None:
            if self._timer is not None:
                self._timer.cancel()
                self._begin()
            if self._task is not None:
                await asyncio.wait([self._task])

    async def stop(self) -> None:
        """Write no more."""
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        left = [*self._under_way, *self._waiting]
        self._waiting.clear()
        if left:
            self._lose(left, "the process stops")

    def _linger(self) -> None:
        wait_s = LINGER_S if len(self._waiting) < self._limits.batch else 0.0
        self._timer = asyncio.get_running_loop().call_later(wait_s, self._begin)

    def _begin(self) -> None:
        self._timer = None
        work = self._write()
        self._task = asyncio.get_running_loop().create_task(work, name="writing behind answers")

    async def _write(self) -> None:
        batch = self._under_way = self._next_batch()
        await self._publish(batch)
        self._under_way = ()
        self._held -= _size(batch)
        self._task = None
        if self._waiting:
            self._linger()

    def _next_batch(self) -> list[Output]:
        batch: list[Output] = []
        size = 0
        while self._waiting and len(batch) < self._limits.batch and size < self._limits.batch_bytes:
            output = self._waiting.popleft()
            size += _nbytes(output.record.body)
            batch.append(output)
        return batch

    async def _publish(self, outputs: Sequence[Output]) -> None:
        asked_ms = self._clock.local_ms()
        try:
            written = await self._written(outputs)
        except TooLargeError as error:
            await self._publish_smaller(outputs, error)
        except PartlyWrittenError as error:
            await self._publish_rest(outputs, error)
        except Exception as error:
            # The transport has tried for as long as it thinks right, and may have written some:
            # what is written twice is worse than what is missing.
            self._lose(outputs, str(error))
        else:
            self._clock.learn_of(written[-1:], asked_ms, self._clock.local_ms())
            self._recover()

    async def _written(self, outputs: Sequence[Output]) -> Sequence[Written]:
        while True:
            try:
                return await self._transport.publish(outputs)
            except OverloadedError as error:
                # Whoever reads what we write is slow. What comes meanwhile waits here.
                await asyncio.sleep(error.retry_after_s)

    async def _publish_rest(self, outputs: Sequence[Output], error: PartlyWrittenError) -> None:
        """What is written stays as it is."""
        too_large: list[Output] = []
        for index, why in error.refusals.items():
            if isinstance(why, TooLargeError):
                too_large.append(outputs[index])
            else:
                self._lose([outputs[index]], why.message)
        if too_large:
            await self._publish_smaller(too_large, TooLargeError(error.message))

    async def _publish_smaller(self, outputs: Sequence[Output], error: TooLargeError) -> None:
        """Nothing is written of a batch in which one is too large: find that one by halves."""
        middle = len(outputs) // 2
        if middle:
            await self._publish(outputs[:middle])
            await self._publish(outputs[middle:])
            return
        (output,) = outputs
        smaller = without_tensors(output.record)
        if smaller is output.record:
            self._lose(outputs, str(error))
        else:
            await self._publish([output._replace(record=smaller)])

    def _lose(self, outputs: Sequence[Output], why: str) -> None:
        for output in outputs:
            self._metrics.count_unwritten(output.record.pipeline)
        if not self._lost:
            _log.warning(
                "records of requests that are answered cannot be written to their streams: %s", why
            )
        self._lost += len(outputs)

    def _recover(self) -> None:
        lost, self._lost = self._lost, 0
        if lost:
            _log.warning("records are written again; %d of answered requests are missing", lost)


def _size(outputs: Sequence[Output]) -> int:
    return sum([_nbytes(output.record.body) for output in outputs])


def _nbytes(body: Body) -> int:
    if isinstance(body, Absent | Failed):
        return 0
    return sum([tensor.nbytes for tensor in body])
