"""What joins keep across requests: pure, bounded, aged by the clock, and told of change by change.

One store belongs to one join of a pipeline. Under each key it has a line for each source. A record
stands in its line by the position of its request in the order of requests, so that one which
comes late, or once more, never takes the place of a newer one.
"""

from __future__ import annotations

from bisect import insort
from collections import OrderedDict, deque
from collections.abc import Iterable
from typing import Final, NamedTuple, Protocol

from penstock.core.contracts.join import Keep, Kept
from penstock.core.records import Body, Tensors

HEAD: Final = -1
"""In place of a position: the change is one of the line's count."""

ENTRY_BYTES: Final = 200
"""What a kept record takes beside its tensors, roughly."""


class StateChange(NamedTuple):
    """One change of one line: a record that is kept now, one that is not any more (``kept`` is
    None), or, at the position ``HEAD``, how many values were ``counted`` at ``at_ms`` (0: none that
    matter) and which position was the last of them (``passed``).

    The newest change of each (``key``, ``source``, ``position``) makes up the whole state: what is
    written to a compacted topic and read back from it.
    """

    key: bytes
    source: int
    position: int
    kept: Kept | None
    counted: int = 0
    passed: int = HEAD
    at_ms: float = 0.0


class Line:
    """The records of one source under one key, in the order of their requests.

    ``passed`` is the newest position that may not come again: that of a record which had to go, or
    in a numbered line the last that got its number. ``count`` is the next number.
    """

    __slots__ = ("count", "kept", "passed")

    def __init__(self) -> None:
        self.kept: list[Kept] = []
        self.passed = HEAD
        self.count = 0

    def at(self, position: int) -> Kept | None:
        """The record of the request at that position."""
        return next((each for each in self.kept if each.position == position), None)


class Visitor(Protocol):
    """The join of one request, as the state under its key sees it.

    ``own`` are how the request's own sources have ended, ``numbers`` those of their records where
    these are numbered.
    """

    position: int
    numbers: list[int | None]
    own: list[Body | None]

    @property
    def identity(self) -> str:
        """The request's."""

    @property
    def over(self) -> bool:
        """Whether the join is decided."""


class KeyState:
    """Everything under one key. ``open`` are requests under way, which keep it from going.

    ``turns`` has for each source of a numbered join the requests whose records have no number yet,
    in their order; ``waiting`` the undecided joins by the number of their driving record.
    """

    __slots__ = ("changed_ms", "key", "lines", "open", "turns", "waiting")

    def __init__(self, key: bytes, sources: int, now_ms: float) -> None:
        self.key = key
        self.lines = [Line() for _ in range(sources)]
        self.open: dict[Visitor, None] = {}
        self.turns: list[deque[Visitor]] = [deque() for _ in range(sources)]
        self.waiting: dict[int, Visitor] = {}
        self.changed_ms = now_ms

    @property
    def matters(self) -> bool:
        """Whether one that is made anew would be different."""
        return len({line.count for line in self.lines}) > 1 or any(line.kept for line in self.lines)


class StateStore:
    """The state of one join over ``sources`` sources, one of which, ``driver``, drives it.

    ``changes`` grows with every change, for whoever takes them out.
    """

    __slots__ = ("_bytes", "_driver", "_keep", "_keys", "_sources", "changes")

    def __init__(self, keep: Keep, sources: int, driver: int) -> None:
        self._keep = keep
        self._sources = sources
        self._driver = driver
        # Those that changed last stand last.
        self._keys: OrderedDict[bytes, KeyState] = OrderedDict()
        self._bytes = 0
        self.changes: list[StateChange] = []

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def nbytes(self) -> int:
        """Roughly how much memory the kept records take."""
        return self._bytes

    # Requests -----------------------------------------------------------------------------------

    def enter(self, key: bytes, visitor: Visitor, now_ms: float) -> KeyState:
        """A request begins. Those that begin later have higher positions."""
        self._age(now_ms)
        state = self._keys.get(key)
        if state is None:
            state = self._keys[key] = KeyState(key, self._sources, now_ms)
        state.open[visitor] = None
        if self._keep.numbered:
            for turn in state.turns:
                turn.append(visitor)
        return state

    def ended(
        self, state: KeyState, visitor: Visitor, source: int, now_ms: float
    ) -> Iterable[Visitor]:
        """A source of a request has ended as ``visitor.own`` says; which joins may go on by that.

        That of the request itself may be among them.
        """
        concerned: dict[Visitor, None] = {}
        if self._keep.numbered:
            turn = state.turns[source]
            while turn and (body := turn[0].own[source]) is not None:
                first = turn.popleft()
                if type(body) is tuple:
                    self._count(state, first, source, now_ms, concerned)
        else:
            body = visitor.own[source]
            if source != self._driver and type(body) is tuple:
                kept = Kept(visitor.identity, visitor.position, 0, now_ms, body)  # type: ignore[arg-type]  # no marker is a plain tuple
                if self._add(state, source, kept):
                    concerned |= state.open
        self.leave(state, visitor)
        return concerned

    def decided(self, state: KeyState, visitor: Visitor) -> None:
        """The join of a request is decided: what it alone could use is kept no longer."""
        number = visitor.numbers[self._driver]
        if number is not None and state.waiting.get(number) is visitor:
            del state.waiting[number]
            for source, line in enumerate(state.lines):
                for kept in [each for each in line.kept if each.number == number]:
                    self._drop(state, source, kept)
        self.leave(state, visitor)

    def leave(self, state: KeyState, visitor: Visitor) -> None:
        """Let a request go that brings nothing more and waits for nothing."""
        if visitor.over and None not in visitor.own:
            state.open.pop(visitor, None)
            if not state.open and not state.matters and self._keys.get(state.key) is state:
                self._forget(state)

    def shown(self, state: KeyState, source: int, now_ms: float) -> tuple[Kept, ...]:
        """What is kept of a source and not too old, the oldest request first."""
        if source == self._driver:
            return ()
        oldest_ms = now_ms - self._keep.max_age_ms
        return tuple([kept for kept in state.lines[source].kept if kept.at_ms > oldest_ms])

    # Changes ------------------------------------------------------------------------------------

    def _count(
        self,
        state: KeyState,
        visitor: Visitor,
        source: int,
        now_ms: float,
        concerned: dict[Visitor, None],
    ) -> None:
        """Give the record of a request the next number of its source."""
        line = state.lines[source]
        if visitor.position <= line.passed:
            # It had its number before its worker went down, or has been decided already.
            before = line.at(visitor.position)
            number = HEAD if before is None else before.number
        else:
            number = line.count
            line.passed = visitor.position
            line.count += 1
            self._change(state, _head(state, source, now_ms), now_ms)
            drives = source == self._driver
            body = visitor.own[source]
            if drives:
                waited_for = not visitor.over
            else:
                waited_for = number >= state.lines[self._driver].count or number in state.waiting
            if waited_for:
                tensors: Tensors = () if drives else body  # type: ignore[assignment]  # only values are counted
                self._put(
                    state,
                    source,
                    Kept(visitor.identity, visitor.position, number, now_ms, tensors),
                )
        visitor.numbers[source] = number
        if source == self._driver and not visitor.over:
            state.waiting[number] = visitor
            concerned[visitor] = None
        elif number in state.waiting:
            concerned[state.waiting[number]] = None

    def _add(self, state: KeyState, source: int, kept: Kept) -> bool:
        """Keep a record, unless newer ones have taken its place."""
        line = state.lines[source]
        if kept.position <= line.passed or line.at(kept.position) is not None:
            return False
        self._put(state, source, kept)
        return line.at(kept.position) is not None

    def _put(self, state: KeyState, source: int, kept: Kept) -> None:
        line = state.lines[source]
        insort(line.kept, kept, key=_position)
        self._bytes += _size(kept)
        self._change(state, StateChange(state.key, source, kept.position, kept), now_ms=kept.at_ms)
        while len(line.kept) > self._keep.most:
            self._drop(state, source, line.kept[0])
        self._bound()
        while self._bytes > self._keep.max_bytes and line.kept:
            self._drop(state, source, line.kept[0])

    def _drop(self, state: KeyState, source: int, kept: Kept) -> None:
        line = state.lines[source]
        line.kept.remove(kept)
        line.passed = max(line.passed, kept.position)
        self._bytes -= _size(kept)
        self.changes.append(StateChange(state.key, source, kept.position, None))

    def _change(self, state: KeyState, change: StateChange, now_ms: float) -> None:
        state.changed_ms = now_ms
        if state.key in self._keys:
            self._keys.move_to_end(state.key)
        self.changes.append(change)

    # Bounds -------------------------------------------------------------------------------------

    def _age(self, now_ms: float) -> None:
        """Let keys go that have not changed for as long as anything is kept."""
        oldest_ms = now_ms - self._keep.max_age_ms
        while self._keys:
            state = next(iter(self._keys.values()))
            if state.changed_ms > oldest_ms or state.open:
                return
            self._forget(state)

    def _bound(self) -> None:
        """Let those keys go that changed longest ago, except those of requests under way."""
        while len(self._keys) > self._keep.max_keys or self._bytes > self._keep.max_bytes:
            idle = next((state for state in self._keys.values() if not state.open), None)
            if idle is None:
                return
            self._forget(idle)

    def _forget(self, state: KeyState) -> None:
        del self._keys[state.key]
        for source, line in enumerate(state.lines):
            for kept in list(line.kept):
                self._drop(state, source, kept)
            if line.count:
                self.changes.append(StateChange(state.key, source, HEAD, None))

    # Elsewhere ----------------------------------------------------------------------------------

    def export(self) -> list[StateChange]:
        """All of it, as the changes that would make it."""
        return [
            change
            for state in self._keys.values()
            for source, line in enumerate(state.lines)
            for change in (
                *((_head(state, source, state.changed_ms),) if line.count else ()),
                *(StateChange(state.key, source, kept.position, kept) for kept in line.kept),
            )
        ]

    def restore(self, changes: Iterable[StateChange]) -> None:
        """Take up what a store exported or was changed by, into an empty one."""
        for key, source, position, kept, counted, passed, at_ms in changes:
            state = self._keys.get(key)
            if state is None:
                state = self._keys[key] = KeyState(key, self._sources, 0.0)
            line = state.lines[source]
            if position == HEAD:
                line.count = counted
                line.passed = max(line.passed, passed)
                state.changed_ms = max(state.changed_ms, at_ms)
            elif kept is None:
                line.passed = max(line.passed, position)
                if (old := line.at(position)) is not None:
                    self._drop(state, source, old)
            elif line.at(position) is None:
                self._put(state, source, kept)
                if self._keep.numbered:
                    line.passed = max(line.passed, position)
        states = sorted(self._keys.values(), key=_changed_ms)
        self._keys = OrderedDict((state.key, state) for state in states if state.matters)
        self.changes.clear()


def _head(state: KeyState, source: int, now_ms: float) -> StateChange:
    line = state.lines[source]
    return StateChange(state.key, source, HEAD, None, line.count, line.passed, now_ms)


def _changed_ms(state: KeyState) -> float:
    return state.changed_ms


def _position(kept: Kept) -> int:
    return kept.position


def _size(kept: Kept) -> int:
    return ENTRY_BYTES + sum(tensor.nbytes for tensor in kept.tensors)
