"""A member of the log of leases at work: reads the log, writes it, and does what follows."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import defaultdict
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, NamedTuple

from penstock.core.contracts.transport import From, Owner, Ownership
from penstock.core.errors import NotReadyError, OverloadedError, PenstockError
from penstock.transports.kafka.amends import Amends, Measure
from penstock.transports.kafka.assigned import TopicNumber
from penstock.transports.kafka.group import Group
from penstock.transports.kafka.inquirer import Inquirer
from penstock.transports.kafka.leases import (
    Fenced,
    LeaseTimes,
    Lose,
    Member,
    Replaced,
    Won,
    Write,
)
from penstock.transports.kafka.messages import KafkaMessage
from penstock.transports.kafka.outgoing import Outgoing
from penstock.transports.kafka.possession import Possession
from penstock.transports.kafka.progress import Progress
from penstock.transports.kafka.sender import Sender
from penstock.transports.kafka.standing import Standing
from penstock.transports.kafka.tails import MessageTail, Tails
from penstock.transports.kafka.transactor import Transactor

READ_BACK: Final = 5_000
"""Records of the log with which a member begins."""

INTAKE: Final = 256
"""Records that a worker has in hand at most: of these each may have been at work when it died."""

WITHDRAW_S: Final = 10.0
"""How long a withdrawal waits for the broker; then what is owned is left to expire."""

_AT_ONCE: Final = 1_000
_AGAIN_S: Final = 0.5

_log = logging.getLogger(__name__)


class Competition(NamedTuple):
    """Who competes for the partitions of a stream in a group."""

    owner: Owner
    group: Group
    atomic: bool


class Seat:
    """One member, in one process. All methods are called on the event loop.

    ``begin_transactions`` makes what writes in transactions under a name, whose earlier holder is
    fenced by that; ``written`` is that of :class:`Amends`.
    """

    def __init__(
        self,
        instance: str,
        times: LeaseTimes,
        topic: str,
        sender: Sender,
        inquirer: Inquirer,
        tails: Tails,
        begin_transactions: Callable[[str, Standing], Coroutine[Any, Any, Transactor]],
        written: Measure,
    ) -> None:
        self.instance = instance
        self._times = times
        self._topic = topic
        self._sender = sender
        self._inquirer = inquirer
        self._tails = tails
        self._begin_transactions = begin_transactions
        self._loop = asyncio.get_running_loop()
        self._member: Member | None = None
        self._competitions: dict[tuple[str, str], Competition] = {}
        self._possessions: dict[Ownership, Possession] = {}
        self._works: dict[Ownership, asyncio.Task[None]] = {}
        """What is being done about ownerships, one after the other for each of them."""
        self._held: set[TopicNumber] = set()
        """What this process has held: if it still has, nobody has died."""
        self._transactor: Transactor | None = None
        self._transacting = asyncio.Lock()
        self._amends = Amends(inquirer.extent, written, self._transactor_now)
        self._standing = Standing(self._loop.time)
        self._changed = asyncio.Event()
        """Set when less is owned, and when the member has left."""
        self._next_offset = 0
        """Of the log: all before it is read."""
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Read what there is of the log, and become a member."""
        where = self._topic, 0
        extent = await self._inquirer.extent(where)
        begin = self._next_offset = max(extent.first, extent.end - READ_BACK)
        tail = await self._tails.open(where, From(offset=begin))
        incarnation = secrets.token_hex(8)
        self._member = Member(self.instance, incarnation, self._times, whole=begin == 0)
        for message in await tail.take_up_to(extent.end) if extent.end > begin else ():
            self._observe(message)
        self._task = self._loop.create_task(self._follow(tail))

    def competes_for(self, subject: tuple[str, str]) -> bool:
        """Whether this member competes for a stream in a group."""
        return subject in self._competitions

    def competitions(self) -> Sequence[tuple[str, str]]:
        """What it competes for: groups and streams."""
        return list(self._competitions)

    def compete(self, subject: tuple[str, str], partitions: int, competition: Competition) -> None:
        """Take part in sharing the partitions of a stream."""
        self._competitions[subject] = competition
        self._member_now.compete(subject, partitions, self._now_ms())
        self._carry_out()

    def resize(self, stream: str, partitions: int) -> None:
        """A stream has more partitions now."""
        for subject in self._competitions:
            if subject[1] == stream:
                self._member_now.compete(subject, partitions, self._now_ms())
        self._carry_out()

    async def withdraw(self, subject: tuple[str, str]) -> None:
        """Compete no more; returns when all is lost."""
        if subject not in self._competitions:
            return
        self._member_now.withdraw(subject, self._now_ms())
        self._carry_out()
        try:
            async with asyncio.timeout(WITHDRAW_S):
                while not self._is_out_of(subject):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            _log.warning("'%s' was given up and not handed over: Kafka is away", subject[1])
            for possession in [each for each in self._possessions.values() if each.is_of(subject)]:
                self._fence(possession.ownership)
            await self._idle(subject)
        self._competitions.pop(subject, None)

    def _is_out_of(self, subject: tuple[str, str]) -> bool:
        """Whether nothing of a stream is owned, nor can be."""
        works = any(ownership[:2] == subject for ownership in [*self._possessions, *self._works])
        return not works and self._member_now.is_out_of(subject)

    async def _idle(self, subject: tuple[str, str]) -> None:
        """Return when nothing is being done about a stream any more."""
        while works := [each for place, each in self._works.items() if place[:2] == subject]:
            await asyncio.wait(works)

    def possession(self, ownership: Ownership) -> Possession | None:
        """What is read and finished under an ownership of this member."""
        return self._possessions.get(ownership)

    def give_up(self, possession: Possession) -> None:
        """Something went wrong under an ownership, and nobody knows how far: it ends."""
        ownership = possession.ownership
        if not possession.is_over and self._possessions.get(ownership) is possession:
            possession.end()
            self._then(ownership, self._lose(ownership, handed_over=False))

    def begin_anew(self, stream: str) -> None:
        """A stream was deleted and made again: who owns it now has things in hand that are gone."""
        for possession in list(self._possessions.values()):
            if possession.ownership.stream == stream and not possession.is_over:
                possession.begin_anew()
                self.give_up(possession)

    async def stop(self, within_s: float) -> None:
        """Lose everything, leave, and end."""
        self._member_now.leave(self._now_ms())
        self._carry_out()
        try:
            async with asyncio.timeout(within_s):
                while not self._member_now.gone:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            _log.warning("left without handing everything over; others take it over in a while")
        await self._end()

    async def _end(self) -> None:
        tasks = [*self._works.values(), *([] if self._task is None else [self._task])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, self._amends.close(), return_exceptions=True)
        if self._transactor is not None:
            await self._transactor.close()

    # The log ------------------------------------------------------------------------------------

    @property
    def _member_now(self) -> Member:
        assert self._member is not None, "start() comes first"
        return self._member

    def _now_ms(self) -> float:
        return self._loop.time() * 1000.0

    async def _follow(self, tail: MessageTail) -> None:
        member = self._member_now
        while True:
            member.tick(self._now_ms())
            self._carry_out()
            due_s = member.next_tick_ms() / 1000.0
            try:
                async with asyncio.timeout_at(max(due_s, self._loop.time())):
                    messages = await tail.take(_AT_ONCE)
            except TimeoutError:
                continue
            except PenstockError as error:
                _log.warning("the log of members cannot be read, and is opened again: %s", error)
                tail = await self._reopened(tail)
                continue
            for message in messages:
                self._observe(message)
            self._carry_out()

    async def _reopened(self, tail: MessageTail) -> MessageTail:
        """The same, from where it broke off."""
        await tail.close()
        while True:
            try:
                return await self._tails.open((self._topic, 0), From(offset=self._next_offset))
            except PenstockError as error:
                _log.warning("the log of members cannot be read: %s", error)
                await asyncio.sleep(_AGAIN_S)

    def _observe(self, message: Any) -> None:
        now_ms = self._now_ms()
        time_ms = float(message.timestamp()[1])
        self._next_offset = message.offset() + 1
        self._member_now.observed(message.offset(), time_ms, message.value(), now_ms)

    def _carry_out(self) -> None:
        member = self._member_now
        effects, member.effects = member.effects, []
        heard_since_s = self._standing.since_s
        self._standing.prove(member.acts_until_ms / 1000.0)
        if self._transactor is not None and self._standing.since_s != heard_since_s:
            self._amends.begin()
        won: list[Ownership] = []
        for effect in effects:
            if isinstance(effect, Write):
                self._write(effect.message)
            elif isinstance(effect, Won):
                won.append(effect.ownership)
            elif isinstance(effect, Lose):
                self._then(effect.ownership, self._lose(effect.ownership, handed_over=True))
            elif isinstance(effect, Fenced):
                self._fence(effect.ownership)
            elif isinstance(effect, Replaced):
                _log.error(
                    "another process has started as '%s' and takes this one's place; give each "
                    "process a name of its own (transport.instance)",
                    self.instance,
                )
        if won:
            self._win_all(won)
        if effects or member.gone:
            self._changed.set()

    def _write(self, text: bytes) -> None:
        message = KafkaMessage(None, text, [])
        try:
            sent = self._sender.send([Outgoing(self._topic, 0, message, message.nbytes)])
        except OverloadedError as error:
            _log.warning("the log of members could not be written: %s", error)
        else:
            sent.add_done_callback(_note)

    # What is owned --------------------------------------------------------------------------------

    def _then(self, ownership: Ownership, work: Coroutine[Any, Any, None]) -> None:
        """Do something about an ownership when what is being done about it is done."""
        before = self._works.get(ownership)

        async def carry_out() -> None:
            if before is not None:
                await asyncio.wait([before])
            try:
                await work
            except Exception:
                _log.exception("partition %d of '%s'", ownership.partition, ownership.stream)

        task = self._works[ownership] = self._loop.create_task(carry_out())
        task.add_done_callback(lambda done: self._worked(ownership, done))

    def _worked(self, ownership: Ownership, task: asyncio.Task[None]) -> None:
        if self._works.get(ownership) is task:
            del self._works[ownership]
        self._changed.set()

    def _win_all(self, won: Sequence[Ownership]) -> None:
        by_competition: dict[tuple[str, bool], list[Ownership]] = defaultdict(list)
        for ownership in won:
            atomic = self._competitions[ownership.group, ownership.stream].atomic
            by_competition[ownership.group, atomic].append(ownership)
        for together in by_competition.values():
            win = self._loop.create_task(self._win(together))
            for ownership in together:
                self._then(ownership, _done(win))

    async def _win(self, won: Sequence[Ownership]) -> None:
        """Find out how far the group has come, say who holds it now, and tell the owners."""
        _, group, atomic = self._competitions[won[0].group, won[0].stream]
        await self._earlier_are_over(won)
        transactor: Transactor | None = None
        while True:
            still = [each for each in won if self._member_now.owns(each)]
            try:
                if atomic and still:
                    transactor, _ = await asyncio.gather(
                        self._transactor_now(), self._end_those_of_holders(still, group)
                    )
                progress = await self._take_over(still, group)
                break
            except PenstockError as error:
                _log.warning("partitions that were won cannot be read yet: %s", error)
                await asyncio.sleep(_AGAIN_S)
        for ownership in still:
            if self._member_now.owns(ownership):
                owner = self._competitions[ownership.group, ownership.stream].owner
                of = progress[ownership.stream, ownership.partition]
                made = Possession(
                    ownership,
                    owner,
                    group,
                    of,
                    self._standing,
                    transactor,
                    self._held_from_now_on,
                )
                self._possessions[ownership] = made
                await owner.won(ownership)

    async def _earlier_are_over(self, won: Sequence[Ownership]) -> None:
        """What was owned before of the same partitions may still be committing."""
        places = {each[:3] for each in won}
        earlier = [
            work
            for ownership, work in self._works.items()
            if ownership[:3] in places and ownership not in won
        ]
        if earlier:
            await asyncio.wait(earlier)

    async def _transactor_now(self) -> Transactor:
        # One for all that is won at once: with a second one the first would be fenced.
        async with self._transacting:
            now = self._transactor
            if now is None or now.is_over:
                made = await self._begin_transactions(self.instance, self._standing)
                if now is not None:
                    made.inherit(now)
                self._transactor = made
                if now is not None:
                    await now.close()
            assert self._transactor is not None, "as made"
            return self._transactor

    async def _end_those_of_holders(self, won: Sequence[Ownership], group: Group) -> None:
        """End the transactions that the dead had under way: until then these may be committed, and
        how far they were is not known."""
        holders = await group.holders_of([(each.stream, each.partition) for each in won])
        await asyncio.gather(*map(self._end_transactions, holders - {self.instance}))

    async def _end_transactions(self, instance: str) -> None:
        await (await self._begin_transactions(instance, self._standing)).close()

    async def _take_over(
        self, won: Sequence[Ownership], group: Group
    ) -> dict[tuple[str, int], Progress]:
        places = [(each.stream, each.partition) for each in won]
        if not places:
            return {}
        return await self._held_from_now_on(places, group)

    async def _held_from_now_on(
        self, places: Sequence[TopicNumber], group: Group
    ) -> dict[TopicNumber, Progress]:
        """How far the group has come in partitions, which from now on are in this process' hands:
        what was in those of a dead one counts as taken once more."""
        progress = await self._progress_in(places, group)
        for where, each in progress.items():
            if each.holder and not (each.holder == self.instance and where in self._held):
                extent = await self._inquirer.extent(where)
                each.take_over(INTAKE, extent.end)
            each.holder = self.instance
        await group.commit(progress)
        self._held.update(progress)
        return progress

    async def _progress_in(
        self, places: Sequence[TopicNumber], group: Group
    ) -> dict[TopicNumber, Progress]:
        try:
            return await group.progress_in(places)
        except NotReadyError:
            if self._transactor is None:
                raise
            # A broker may wait for the end of a transaction that it has forgotten (decision 69).
            await self._settle(places, group)
            return await group.progress_in(places)

    async def _settle(self, places: Sequence[TopicNumber], group: Group) -> None:
        """Have the broker end what it knows of transactions in these, all of which are over."""
        for instance in await group.holders_of(places) - {self.instance}:
            transactor = await self._begin_transactions(instance, self._standing)
            try:
                await transactor.settle(group)
            finally:
                await transactor.close()
        await (await self._transactor_now()).settle(group)

    async def _lose(self, ownership: Ownership, *, handed_over: bool) -> None:
        possession = self._possessions.get(ownership)
        if possession is not None:
            await possession.owner.lost(ownership)
            await possession.settled()
            if self._member_now.owns(ownership):
                await self._hand_over(possession)
            await possession.close()
            self._possessions.pop(ownership, None)
        if handed_over:
            self._member_now.released(ownership, self._now_ms())
        else:
            self._member_now.give_up(ownership, self._now_ms())
        self._carry_out()

    async def _hand_over(self, possession: Possession) -> None:
        """Leave word that nothing is at work of what is not finished."""
        try:
            progress = await self._progress_of(possession)
            for each in progress.values():
                each.holder = ""
            await possession.group.commit(progress)
        except PenstockError as error:
            _log.warning("a partition was given up without a last commit: %s", error)

    async def _progress_of(self, possession: Possession) -> dict[TopicNumber, Progress]:
        progress = possession.progress()
        if possession.is_atomic and possession.is_over and not possession.begins_anew:
            # What went wrong may be under way still, for all that is known: it is ended first.
            await self._transactor_now()
            return await self._progress_in(list(progress), possession.group)
        return progress

    def _fence(self, ownership: Ownership) -> None:
        possession = self._possessions.get(ownership)
        if possession is not None:
            possession.end()
        self._then(ownership, self._clear_away(ownership))

    async def _clear_away(self, ownership: Ownership) -> None:
        possession = self._possessions.pop(ownership, None)
        if possession is not None:
            possession.end()
            await possession.owner.lost(ownership)
            await possession.settled()
            await possession.close()


async def _done(task: asyncio.Task[None]) -> None:
    await asyncio.shield(task)


def _note(sent: asyncio.Future[Any]) -> None:
    if not sent.cancelled() and (error := sent.exception()) is not None:
        _log.warning("the log of members could not be written: %s", error)
