"""Answers to requests that nobody waited for: found in the output streams, by any gateway.

The identity of such a request says in which partition of which pipeline it is, and when it was
taken in. Its answer comes later than that, in the same partition of the output stream.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import aclosing, suppress
from typing import Final, Protocol

from penstock.core.contracts.transport import THE_END, From, Tail, Transport
from penstock.core.errors import NotFoundError, NotReadyError, OverloadedError, PenstockError
from penstock.core.identity import Whereabouts, made_ms, whereabouts_of
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.journal import Story
from penstock.core.records import Absent, Failed, Port, Record
from penstock.core.streams.headers import WANTED_HEADER
from penstock.core.streams.names import StreamNames
from penstock.core.streams.present import MOST_AT_ONCE, present
from penstock.core.streams.wanted import with_wanted


class Teller(Protocol):
    """Who turns records of output streams into what callers get."""

    def puts_out(self, pipeline: str) -> bool:
        """Whether a pipeline has an output, as far as it is known."""

    def outcome(
        self, record: Record, request: InferenceRequest
    ) -> InferenceResponse | PenstockError:
        """What a caller gets for a record of an output stream."""


SLACK_MS: Final = 2_000.0
"""A clock of a process may differ by so much from the transport's."""

ACCEPTED_WITHIN_MS: Final = 60_000.0
"""A request is in its stream at the latest so long after it got its identity."""

LOOKED_FOR_S: Final = 15.0
IDLE_S: Final = 90.0
"""So long a partition is read along after somebody has last asked."""

MOST_OPEN: Final = 1_000
"""Requests at work that somebody has asked for, in one partition."""

_INPUTS = Port(None, "inputs")
_OUTPUTS = Port(None, "outputs")

_log = logging.getLogger(__name__)


class Answers:
    """Finds answers, and reads along where requests are still at work."""

    def __init__(
        self,
        transport: Transport,
        names: StreamNames,
        travelling: frozenset[str],
        now_ms: Callable[[], float],
        teller: Teller,
    ) -> None:
        self._transport = transport
        self._names = names
        self._travelling = travelling
        self._now_ms = now_ms
        self._teller = teller
        self._watches: dict[Whereabouts, _Watch] = {}

    async def story(self, identity: str) -> Story | None:
        """What has become of a request; None for an identity that says no place.

        Raises NotFoundError when its streams do not hold it, NotReadyError when they cannot be
        looked through.
        """
        where, at_ms = whereabouts_of(identity), made_ms(identity)
        if where is None or at_ms is None:
            return None
        try:
            async with asyncio.timeout(LOOKED_FOR_S):
                return await self._found(identity, where, at_ms)
        except TimeoutError as error:
            raise NotReadyError(
                f"the answer to request '{identity}' was not found within {LOOKED_FOR_S:g} s; the "
                "transport is away, or there is too much to look through; ask again later"
            ) from error

    async def stop(self) -> None:
        """Read nothing along any more."""
        await asyncio.gather(*(watch.stop() for watch in list(self._watches.values())))

    async def _found(self, identity: str, where: Whereabouts, at_ms: int) -> Story:
        watch = await self._watch(where)
        known = watch.known(identity)
        if known is not None:
            return known
        story = Story(
            identity,
            where.pipeline,
            0,
            InferenceRequest(None, ()),
            {},
            float(at_ms),
            float("inf"),
            asynchronous=True,
        )
        # First, so that no answer comes between what is there and what is to come.
        watch.wait_for(story)
        try:
            await self._look_through(story, where, at_ms, watch)
        except BaseException:
            watch.forget(identity)
            raise
        return story

    async def _look_through(
        self, story: Story, where: Whereabouts, at_ms: int, watch: _Watch
    ) -> None:
        identity = story.identity
        ends = self._ends_of(where.pipeline)
        answer = await self._look_up(identity, ends, where, at_ms, float("inf"))
        if answer is not None:
            watch.answered(answer)
        if story.result is not None:
            return
        inputs = self._names.of(where.pipeline, _INPUTS)
        asked = await self._look_up(identity, inputs, where, at_ms, at_ms + ACCEPTED_WITHIN_MS)
        if asked is None:
            raise NotFoundError(f"request '{identity}' is not kept any more, or never was")
        self.describe(story, asked)

    async def _look_up(
        self, identity: str, stream: str, where: Whereabouts, at_ms: int, until_ms: float
    ) -> Record | None:
        """The record of a request in a stream, of those that were written by ``until_ms``."""
        begin = From(time_ms=at_ms - SLACK_MS)
        async with aclosing(present(self._transport, stream, where.partition, begin)) as deliveries:
            async for delivery in deliveries:
                if delivery.record.identity == identity:
                    return delivery.record
                if delivery.time_ms > until_ms:
                    break
        return None

    async def _watch(self, where: Whereabouts) -> _Watch:
        watch = self._watches.get(where)
        if watch is None:
            watch = self._watches[where] = _Watch(self, where)
        try:
            await watch.start(self._transport, self._ends_of(where.pipeline))
        except BaseException:
            self.ended(where)
            raise
        return watch

    def _ends_of(self, pipeline: str) -> str:
        """The stream that says how requests to a pipeline have ended."""
        if self._teller.puts_out(pipeline):
            return self._names.of(pipeline, _OUTPUTS)
        return self._names.ended(pipeline)

    # What watches say

    def ended(self, where: Whereabouts) -> None:
        """Nobody reads a partition along any more."""
        self._watches.pop(where, None)

    def settle(self, story: Story, record: Record) -> None:
        """The answer is there."""
        self.describe(story, record)
        story.version = record.version
        story.settle(self._teller.outcome(record, story.request), self._now_ms())
        story.end(self._now_ms())

    def describe(self, story: Story, record: Record) -> None:
        """Have a story say what a record tells of the request."""
        body = record.body
        tensors = () if isinstance(body, Absent | Failed) or record.port == _OUTPUTS else body
        request = InferenceRequest(record.request_id, tensors, record.parameters)
        story.request = with_wanted(request, record.headers.get(WANTED_HEADER))
        story.headers = {
            name: text for name, text in record.headers.items() if name in self._travelling
        }


class _Watch:
    """Reads one partition of an output stream along, for requests that are at work."""

    def __init__(self, answers: Answers, where: Whereabouts) -> None:
        self._answers = answers
        self._where = where
        self._starting: asyncio.Task[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._open: dict[str, Story] = {}
        self._asked_s = 0.0

    async def start(self, transport: Transport, stream: str) -> None:
        """Return when it reads from now on, if not before."""
        self._asked_s = asyncio.get_running_loop().time()
        if self._starting is None:
            self._starting = asyncio.create_task(self._begin(transport, stream))
        await asyncio.shield(self._starting)

    async def stop(self) -> None:
        """Read no more."""
        tasks = [task for task in (self._starting, self._task) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def known(self, identity: str) -> Story | None:
        """The story of a request that is waited for."""
        return self._open.get(identity)

    def wait_for(self, story: Story) -> None:
        """Settle a story when its answer comes. Raises OverloadedError at the bound."""
        if len(self._open) >= MOST_OPEN:
            for each in [each for each in self._open.values() if not each.awaited]:
                del self._open[each.identity]
        if len(self._open) >= MOST_OPEN:
            raise OverloadedError(
                f"{MOST_OPEN} answers of pipeline '{story.pipeline}' are waited for; ask later"
            )
        self._open[story.identity] = story

    def forget(self, identity: str) -> None:
        """Nobody asks for a request any more."""
        self._open.pop(identity, None)

    def answered(self, record: Record) -> None:
        """A record of the output stream."""
        story = self._open.pop(record.identity, None)
        if story is not None:
            self._answers.settle(story, record)

    async def _begin(self, transport: Transport, stream: str) -> None:
        tail = await transport.tail(stream, self._where.partition, THE_END)
        self._task = asyncio.create_task(
            self._read(tail), name=f"reading answers of '{stream}' along"
        )

    async def _read(self, tail: Tail) -> None:
        try:
            while self._is_of_use():
                with suppress(TimeoutError):
                    async with asyncio.timeout(IDLE_S):
                        for delivery in await tail.take(MOST_AT_ONCE):
                            self.answered(delivery.record)
        except PenstockError as error:
            _log.warning("answers of '%s' cannot be read along: %s", self._where.pipeline, error)
        finally:
            self._answers.ended(self._where)
            await tail.close()

    def _is_of_use(self) -> bool:
        """Whether somebody waits, or may ask again."""
        idle_s = asyncio.get_running_loop().time() - self._asked_s
        return idle_s < IDLE_S or any(each.awaited for each in self._open.values())
