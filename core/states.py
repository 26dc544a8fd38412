"""The states that a kind of thing goes through, as a table: what the code keeps to is what the
documentation draws."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, NamedTuple, TypeVar

State = TypeVar("State", bound=str)


class Turn(NamedTuple, Generic[State]):
    """One state that may follow another, and what makes it."""

    before: State
    because: str
    after: State


class StateTable(Generic[State]):
    """The states of one kind of thing, the first of which it starts in, and their turns.

    ``states`` maps each to what it means. A thing has come to its end in a state that no turn
    leaves.
    """

    __slots__ = ("_pairs", "name", "states", "turns")

    def __init__(
        self, name: str, states: Mapping[State, str], turns: tuple[Turn[State], ...]
    ) -> None:
        self.name = name
        self.states = states
        self.turns = turns
        self._pairs = frozenset((turn.before, turn.after) for turn in turns)

    @property
    def start(self) -> State:
        """The state that each begins in."""
        return next(iter(self.states))

    @property
    def ends(self) -> tuple[State, ...]:
        """The states that none leaves."""
        left = {turn.before for turn in self.turns}
        return tuple(state for state in self.states if state not in left)

    def turned(self, before: State, after: State) -> State:
        """``after``, which must be what may follow: anything else is an error of ours."""
        assert (before, after) in self._pairs, (
            f"a {self.name} that is '{before}' cannot be '{after}' next: "
            "either that is wrong, or its table lacks a turn"
        )
        return after
