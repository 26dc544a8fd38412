"""What a broker forgot to end of what this process has written: ended when Kafka is back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final, TypeAlias

from penstock.core.contracts.transport import Extent
from penstock.core.errors import NotFoundError, PenstockError
from penstock.transports.kafka.assigned import TopicNumber
from penstock.transports.kafka.transactor import Transactor

UNENDED_S: Final = 4.0
"""So long a transaction may take to end that nobody has forgotten."""

_LOOK_S: Final = 0.5
_AGAIN_S: Final = 0.5

_log = logging.getLogger(__name__)

Measure: TypeAlias = Callable[[TopicNumber], Awaitable[Extent]]


class Amends:
    """Those of one member (decision 69). Methods are called on the event loop.

    ``committed`` says up to where a partition can be read by whoever reads what is committed, and
    ``written`` up to where anything is written; both raise PenstockError. ``transactor_now`` is
    what the process writes in transactions with.
    """

    def __init__(
        self,
        committed: Measure,
        written: Measure,
        transactor_now: Callable[[], Awaitable[Transactor]],
    ) -> None:
        self._committed = committed
        self._written = written
        self._transactor_now = transactor_now
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Kafka was away, and is back: look at what was written last."""
        if self._task is not None:
            self._task.cancel()
        self._task = asyncio.get_running_loop().create_task(self._make())

    async def close(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _make(self) -> None:
        while True:
            try:
                transactor = await self._transactor_now()
                since_s = transactor.in_doubt_since_s
                forgotten = await self._forgotten(transactor.in_doubt)
                if forgotten:
                    _log.warning(
                        "Kafka has forgotten to end a transaction in %s; it is ended",
                        ", ".join(f"{topic}/{number}" for topic, number in sorted(forgotten)),
                    )
                    await transactor.end_in(forgotten)
                if not transactor.is_over:
                    transactor.trust(since_s)
                    return
            except PenstockError as error:
                _log.warning("it is looked again whether transactions have ended: %s", error)
                await asyncio.sleep(_AGAIN_S)

    async def _forgotten(self, places: Iterable[TopicNumber]) -> list[TopicNumber]:
        """Where something written stays unread for longer than it may."""
        until_s = asyncio.get_running_loop().time() + UNENDED_S
        ends = await self._ends(self._written, places)
        while True:
            reached = await self._ends(self._committed, ends)
            left = [where for where, end in reached.items() if end < ends[where]]
            if not left or asyncio.get_running_loop().time() >= until_s:
                return left
            await asyncio.sleep(_LOOK_S)

    async def _ends(
        self, measure: Measure, places: Iterable[TopicNumber]
    ) -> Mapping[TopicNumber, int]:
        """Those of partitions that are still there."""
        ends: dict[TopicNumber, int] = {}
        for where in places:
            try:
                ends[where] = (await measure(where)).end
            except NotFoundError:
                continue
        return ends
