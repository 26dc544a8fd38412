"""What is written down of a record that goes alone: that it is taken, as long as it is."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, cast

import pytest

from penstock.core.contracts.transport import (
    ALONE_FROM_ATTEMPT,
    FencedError,
    Owner,
    Ownership,
)
from penstock.core.errors import NotReadyError
from penstock.transports.kafka.assigned import TopicNumber
from penstock.transports.kafka.group import Group
from penstock.transports.kafka.possession import Possession, PossessionReader
from penstock.transports.kafka.progress import Progress
from penstock.transports.kafka.source import Source
from penstock.transports.kafka.standing import Standing
from penstock.transports.kafka.transactor import Transactor
from unit.kafka.deliveries import delivery_of, message_at

NOTED: Final = ALONE_FROM_ATTEMPT
"""How often a suspect counts as taken once it is written down that it is."""


class FakeInlet:
    """Has one message, at offset 0."""

    where = ("s", 0)
    error = None
    reached = 0

    def __init__(self) -> None:
        self.messages = deque([message_at(0)])

    def pop(self) -> Any:
        return self.messages.popleft()


class FakeGroup:
    """Keeps what was committed last; a commit that is ``slow`` is made when nobody waits for it."""

    def __init__(self) -> None:
        self.text = ""
        self.slow: asyncio.Event | None = None
        self.asked = asyncio.Event()

    async def open(self, where: TopicNumber, progress: Progress) -> Source:
        return Source(cast("Any", FakeInlet()), progress, delivery_of, lambda topic: None)

    async def flush(self, sources: Iterable[Source]) -> None:
        for source in sources:
            self.text = source.progress.encode()
            self.asked.set()
        if self.slow is not None:
            await self.slow.wait()

    @property
    def attempts(self) -> int:
        """How often the record was taken, for whoever takes over."""
        return Progress.decode(0, self.text).attempts_of(0)


async def _hold(places: Sequence[TopicNumber], group: Group) -> Mapping[TopicNumber, Progress]:
    raise AssertionError("nothing else is read")


@pytest.fixture
def group() -> FakeGroup:
    return FakeGroup()


@pytest.fixture
def possession(group: FakeGroup) -> Possession:
    return a_possession(group)


def a_possession(group: FakeGroup, transactor: Transactor | None = None) -> Possession:
    """A partition of which two owners have died with the first record at work."""
    progress = Progress(0, "me")
    for _ in range(ALONE_FROM_ATTEMPT - 1):
        progress.take_over(1, 1)
    standing = Standing(lambda: 0.0)
    standing.prove(1.0)
    ownership = Ownership("g", "s", 0, 1)
    owner = cast("Owner", None)
    return Possession(
        ownership, owner, cast("Group", group), progress, standing, transactor, cast("Any", _hold)
    )


async def test_it_is_noted_before_it_is_given_out(group: FakeGroup, possession: Possession) -> None:
    [suspect] = await PossessionReader(possession, ["s"]).take(8)
    assert (suspect.attempt, group.attempts) == (ALONE_FROM_ATTEMPT, NOTED)


async def test_what_is_given_back_is_noted_no_more(
    group: FakeGroup, possession: Possession
) -> None:
    taken = await PossessionReader(possession, ["s"]).take(8)
    await possession.give_back(taken)
    assert group.attempts == NOTED - 1, "who dies next has not had it at work"


async def test_nor_is_what_nobody_waits_for_any_more(
    group: FakeGroup, possession: Possession
) -> None:
    group.slow = asyncio.Event()
    taking = asyncio.create_task(PossessionReader(possession, ["s"]).take(8))
    await group.asked.wait()
    assert group.attempts == NOTED
    taking.cancel()
    await asyncio.sleep(0)
    assert not taking.done(), "another suspect begins when it is done"
    group.slow.set()
    with pytest.raises(asyncio.CancelledError):
        await taking
    assert group.attempts == NOTED - 1


async def test_an_ownership_that_is_over_writes_nothing(
    group: FakeGroup, possession: Possession
) -> None:
    taken = await PossessionReader(possession, ["s"]).take(8)
    possession.end()
    await possession.give_back(taken)
    assert group.attempts == NOTED, "it is for the next owner to say"


class FakeTransactor:
    """Has a transaction under way while somebody has ``between``."""

    def __init__(self) -> None:
        self.between = asyncio.Lock()
        self.is_over = False


async def test_where_it_ends_exactly_once_it_is_noted_between_transactions(
    group: FakeGroup,
) -> None:
    transactor = FakeTransactor()
    possession = a_possession(group, cast("Transactor", transactor))
    async with transactor.between:
        taking = asyncio.ensure_future(PossessionReader(possession, ["s"]).take(8))
        await asyncio.sleep(0.01)
        assert (group.text, taking.done()) == ("", False)
    assert len(await taking) == 1
    assert group.attempts == NOTED


async def test_transactions_that_are_over_leave_no_partition_without_work(group: FakeGroup) -> None:
    transactor = FakeTransactor()
    transactor.is_over = True
    possession = a_possession(group, cast("Transactor", transactor))
    # What says that the ownership is over would have nobody resign.
    with pytest.raises(NotReadyError):
        await PossessionReader(possession, ["s"]).take(8)
    assert group.text == "", "it may count in the place of what was committed"
    possession.end()
    with pytest.raises(FencedError):
        await PossessionReader(possession, ["s"]).take(8)
