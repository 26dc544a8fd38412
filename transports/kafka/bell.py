"""Ends a consumer's fetch that waits for messages, so that a partition is read when it is to be.

librdkafka has one fetch under way with a broker. It asks about the partitions that were assigned
when it was sent, and waits at the broker for as long as ``fetch.wait.max.ms`` says. A short time
there would have a process that holds a thousand partitions ask about all of them many times a
second when nothing happens. A message in a partition that the fetch asks about ends it at once.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from penstock.core.contracts.transport import StreamSpec
from penstock.core.errors import OverloadedError
from penstock.transports.kafka.messages import KafkaMessage
from penstock.transports.kafka.outgoing import Outgoing
from penstock.transports.kafka.sender import Place, Sender

PARTITIONS: Final = 16
"""Processes that hear one partition are rung out of their waiting by each other, for nothing."""

MOST_HEARD: Final = 4
"""Each that is heard is named in every fetch."""

RINGS_S: Final = (0.005, 0.02, 0.06, 0.15, 0.35)
"""When it rings. Before a partition is fetched the broker may have to answer questions about it,
and it answers none of a connection before the fetch that came first."""

AGAIN_S: Final = 0.5
"""How often it rings after these, while it is seen that a fetch does not ask about all."""

SETTINGS: Final[Mapping[str, str]] = {"retention.ms": "3600000", "segment.bytes": "1048576"}

_RING: Final = KafkaMessage(None, b"r", [])

_log = logging.getLogger(__name__)


class Bell:
    """The bell of one process, in a topic of all. Methods are called on the event loop."""

    def __init__(self, root: str, sender: Sender) -> None:
        self.topic = f"{root}.bell"
        self.numbers = [secrets.randbelow(PARTITIONS)]
        """The partitions that it rings in."""
        self._sender = sender
        self._timers: deque[asyncio.TimerHandle] = deque()
        self._awaited: list[Callable[[], bool]] = []
        self._again: asyncio.TimerHandle | None = None

    @property
    def spec(self) -> StreamSpec:
        """The topic as it is wanted."""
        return StreamSpec(self.topic, PARTITIONS)

    def reach(self, brokers: int) -> None:
        """Ring at so many brokers, before anybody hears it: at each a fetch waits. Kafka gives
        partitions that follow each other to different ones, which most often they stay with."""
        first = self.numbers[0]
        heard = range(min(brokers, MOST_HEARD))
        self.numbers = [(first + each) % PARTITIONS for each in heard]

    async def ring(self) -> Mapping[int, int]:
        """Ring, and return when the broker has it, with the offset by the number of each partition,
        where it is known. Raises what :meth:`Sender.send` raises, and fails with."""
        places = await self._send()
        return {each.partition: each.offset for each in places if each.offset is not None}

    def ring_soon(self) -> None:
        """A partition was added to what is fetched, or is no more left out. Those that are before
        the first ring share it and the others; one that is later has all of them again."""
        if len(self._timers) < len(RINGS_S):
            self._stop_rings()
            loop = asyncio.get_running_loop()
            self._timers = deque(loop.call_later(wait_s, self._ring_on_time) for wait_s in RINGS_S)

    def ring_until(self, is_read: Callable[[], bool]) -> None:
        """A partition was added, and ``is_read`` tells whether a fetch has asked about it since: a
        broker that has much to do may answer questions about it after the last ring."""
        self._awaited.append(is_read)
        if self._again is None:
            self._again = asyncio.get_running_loop().call_later(AGAIN_S, self._ring_again)

    def close(self) -> None:
        """Ring no more."""
        self._awaited.clear()
        self._stop_rings()
        if self._again is not None:
            self._again.cancel()

    def _stop_rings(self) -> None:
        for timer in self._timers:
            timer.cancel()

    def _ring_on_time(self) -> None:
        self._timers.popleft()
        self._ring()

    def _ring_again(self) -> None:
        self._again = None
        self._awaited = [is_read for is_read in self._awaited if not is_read()]
        if self._awaited:
            self._again = asyncio.get_running_loop().call_later(AGAIN_S, self._ring_again)
            self._ring()

    def _ring(self) -> None:
        try:
            self._send().add_done_callback(_not_rung)
        except OverloadedError as error:
            _log.debug("nothing is rung: %s", error)  # what is written ends fetches as well

    def _send(self) -> asyncio.Future[Sequence[Place]]:
        return self._sender.send(
            [Outgoing(self.topic, number, _RING, _RING.nbytes) for number in self.numbers]
        )


def _not_rung(places: asyncio.Future[Sequence[Place]]) -> None:
    error = places.exception()
    if error is not None:
        _log.debug("it was not rung: %s", error)  # where nothing is taken, nothing is to be read
