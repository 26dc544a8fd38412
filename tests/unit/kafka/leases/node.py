"""A process of the simulated world: drives one member, and does what it asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.core.contracts.transport import Ownership
from penstock.transports.kafka.leases import Effect, Member

if TYPE_CHECKING:
    from unit.kafka.leases.world import World

GROUP = "group"
WINDOWS = (60, 500)
"""With how many of the last records of the log a member may begin."""

HAND_OVER_MS = (1.0, 5.0, 50.0, 300.0)


class Node:
    """``acts`` is whether it does anything under what it has in ``owned``."""

    def __init__(self, world: World, name: str, number: int, *, even: bool) -> None:
        self.name = name
        self.alive = True
        self.leaving = False
        self.acts = False
        self.owned: dict[tuple[str, int], Ownership] = {}
        self.stopped_until_ms = 0.0
        self._world = world
        chance = world.chance
        self._offset_ms = chance.uniform(-1e6, 1e6)
        self._pace = 1.0 if even else chance.uniform(0.99, 1.01)
        self._history = len(world.log)
        self._position = max(0, self._history - chance.choice(WINDOWS))
        self._handing: list[tuple[float, Ownership]] = []
        leases = world.leases
        self.member: Member = leases.Member(
            name, str(number), leases.LeaseTimes(), whole=self._position == 0
        )

    @property
    def runs(self) -> bool:
        """Whether it is neither dead nor stopped."""
        return self.alive and self._world.now_ms >= self.stopped_until_ms

    @property
    def clock_ms(self) -> float:
        """Its own time."""
        return self._offset_ms + self._pace * self._world.now_ms

    @property
    def has_read_all(self) -> bool:
        return self._position == len(self._world.log)

    def run(self, *, reads: bool) -> None:
        """What it does in a moment in which it has the processor."""
        if reads:
            self._read()
        if self._position >= self._history and self.clock_ms >= self.member.next_tick_ms():
            self.member.tick(self.clock_ms)
            self._carry_out()
        self._hand_over()
        if self.member.gone:
            self.die()

    def die(self) -> None:
        self.alive = self.acts = False

    def compete(self, stream: str, partitions: int) -> None:
        self.member.compete((GROUP, stream), partitions, self.clock_ms)
        self._carry_out()

    def withdraw(self, stream: str) -> None:
        self.member.withdraw((GROUP, stream), self.clock_ms)
        self._carry_out()

    def leave(self) -> None:
        self.leaving = True
        self.member.leave(self.clock_ms)
        self._carry_out()

    def _read(self) -> None:
        log = self._world.log
        end = min(len(log), self._position + self._world.chance.randrange(1, 50))
        while self._position < end and not self.member.gone:
            record = log[self._position]
            self._position += 1
            self.member.observed(record.offset, record.time_ms, record.text, self.clock_ms)
            self._carry_out()

    def _carry_out(self) -> None:
        effects, self.member.effects = self.member.effects, []
        self.acts = not self.member.suspended
        for effect in effects:
            self._follow(effect)

    def _follow(self, effect: Effect) -> None:
        world, leases = self._world, self._world.leases
        if isinstance(effect, leases.Write):
            world.send(self, effect.message)
        elif isinstance(effect, leases.Won):
            where = effect.ownership.stream, effect.ownership.partition
            assert where not in self.owned, f"{self.name} has won what it has"
            self.owned[where] = effect.ownership
            world.note_epoch(effect.ownership)
        elif isinstance(effect, leases.Lose):
            due_ms = world.now_ms + world.chance.choice(HAND_OVER_MS)
            self._handing.append((due_ms, effect.ownership))
        elif isinstance(effect, leases.Fenced):
            self.owned.pop((effect.ownership.stream, effect.ownership.partition), None)
            world.fenced += 1
        elif isinstance(effect, leases.Replaced):
            self.die()

    def _hand_over(self) -> None:
        due = [each for at_ms, each in self._handing if at_ms <= self._world.now_ms]
        self._handing = [each for each in self._handing if each[0] > self._world.now_ms]
        for ownership in due:
            where = ownership.stream, ownership.partition
            if self.owned.get(where) == ownership:
                del self.owned[where]
                self.member.released(ownership, self.clock_ms)
                self._carry_out()
