"""One ownership, for as long as it holds: what is read and finished under it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from penstock.core.contracts.transport import (
    ALONE_FROM_ATTEMPT,
    Delivery,
    FencedError,
    Owner,
    Ownership,
    Reader,
)
from penstock.core.errors import NotReadyError
from penstock.transports.kafka.assigned import TopicNumber
from penstock.transports.kafka.group import COMMIT_S, Group
from penstock.transports.kafka.outgoing import Outgoing
from penstock.transports.kafka.progress import Progress
from penstock.transports.kafka.sender import Place, Sender
from penstock.transports.kafka.source import Source
from penstock.transports.kafka.standing import Standing
from penstock.transports.kafka.transactor import Transactor

Hold: TypeAlias = Callable[[Sequence[TopicNumber], Group], Awaitable[dict[TopicNumber, Progress]]]
"""Takes partitions into hand: how far the group has come in them."""


def no_longer_owned(ownership: Ownership) -> FencedError:
    """The error for who comes with an ownership that is over."""
    return FencedError(
        f"partition {ownership.partition} of '{ownership.stream}' is no longer owned with epoch "
        f"{ownership.epoch}"
    )


class Possession:
    """An ownership that was won. Its owner acts as long as the process has its ``standing``.

    ``progress`` is the group's in the stream that was competed for. With a ``transactor`` what is
    written and what is finished is one. ``hold`` takes over what else is read under it.
    """

    def __init__(
        self,
        ownership: Ownership,
        owner: Owner,
        group: Group,
        progress: Progress,
        standing: Standing,
        transactor: Transactor | None,
        hold: Hold,
    ) -> None:
        self._hold = hold
        self.ownership = ownership
        self.owner = owner
        self.group = group
        self._standing = standing
        self._transactor = transactor
        self._progress = {ownership.stream: progress}
        self.sources: dict[str, Source] = {}
        self._openings: dict[str, asyncio.Task[Source]] = {}
        self._over = False
        self.begins_anew = False
        """Whether its streams were deleted and made again, so that the group has read nothing."""
        self._under_way: set[asyncio.Future[Sequence[Place]]] = set()
        self._passed: dict[Source, int] = {}
        """Offsets of what was not given out, the last of each source, to be counted as done."""
        self.changed = asyncio.Event()
        """Set when there may be something to be taken, and when the ownership is over."""

    @property
    def is_over(self) -> bool:
        """Whether it is somebody else's, or nobody's."""
        return self._over

    def is_of(self, subject: tuple[str, str]) -> bool:
        """Whether it is of a stream in a group."""
        return self.ownership[:2] == subject

    @property
    def is_atomic(self) -> bool:
        """Whether what is written and what is finished is one."""
        return self._transactor is not None

    def progress(self) -> dict[TopicNumber, Progress]:
        """How far the group has come in what is read under this ownership."""
        number = self.ownership.partition
        return {(stream, number): progress for stream, progress in self._progress.items()}

    def check(self) -> None:
        """Raise FencedError when the ownership is over."""
        if self._over:
            raise no_longer_owned(self.ownership)

    async def may_act(self) -> None:
        """Return when the owner is known to be the owner; raises FencedError when it is not."""
        self.check()
        if not self._standing.holds():
            await self._standing.regained()
            self.check()

    def end(self) -> None:
        """It is somebody else's from now on."""
        self._over = True
        self._passed.clear()
        for source in self.sources.values():
            source.closed = True  # what is not committed is for the next owner to say
        self.changed.set()

    def begin_anew(self) -> None:
        """What it reads was deleted and made again: the next owner reads all of it."""
        self.begins_anew = True
        self._progress = dict.fromkeys(self._progress, Progress())

    async def source(self, stream: str) -> Source:
        """The owned partition number of a stream."""
        opening = self._openings.get(stream)
        if opening is None:
            opening = self._openings[stream] = asyncio.get_running_loop().create_task(
                self._open(stream)
            )
        # Who waits may be cancelled; what is begun here is for whoever comes next.
        return await asyncio.shield(opening)

    async def finish(
        self,
        deliveries: Sequence[Delivery],
        messages: Sequence[Outgoing],
        sender: Sender,
        handed: Callable[[], None] | None = None,
    ) -> Sequence[Place]:
        """Write messages, and count deliveries as done when they are acknowledged.

        ``handed`` is called when the messages are on their way; in a transaction, when it is done.
        """
        done = [
            (source, delivery.offset)
            for delivery in deliveries
            if (source := self.sources.get(delivery.stream)) is not None
        ]
        if self._transactor is not None:
            under_way = self._transactor.carry_out(messages, self.group, done)
            self._watch(under_way)
            places = await asyncio.shield(under_way)
            if handed is not None:
                handed()
            return places
        sending = sender.send(messages)
        if handed is not None:
            handed()
        places = await sending
        self.check()
        for source, offset in done:
            source.finish(offset)
            self.group.has_progressed(source)
        return places

    async def give_back(self, deliveries: Sequence[Delivery]) -> None:
        """Undo the taking of deliveries. Of those that go alone it was written down: returns when
        that is so no more, for whoever brings the process down next is not to count for them."""
        noted: dict[Source, None] = {}
        for delivery in deliveries:
            source = self.sources.get(delivery.stream)
            if source is not None:
                source.give_back(delivery.offset)
                if delivery.attempt >= ALONE_FROM_ATTEMPT:
                    noted[source] = None
        if noted and not self._over:
            await self.note(list(noted))
        self.changed.set()

    async def note(self, sources: Sequence[Source]) -> None:
        """Write down what is taken of these; returns when the broker has it. Raises NotReadyError
        when it is not known whether it has, and the owner is to resign."""
        if self._transactor is None:
            await self.group.flush(sources)
            return
        # A commit beside offsets of a transaction under way would count in their place.
        async with self._transactor.between:
            if self._transactor.is_over:
                # Of the last one nobody knows yet whether it counts.
                self.check()
                raise NotReadyError("what is taken cannot be written down: transactions begin anew")
            await self.group.flush(sources)

    def pass_over(self, sources: Sequence[Source]) -> None:
        """Nothing is left to be given out of these: what is behind it and is no record is done, for
        it would seem to wait."""
        for source in sources:
            self.has_passed(source, source.pass_over())

    def has_passed(self, source: Source, last: int | None) -> None:
        """What was not given out is done, up to some offset, if there was any of it."""
        if last is None:
            return
        if self._transactor is None:
            self.group.has_progressed(source)
            return
        if not self._passed:
            asyncio.get_running_loop().call_later(COMMIT_S, self._count_passed)
        self._passed[source] = last

    def _count_passed(self) -> None:
        passed, self._passed = self._passed, {}
        if self._transactor is not None and passed:
            # In a transaction: of an owner that is one no more, unknown to itself, it comes to
            # nothing.
            self._watch(self._transactor.carry_out((), self.group, list(passed.items())))

    def _watch(self, under_way: asyncio.Future[Sequence[Place]]) -> None:
        self._under_way.add(under_way)
        under_way.add_done_callback(self._settle)

    async def settled(self) -> None:
        """Return when nothing is under way of which it is not known whether it is done."""
        if self._under_way:
            await asyncio.wait(self._under_way)

    async def close(self) -> None:
        """Read no more."""
        self.end()
        await asyncio.gather(*self._openings.values(), return_exceptions=True)
        await self.group.close_sources(self.sources.values())

    def _settle(self, done: asyncio.Future[Sequence[Place]]) -> None:
        self._under_way.discard(done)
        if not done.cancelled():
            done.exception()  # whoever waited has heard of it

    async def _open(self, stream: str) -> Source:
        where = stream, self.ownership.partition
        if stream not in self._progress:
            self._progress |= {stream: (await self._hold([where], self.group))[where]}
        self.check()
        source = await self.group.open(where, self._progress[stream])
        source.inlet.arrived = self.changed.set
        self.sources[stream] = source
        return source


class PossessionReader(Reader):
    """Reads what is owned."""

    def __init__(
        self, possession: Possession, streams: Sequence[str], passing: str | None = None
    ) -> None:
        self._possession = possession
        self._streams = streams
        self._passing = passing
        self._sources: list[Source] = []

    async def take(self, limit: int) -> Sequence[Delivery]:
        possession = self._possession
        while True:
            await possession.may_act()
            if len(self._sources) < len(self._streams):
                self._sources = [await possession.source(each) for each in self._streams]
                continue
            taken: list[Delivery] = []
            possession.changed.clear()
            has_passed = False
            for source in self._sources:
                last = source.take(taken, limit, self._passing)
                possession.has_passed(source, last)
                has_passed = has_passed or last is not None
            if taken:
                if taken[0].attempt >= ALONE_FROM_ATTEMPT:
                    await self._note(taken[0])
                return taken
            for source in self._sources:
                if source.inlet.error is not None:
                    raise source.inlet.error
            if has_passed:
                await asyncio.sleep(0)  # there may be more, and others have waited for the loop
                continue
            possession.pass_over(self._sources)
            await possession.changed.wait()

    async def _note(self, suspect: Delivery) -> None:
        """Write down that it is taken before it can do harm: after a crash it is known which it
        was, and that those behind it were not."""
        possession = self._possession
        source = possession.sources[suspect.stream]
        try:
            await possession.note([source])
            possession.check()
        except asyncio.CancelledError:
            # It may be written all the same. Who waits no longer makes room for another suspect.
            await possession.give_back([suspect])
            raise
        except BaseException:
            source.give_back(suspect.offset)
            raise
