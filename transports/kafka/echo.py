"""Whether a consumer still reads: what is rung for it comes back to it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Protocol

from penstock.core.errors import PenstockError

PAUSE_S: Final = 6.0
"""How long it is not asked whether the consumer reads."""

AGAIN_S: Final = 1.0
"""How long, once something has not come back."""

BACK_S: Final = 2.0
"""So long it may take to come back, the first time as well."""

ENOUGH: Final = 3
"""A consumer is lost if nothing came back so often, one after the other."""


class Hearer(Protocol):
    """What reads partitions in which something is rung."""

    async def catch_up(self) -> None:
        """Wait until it has done what it was told to do before."""

    def begin_anew(self) -> None:
        """Go on with another consumer."""


class Echo:
    """Asks again and again, and has a consumer that is lost replaced. Methods are called on the
    event loop. A client of librdkafka may lose all brokers, and then says nothing (see
    :class:`Ties`); to have the library tell how it stands takes long where it reads many
    partitions.

    ``ring`` writes to partitions that ``hearer`` reads, whose ``numbers`` these are, and ends with
    the offset in each when the broker has them; it raises PenstockError. What has come is told by
    :meth:`heard`.
    """

    def __init__(
        self,
        ring: Callable[[], Awaitable[Mapping[int, int]]],
        hearer: Hearer,
        numbers: Sequence[int],
    ) -> None:
        self._ring = ring
        self._hearer = hearer
        self._unheard = set(numbers)
        self._begun = asyncio.Event()
        self._heard: dict[int, int] = {}
        loop = asyncio.get_running_loop()
        loop.call_later(BACK_S, self._begun.set)
        self._task = loop.create_task(self._ask_for_ever())

    def heard(self, number: int, offset: int) -> None:
        """Something has come in partition ``number``."""
        self._heard[number] = offset
        self._unheard.discard(number)
        if not self._unheard:
            self._begun.set()

    @property
    def hears(self) -> bool:
        """Whether something has come in each partition."""
        return not self._unheard

    async def begun(self) -> None:
        """Wait until it is so, or has not been for a while."""
        await self._begun.wait()

    async def close(self) -> None:
        """Ask no more."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _ask_for_ever(self) -> None:
        missed = 0
        while True:
            await asyncio.sleep(AGAIN_S if missed else PAUSE_S)
            try:
                # A consumer that has much to do at first has not begun to hear.
                await self._hearer.catch_up()
                rung = await self._ring()
            except PenstockError:
                continue  # nothing is known of the consumer while the broker takes nothing
            await asyncio.sleep(BACK_S)
            missed = 0 if self._has_heard(rung) else missed + 1
            if missed == ENOUGH:
                self._hearer.begin_anew()
                missed = 0

    def _has_heard(self, rung: Mapping[int, int]) -> bool:
        return all(self._heard.get(number, -1) >= offset for number, offset in rung.items())
