"""The places that a process has among those that share partitions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from confluent_kafka import Message

from penstock.core.contracts.transport import (
    Delivery,
    Membership,
    Owner,
    Ownership,
    StreamSpec,
)
from penstock.core.errors import NotReadyError
from penstock.transports.kafka.amends import Measure
from penstock.transports.kafka.bell import SETTINGS, Bell
from penstock.transports.kafka.client_config import consumer_config, producer_config
from penstock.transports.kafka.group import Group
from penstock.transports.kafka.inquirer import Inquirer
from penstock.transports.kafka.leases import LeaseTimes
from penstock.transports.kafka.messages import KafkaMessage
from penstock.transports.kafka.options import KafkaOptions
from penstock.transports.kafka.outgoing import Outgoing
from penstock.transports.kafka.possession import Possession, no_longer_owned
from penstock.transports.kafka.seat import Competition, Seat
from penstock.transports.kafka.sender import Sender
from penstock.transports.kafka.standing import Standing
from penstock.transports.kafka.tails import Tails
from penstock.transports.kafka.topics import Topics
from penstock.transports.kafka.transactor import Transactor

_SETTINGS: Final = {
    # It is bounded by its size alone: after a long silence the last records still count.
    "retention.ms": "-1",
    "retention.bytes": str(64 * 1024 * 1024),
    "segment.bytes": str(16 * 1024 * 1024),
}

_FETCH_WAIT_MS: Final = 3_000
"""How long a fetch of inputs waits: many partitions are asked about each time, and a bell ends it
when one is added, or is read again."""

_TIME: Final = KafkaMessage(None, b"t", [])
"""Says nothing, and is stamped with the time."""

_TIME_S: Final = 10.0
_LEAVE_S: Final = 5.0


class Memberships:
    """Competes for partitions. All methods are called on the event loop.

    A process has one seat. It has another one only where it competes twice for the same.
    ``written`` is that of :class:`Amends`.
    """

    def __init__(
        self,
        options: KafkaOptions,
        topics: Topics,
        sender: Sender,
        inquirer: Inquirer,
        tails: Tails,
        deliver: Callable[[Message, int], Delivery],
        missing: Callable[[str], None],
        written: Measure,
    ) -> None:
        self._options = options
        self._topics = topics
        self._sender = sender
        self._inquirer = inquirer
        self._tails = tails
        self._deliver = deliver
        self._missing = missing
        self._written = written
        self._topic = f"{options.root}.members"
        self._seats: list[Seat] = []
        self._seating = asyncio.Lock()
        self._groups: dict[str, Group] = {}
        self._bell = Bell(options.root, sender)

    async def start(self) -> None:
        """See to it that there is a log, and a bell."""
        await self._topics.make([StreamSpec(self._topic)], _SETTINGS)
        await self._topics.make([self._bell.spec], SETTINGS)
        self._bell.reach(await self._topics.brokers())
        # A broker may know a topic before its partitions are there. A consumer that is refused them
        # has its first fetch wait without them, and nothing ends it.
        await self._bell.ring()

    async def stop(self) -> None:
        """Leave."""
        self._bell.close()
        for seat in self._seats:
            await seat.stop(_LEAVE_S)
        for group in self._groups.values():
            await group.close()

    async def time_ms(self) -> float:
        """The broker's time."""
        try:
            async with asyncio.timeout(_TIME_S):
                while True:
                    sent = self._sender.send([Outgoing(self._topic, 0, _TIME, _TIME.nbytes)])
                    [place] = await sent
                    if place.time_ms is not None:
                        return place.time_ms
        except TimeoutError:
            raise NotReadyError(
                f"Kafka at {self._options.bootstrap_servers} has not answered within {_TIME_S:g} s"
            ) from None

    async def compete(
        self, group: str, stream: str, partitions: int, owner: Owner, *, atomic: bool
    ) -> Membership:
        """Take part in sharing the partitions of a stream within a group."""
        subject = group, stream
        async with self._seating:
            seat = next((each for each in self._seats if not each.competes_for(subject)), None)
            if seat is None:
                seat = self._seat()
                await seat.start()
                self._seats.append(seat)
            if group not in self._groups:
                config = consumer_config(self._options, fetch_wait_ms=_FETCH_WAIT_MS)
                config["group.id"] = group
                self._groups[group] = Group(
                    config, self._deliver, self._missing, self._bell, self._sender.look
                )
            seat.compete(subject, partitions, Competition(owner, self._groups[group], atomic))
        return _KafkaMembership(seat, subject)

    def resize(self, stream: str, partitions: int) -> None:
        """A stream has so many partitions now."""
        for seat in self._seats:
            seat.resize(stream, partitions)

    def begin_anew(self, stream: str) -> None:
        """A stream was deleted and made again."""
        for seat in self._seats:
            seat.begin_anew(stream)

    async def forget(self, stream: str) -> None:
        """A stream is gone, and all that was owned of it."""
        for seat in self._seats:
            for subject in seat.competitions():
                if subject[1] == stream:
                    await seat.withdraw(subject)

    def possession(self, ownership: Ownership) -> Possession:
        """What is read and finished under an ownership. Raises FencedError when it is over."""
        for seat in self._seats:
            possession = seat.possession(ownership)
            if possession is not None:
                possession.check()
                return possession
        raise no_longer_owned(ownership)

    def give_up(self, possession: Possession) -> None:
        """Nobody knows how far something went under an ownership: it ends."""
        for seat in self._seats:
            seat.give_up(possession)

    def _seat(self) -> Seat:
        options = self._options
        number = len(self._seats) + 1
        return Seat(
            options.instance if number == 1 else f"{options.instance}-{number}",
            LeaseTimes(float(options.lease_ms), float(options.beat_ms)),
            self._topic,
            self._sender,
            self._inquirer,
            self._tails,
            self._begin_transactions,
            self._written,
        )

    async def _begin_transactions(self, instance: str, standing: Standing) -> Transactor:
        """What writes in transactions as an instance; whoever did before is fenced."""
        name = f"{self._options.root}.dataflow.{instance}"
        config = producer_config(self._options, name)
        transactor = Transactor(config, self._topic, standing)
        await transactor.begin()
        return transactor


class _KafkaMembership(Membership):
    def __init__(self, seat: Seat, subject: tuple[str, str]) -> None:
        self._seat = seat
        self._subject = subject

    async def leave(self) -> None:
        await self._seat.withdraw(self._subject)
