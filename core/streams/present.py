"""What partitions hold at the moment, read without owning them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from typing import Final

from penstock.core.contracts.transport import Delivery, Extent, From, Transport
from penstock.core.errors import NotFoundError

GLANCE_S: Final = 0.1
"""How often it is looked whether the end of a stream is come to that has no record there."""

MOST_AT_ONCE: Final = 1_000

WINDOW: Final = 500
"""So many offsets are read in one go where the latest come first."""


async def present(
    transport: Transport, stream: str, partition: int, begin: From, before: int | None = None
) -> AsyncGenerator[Delivery]:
    """What is there now from some place on, and ``before`` an offset where one is given.

    Raises NotFoundError when there is no such stream or partition.
    """
    extent = await _extent(transport, stream, partition)
    end = extent.end if before is None else min(before, extent.end)
    tail = await transport.tail(stream, partition, begin)
    try:
        while tail.position < end:
            # What is left may be no record: the end is come to without one.
            deliveries: Sequence[Delivery] = ()
            with suppress(TimeoutError):
                async with asyncio.timeout(GLANCE_S):
                    deliveries = await tail.take(MOST_AT_ONCE)
            for delivery in deliveries:
                if delivery.offset >= end:
                    return
                yield delivery
    finally:
        await tail.close()


async def latest_first(
    transport: Transport, stream: str, partition: int
) -> AsyncGenerator[Delivery]:
    """What is there now, the latest first. Raises as :func:`present`."""
    extent = await _extent(transport, stream, partition)
    end = extent.end
    while end > extent.first:
        first = max(extent.first, end - WINDOW)
        async with aclosing(
            present(transport, stream, partition, From(offset=first), end)
        ) as deliveries:
            window = [delivery async for delivery in deliveries]
        for delivery in reversed(window):
            yield delivery
        end = first


async def _extent(transport: Transport, stream: str, partition: int) -> Extent:
    extents = await transport.extents(stream)
    if partition >= len(extents):
        raise NotFoundError(f"the stream '{stream}' has no partition {partition}")
    return extents[partition]
