"""Taps on pipelines whose requests go through streams: they read the streams of ports along."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from typing import Final, NamedTuple

from penstock.core.contracts.inquiries import Begin, Tapped
from penstock.core.contracts.transport import THE_END, Delivery, From, Tail, Transport
from penstock.core.errors import (
    InvalidRequestError,
    NotReadyError,
    OverloadedError,
    PenstockError,
    UnsupportedError,
)
from penstock.core.journal.documents import tap_document
from penstock.core.journal.tap import TapRecord, Wanted
from penstock.core.pipeline_gateway.tapping import MOST_TAPS, ports_of
from penstock.core.plan import Plan
from penstock.core.records import Port
from penstock.core.streams.names import StreamNames
from penstock.core.streams.pipeline import streamed_ports
from penstock.core.streams.present import MOST_AT_ONCE
from penstock.core.streams.request import identity_of

OPENED_WITHIN_S: Final = 15.0

MOST_WAITING: Final = 16
"""So many readings of a stream wait for a follower; streams are read no faster than he reads."""


class _Stream(NamedTuple):
    """What is read of one port."""

    port: Port
    name: str
    partition: int


class StreamTaps:
    """Every tap reads for itself, and loses nothing: what is not read yet stays in its stream."""

    def __init__(self, transport: Transport, names: StreamNames) -> None:
        self._transport = transport
        self._names = names
        self._open = 0

    def tap(self, wanted: Wanted, plan: Plan, begin: Begin, most: int) -> AsyncGenerator[Tapped]:
        """As :meth:`penstock.core.journal.InquiryDesk.tap`, of the records that ``begin`` says.

        Raises at once NotFoundError for a step or partition that is not there, UnsupportedError for
        a port that is not kept, OverloadedError at the bound.
        """
        streams = list(self._streams(wanted, plan, begin))
        if self._open >= MOST_TAPS:
            raise OverloadedError(f"{MOST_TAPS} taps are open, and no more are; close one of them")
        return self._tapped(wanted, streams, begin, most)

    def _streams(self, wanted: Wanted, plan: Plan, begin: Begin) -> Iterator[_Stream]:
        kept = streamed_ports(plan)
        if begin.partition is not None and begin.partition >= plan.partitions:
            raise InvalidRequestError(
                f"pipeline '{plan.name}' has {plan.partitions} partitions, and none of number "
                f"{begin.partition}; they are counted from 0"
            )
        for port in sorted(ports_of(wanted, plan), key=str):
            if port in kept:
                numbers = range(plan.partitions) if begin.partition is None else [begin.partition]
                for number in numbers:
                    yield _Stream(port, self._names.of(plan.name, port), number)
            elif wanted.port is not None:
                raise UnsupportedError(
                    f"the records of {port} of pipeline '{plan.name}' are kept in no stream "
                    f"(record: {plan.record}), so they cannot be followed; write record: all into "
                    "its manifest"
                )

    async def _tapped(
        self, wanted: Wanted, streams: Sequence[_Stream], begin: Begin, most: int
    ) -> AsyncGenerator[Tapped]:
        news: asyncio.Queue[Sequence[Delivery] | PenstockError] = asyncio.Queue(MOST_WAITING)
        tails: list[Tail] = []
        tasks: list[asyncio.Task[None]] = []
        self._open += 1
        try:
            await self._begin(streams, begin, tails)
            tasks += [asyncio.create_task(_read(tail, news)) for tail in tails]
            yield Tapped("open", {"pipeline": wanted.name})
            told = 0
            while not most or told < most:
                for record in _records(await news.get(), wanted):
                    yield Tapped("record", tap_document(record))
                    told += 1
                    if told == most:
                        break
        finally:
            self._open -= 1
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.gather(*(tail.close() for tail in tails))

    async def _begin(self, streams: Sequence[_Stream], begin: Begin, tails: list[Tail]) -> None:
        place = _from(begin)
        try:
            async with asyncio.timeout(OPENED_WITHIN_S):
                for stream in streams:
                    tail = await self._transport.tail(stream.name, stream.partition, place)
                    tails.append(tail)
        except TimeoutError as error:
            raise NotReadyError(
                f"the streams could not be read within {OPENED_WITHIN_S:g} s; the transport is away"
            ) from error


def _from(begin: Begin) -> From:
    if begin.offset is not None:
        return From(offset=begin.offset)
    return THE_END if begin.since_ms is None else From(time_ms=begin.since_ms)


async def _read(tail: Tail, news: asyncio.Queue[Sequence[Delivery] | PenstockError]) -> None:
    try:
        while True:
            await news.put(await tail.take(MOST_AT_ONCE))
    except PenstockError as error:
        await news.put(error)


def _records(deliveries: Sequence[Delivery] | PenstockError, wanted: Wanted) -> Iterator[TapRecord]:
    """Those that are wanted. Raises what the reading has ended with."""
    if isinstance(deliveries, PenstockError):
        raise deliveries
    for delivery in deliveries:
        record = delivery.record
        told = TapRecord(
            identity_of(delivery),
            record.headers.get("x-request-id"),
            wanted.name,
            record.version,
            record.port,
            record.round,
            delivery.time_ms,
            record.body,
        )
        chosen = wanted.of(told)
        if chosen is not None:
            yield chosen
