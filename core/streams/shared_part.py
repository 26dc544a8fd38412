"""The part of one worker in requests that are handed out one by one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from itertools import count
from typing import Final, TypeAlias

from penstock.core.contracts.transport import Ownership, Transport
from penstock.core.errors import PenstockError
from penstock.core.streams.first_hand import FirstHand
from penstock.core.streams.holding import Holding
from penstock.core.streams.intake import Intake
from penstock.core.streams.pipeline import StreamedPipeline

AGAIN_S: Final = 1.0
"""How long it rests when it cannot be begun."""

Hold: TypeAlias = Callable[[StreamedPipeline, Ownership, Intake], Holding]
"""Begins to work on what an intake brings."""

_log = logging.getLogger(__name__)


class SharedPart:
    """Takes part as long as it is not ended, beginning anew when something goes wrong.

    ``holdings`` has its own among those of partitions: the ownership under which it stands there is
    nobody else's.
    """

    def __init__(
        self,
        transport: Transport,
        pipeline: StreamedPipeline,
        hold: Hold,
        holdings: dict[Ownership, Holding],
    ) -> None:
        self._transport = transport
        self._pipeline = pipeline
        self._hold = hold
        self._holdings = holdings
        self._group = pipeline.names.share_group(pipeline.name)
        self._epochs = count(1)
        self._now: tuple[Ownership, FirstHand] | None = None
        self._beginning: asyncio.Task[None] | None = None
        self._over = False

    async def begin(self) -> None:
        """Take part from now on. Raises what :meth:`Transport.share` raises."""
        pipeline = self._pipeline
        reader = await self._transport.share(self._group, pipeline.inputs)
        ownership = Ownership(self._group, pipeline.inputs, 0, next(self._epochs))
        intake = FirstHand(
            self._transport,
            reader,
            pipeline.aside,
            lambda answered: holding.tenure.hand_on(answered=answered),
            self._begin_anew,
        )
        self._now = ownership, intake
        holding = self._holdings[ownership] = self._hold(pipeline, ownership, intake)

    async def end(self) -> None:
        """Finish what can be finished soon, put the rest aside, and take part no more."""
        self._over = True
        if self._beginning is not None:
            self._beginning.cancel()
            await asyncio.gather(self._beginning, return_exceptions=True)
        if self._now is not None:
            ownership, intake = self._now
            grace_s = self._pipeline.limits.hand_over_ms / 1000.0
            await self._holdings.pop(ownership).hand_over(grace_s)
            await intake.close()

    def _begin_anew(self) -> None:
        if self._beginning is None and not self._over:
            self._beginning = asyncio.get_running_loop().create_task(self._again())

    async def _again(self) -> None:
        assert self._now is not None, "it was begun"
        (ownership, intake), self._now = self._now, None
        self._holdings.pop(ownership).give_up()
        await intake.close()
        while True:
            await asyncio.sleep(AGAIN_S)
            try:
                await self.begin()
                break
            except PenstockError as error:
                name = self._pipeline.name
                _log.warning("requests to '%s' are not handed out here yet: %s", name, error)
        self._beginning = None
