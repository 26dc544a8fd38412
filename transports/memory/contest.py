"""Who owns which partition of one stream within one group."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from penstock.core.contracts.transport import FencedError, Membership, Owner, Ownership


class _Holding(NamedTuple):
    ownership: Ownership
    member: Member


class Member(Membership):
    """One competitor's place in a contest."""

    def __init__(self, contest: Contest, owner: Owner) -> None:
        self._contest = contest
        self.owner = owner

    async def leave(self) -> None:
        await self._contest.remove(self)


class Contest:
    """Shares partitions evenly: partition p belongs to member p modulo their number.

    A partition changes hands in order: the old owner is told and returns, the epoch grows, the new
    owner is told.
    """

    def __init__(self, group: str, stream: str, partitions: int) -> None:
        self._group = group
        self._stream = stream
        self._partitions = partitions
        self._members: list[Member] = []
        self._holdings: dict[int, _Holding] = {}
        self._epochs: dict[int, int] = {}
        self._wakers: dict[Ownership, set[asyncio.Event]] = {}
        self._changing = asyncio.Lock()

    async def add(self, owner: Owner) -> Member:
        """Let another one compete."""
        member = Member(self, owner)
        async with self._changing:
            self._members.append(member)
            await self._share()
        return member

    async def remove(self, member: Member) -> None:
        """Take a member out; its partitions go to the others."""
        async with self._changing:
            if member in self._members:
                self._members.remove(member)
                await self._share()

    async def resize(self, partitions: int) -> None:
        """Share another number of partitions; none is the end."""
        async with self._changing:
            self._partitions = partitions
            await self._share()

    async def resign(self, ownership: Ownership) -> None:
        """Have a partition won anew, if the ownership still holds."""
        async with self._changing:
            holding = self._holdings.get(ownership.partition)
            if holding is not None and holding.ownership == ownership:
                await self._take_away(ownership.partition, holding)
                await self._share()

    def check(self, ownership: Ownership) -> None:
        """Raise FencedError unless ``ownership`` holds."""
        holding = self._holdings.get(ownership.partition)
        if holding is None or holding.ownership != ownership:
            raise FencedError(
                f"partition {ownership.partition} of '{ownership.stream}' is no longer owned "
                f"with epoch {ownership.epoch}"
            )

    def wake_at_end(self, ownership: Ownership, waker: asyncio.Event) -> None:
        """Set ``waker`` when ``ownership``, which holds, ends."""
        self._wakers.setdefault(ownership, set()).add(waker)

    async def _share(self) -> None:
        wanted = {
            partition: self._members[partition % len(self._members)]
            for partition in range(self._partitions if self._members else 0)
        }
        for partition, holding in list(self._holdings.items()):
            if wanted.get(partition) is not holding.member:
                await self._take_away(partition, holding)
        for partition, member in wanted.items():
            if partition not in self._holdings:
                await self._give(partition, member)

    async def _take_away(self, partition: int, holding: _Holding) -> None:
        try:
            await holding.member.owner.lost(holding.ownership)
        finally:
            del self._holdings[partition]
            for waker in self._wakers.pop(holding.ownership, ()):
                waker.set()

    async def _give(self, partition: int, member: Member) -> None:
        epoch = self._epochs[partition] = self._epochs.get(partition, 0) + 1
        ownership = Ownership(self._group, self._stream, partition, epoch)
        self._holdings[partition] = _Holding(ownership, member)
        await member.owner.won(ownership)
