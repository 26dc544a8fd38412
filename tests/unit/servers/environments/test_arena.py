"""Room in a piece of memory: pieces never overlap, and what was given back is there again."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from penstock.servers.environments.arena import Arena
from penstock.servers.environments.wire import ALIGNMENT

SIZE = 64 * ALIGNMENT


class ArenaMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.arena = Arena(SIZE)
        self.held: dict[int, int] = {}

    @rule(size=st.integers(0, SIZE + 1))
    def take(self, size: int) -> None:
        start = self.arena.take(size)
        if start is None:
            assert self.held or size > SIZE
            return
        assert start % ALIGNMENT == 0
        assert 0 <= start <= start + size <= SIZE
        for other, length in self.held.items():
            assert start + size <= other or other + length <= start
        self.held[start] = max(size, 1)

    @precondition(lambda self: self.held)
    @rule(data=st.data(), later=st.booleans())
    def give_back(self, data: st.DataObject, later: bool) -> None:
        start = data.draw(st.sampled_from(sorted(self.held)))
        del self.held[start]
        if later:
            self.arena.give_back_later(start)
        else:
            self.arena.give_back(start)

    @invariant()
    def all_of_it_can_be_had_when_nobody_has_any(self) -> None:
        if not self.held:
            start = self.arena.take(SIZE)
            assert start == 0
            assert self.arena.free == 0
            self.arena.give_back(start)


TestArena = ArenaMachine.TestCase


def test_of_nothing_nothing_is_had() -> None:
    assert Arena(0).take(1) is None
    assert Arena(0).take(0) is None
