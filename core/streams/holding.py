"""One partition in the hands of a worker: carries out over a transport what its tenure asks for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Final, TypeVar

from penstock.core.contracts.transport import (
    THE_END,
    Delivery,
    FencedError,
    Only,
    Output,
    Ownership,
    PartlyWrittenError,
    Tail,
    Transport,
    Written,
)
from penstock.core.errors import NotReadyError, OverloadedError, PenstockError
from penstock.core.records import Failed
from penstock.core.streams.beside import Beside, Tell
from penstock.core.streams.clock import TransportClock
from penstock.core.streams.headers import CALL_HEADER
from penstock.core.streams.hearing import Hearing
from penstock.core.streams.intake import Intake
from penstock.core.streams.outbox import Outbox, Sender
from penstock.core.streams.pipeline import StreamedPipeline
from penstock.core.streams.request import StreamRequest
from penstock.core.streams.tenure import Batch, Tenure

T = TypeVar("T")

MOST_HEARD: Final = 256
"""Outcomes of calls that are read in one go."""

RESIGN_S: Final = 1.0
"""How long a partition rests after the work on it went wrong."""

_log = logging.getLogger(__name__)


class Holding:
    """The tasks around one tenure. It decides nothing. ``intake`` is what it takes records from."""

    def __init__(
        self,
        transport: Transport,
        pipeline: StreamedPipeline,
        ownership: Ownership,
        intake: Intake,
        clock: TransportClock,
        beside: Beside | None = None,
    ) -> None:
        self._transport = transport
        self._intake = intake
        self._ownership = ownership
        self._clock = clock
        self._pipeline = pipeline
        # Of what is exactly once the answer is part of the transaction.
        self._beside = None if pipeline.exactly_once else beside
        self._calls = Outbox(transport, clock)
        self._heard: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._resigning: set[asyncio.Task[None]] = set()
        """Not among the tasks, which end when the partition is lost: that follows from it."""
        self._taking: asyncio.Task[None] | None = None
        self._drained = asyncio.Event()
        self._tenure: Tenure | None = None

    @property
    def tenure(self) -> Tenure:
        """What is decided about the partition."""
        assert self._tenure is not None, "begin() comes first"
        return self._tenure

    def begin(self, tenure: Tenure) -> None:
        """Take up the work."""
        self._tenure = tenure
        tenure.pump()

    async def hear(self) -> None:
        """Return when all can be heard that the pipeline wants to hear of calls elsewhere, from now
        on."""
        wanted = [each for each in self._pipeline.heard.items() if each[0] not in self._heard]
        for stream, step in wanted:
            self._heard.add(stream)
            partition = self._ownership.partition
            try:
                tail = await self._transport.tail(stream, partition, THE_END)
            except BaseException:
                self._heard.discard(stream)  # who asks again is to hear it
                raise
            self.tenure.calls.hear_by(step, Hearing(tail))
            self._spawn(partial(self._listen, step), tail)

    async def hand_over(self, grace_s: float) -> None:
        """Finish what can be finished in ``grace_s``, give the rest back, and end."""
        tenure = self.tenure
        tenure.close()
        try:
            if not await self._is_drained(grace_s):
                tenure.abandon()
                await self._is_drained(grace_s)
        finally:
            self.give_up()
            await asyncio.gather(self._calls.close(), *self._tasks, return_exceptions=True)

    def give_up(self) -> None:
        """Drop everything at once; what is not finished comes to the next owner."""
        self.tenure.calls.close()
        self.tenure.fenced()
        for task in self._tasks:
            task.cancel()

    # What the tenure asks for -------------------------------------------------------------------

    def restore(self, streams: Sequence[str]) -> None:
        """Read what joins have kept."""
        self._spawn(self._restore, streams)

    def take(self, limit: int) -> None:
        """Wait for records."""
        self._taking = self._spawn(self._take, limit)
        self._taking.add_done_callback(self._taken)

    def stop_taking(self) -> None:
        """Cancel the wait for records."""
        if self._taking is not None:
            self._taking.cancel()

    def finish(self, batch: Batch) -> None:
        """Write a batch."""
        self._spawn(self._finish, batch)

    def publish(self, request: StreamRequest, call: Output) -> None:
        """Write a call by itself."""
        if not self.tenure.over:
            self._calls.put(call, _Call(self, request, call))

    def pump_later(self) -> None:
        """Have the tenure look for what is to be done in the loop's next turn."""
        asyncio.get_running_loop().call_soon(self.tenure.pump)

    def call_refused(self, call: _Call, error: PenstockError) -> None:
        """A call is not written, or it is not known whether it is."""
        if self.tenure.over:
            return
        if isinstance(error, OverloadedError):
            loop = asyncio.get_running_loop()
            loop.call_later(error.retry_after_s, self.publish, call.request, call.output)
        elif isinstance(error, NotReadyError):
            self._go_wrong(error)
        else:
            failure = Failed(error.code, error.message)
            self.tenure.call_refused(call.request, call.output, failure)

    def give_back(self, deliveries: Sequence[Delivery]) -> None:
        """Give records back."""
        self._spawn(self._give_back, deliveries)

    def drained(self) -> None:
        """The work is over."""
        self._drained.set()

    async def _restore(self, streams: Sequence[str]) -> None:
        transport, ownership = self._transport, self._ownership
        await self.hear()
        self.tenure.restored(
            {stream: await transport.read_all(ownership, stream) for stream in streams}
        )

    async def _listen(self, step: str, tail: Tail) -> None:
        calls = self.tenure.calls
        only = Only(CALL_HEADER, partial(calls.reads, step))
        try:
            while True:
                for delivery in await tail.take(MOST_HEARD, only):
                    self._clock.pass_by(delivery.time_ms)
                    calls.heard(delivery)
        finally:
            await tail.close()

    async def _take(self, limit: int) -> None:
        deliveries = await self._intake.take(limit)
        self._clock.pass_by(max(delivery.time_ms for delivery in deliveries))
        self.tenure.taken(deliveries)

    def _taken(self, taking: asyncio.Task[None]) -> None:
        if taking.cancelled():
            self.tenure.taken(())

    async def _finish(self, batch: Batch) -> None:
        asked_ms = self._clock.local_ms()
        tell: Tell | None = None
        outputs: Sequence[Output] = batch.outputs
        if self._beside is not None:
            tell, outputs = self._beside.concerned(outputs)
        try:
            written = await self._written(batch.deliveries, outputs, tell)
        except FencedError:
            raise
        except PartlyWrittenError as error:
            why = next(iter(error.refusals.values()))
            self._refused(batch.only([outputs[index] for index in error.refusals]), why)
            return
        except PenstockError as error:
            self._refused(batch, error)
            return
        self._clock.learn_of(written, asked_ms, self._clock.local_ms())
        self.tenure.finished(batch)

    def _refused(self, batch: Batch, error: PenstockError) -> None:
        if not self.tenure.refused(batch, Failed(error.code, error.message)):
            raise error

    async def _written(
        self, deliveries: Sequence[Delivery], outputs: Sequence[Output], tell: Tell | None
    ) -> Sequence[Written]:
        while True:
            try:
                return await self._intake.finish(deliveries, outputs, tell)
            except OverloadedError as error:
                # Whoever reads what we write is slow. We take nothing more meanwhile.
                await asyncio.sleep(error.retry_after_s)

    async def _give_back(self, deliveries: Sequence[Delivery]) -> None:
        await self._intake.give_back(deliveries)
        self.tenure.returned()

    # Its tasks ----------------------------------------------------------------------------------

    def _spawn(
        self, work: Callable[[T], Coroutine[Any, Any, None]], about: T
    ) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(self._carried_out(work, about))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _carried_out(self, work: Callable[[T], Coroutine[Any, Any, None]], about: T) -> None:
        try:
            await work(about)
        except FencedError:
            self.tenure.fenced()
        except Exception as error:
            self._go_wrong(error)

    def _go_wrong(self, error: Exception) -> None:
        place = f"partition {self._ownership.partition} of '{self._ownership.stream}'"
        _log.error("the work on %s ends; whoever wins it next goes on", place, exc_info=error)
        self.tenure.fenced()
        asyncio.get_running_loop().call_later(RESIGN_S, self._resign)

    def _resign(self) -> None:
        """Let the partition go; not at once, for what went wrong may go wrong again."""
        task = asyncio.get_running_loop().create_task(self._intake.resign())
        self._resigning.add(task)
        task.add_done_callback(self._resigning.discard)

    async def _is_drained(self, within_s: float) -> bool:
        try:
            async with asyncio.timeout(within_s):
                await self._drained.wait()
        except TimeoutError:
            return False
        return True


class _Call(Sender):
    """A call that goes by itself."""

    __slots__ = ("_holding", "output", "request")

    def __init__(self, holding: Holding, request: StreamRequest, output: Output) -> None:
        self._holding = holding
        self.request = request
        self.output = output

    def sent(self, written: Written) -> None:
        self._holding.tenure.call_written(self.request)

    def refused(self, error: PenstockError) -> None:
        self._holding.call_refused(self, error)
