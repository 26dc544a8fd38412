"""The rules of batching, written down naively: who is called together, when, and what each gets.

It knows nothing of the engine: it looks at everything that could happen next, takes what comes
first, and starts over. For one step, over a model that takes ``DURATION_MS`` for every call.
"""

from __future__ import annotations

from dataclasses import dataclass, field

DURATION_MS = 3.37
BACKOFF_MS = 7

ROUNDING_MS = 1e-6
"""What sums of the same numbers in another order may differ by."""


class TieError(Exception):
    """A group is to be called when another visitor comes back: no rule says who is first."""


@dataclass(frozen=True)
class Visitor:
    """One request: ``kind`` stands for all that has to agree; None is one that fits no other.

    A ``poisoned`` one makes every call fail that it is in, a ``flaky`` one makes the first call
    that it is in fail in a way that trying again may help.
    """

    number: int
    at_ms: float
    rows: int
    kind: int | None
    deadline_ms: float
    cancel_ms: float | None = None
    poisoned: bool = False
    flaky: bool = False


@dataclass(frozen=True)
class Rules:
    """What the manifest says of the step."""

    size: int
    window_ms: float
    retries: int = 0
    timeout_ms: float | None = None


@dataclass(eq=False)
class Group:
    """Visitors that wait together until a moment."""

    kind: int
    since_ms: float
    until_ms: float
    members: list[Visitor] = field(default_factory=list)


@dataclass(eq=False)
class CallMade:
    """A call under way, of those that are still interested and those that are not any more."""

    members: list[Visitor]
    back_ms: float
    over_ms: float
    failure: str | None
    left: set[int]


@dataclass
class Story:
    """``calls`` are (when, numbers of those in it); ``ends`` says of each when it ended and how."""

    calls: list[tuple[float, tuple[int, ...]]] = field(default_factory=list)
    ends: dict[int, tuple[float, str]] = field(default_factory=dict)


class Interpreter:
    """Plays one scenario through."""

    def __init__(self, rules: Rules, visitors: list[Visitor]) -> None:
        self.rules = rules
        self.coming = sorted(visitors, key=lambda each: each.at_ms)
        self.story = Story()
        self.present: dict[int, Visitor] = {}
        self.groups: list[Group] = []
        self.calls: list[CallMade] = []
        self.pauses: list[tuple[float, Visitor]] = []
        self.attempts: dict[int, int] = {}
        self.flaky_spent: set[int] = set()

    def play(self) -> Story:
        """From the first arrival to the last end. Raises TieError."""
        while self.coming or self.present:
            self._check_ties()
            now_ms, _, what, about = min(self._possible(), key=lambda each: each[:2])
            getattr(self, f"_{what}")(now_ms, about)
        return self.story

    def _check_ties(self) -> None:
        for group in self.groups:
            for when, _ in self.pauses:
                if abs(when - group.until_ms) < ROUNDING_MS < when - group.since_ms:
                    raise TieError

    def _possible(self) -> list[tuple[float, int, str, object]]:
        found: list[tuple[float, int, str, object]] = []
        for visitor in self.present.values():
            found.append((visitor.at_ms + visitor.deadline_ms, 0, "deadline", visitor))
            if visitor.cancel_ms is not None:
                found.append((visitor.at_ms + visitor.cancel_ms, 2, "cancel", visitor))
        found += [(group.until_ms, 0, "gathered", group) for group in self.groups]
        found += [(when, 0, "again", visitor) for when, visitor in self.pauses]
        found += [(call.over_ms, 1, "timeout", call) for call in self.calls]
        found += [(call.back_ms, 2, "back", call) for call in self.calls]
        found += [(visitor.at_ms, 3, "arrive", visitor) for visitor in self.coming[:1]]
        return found

    # What happens -------------------------------------------------------------------------------

    def _arrive(self, now_ms: float, visitor: Visitor) -> None:
        self.coming.remove(visitor)
        self.present[visitor.number] = visitor
        self.attempts[visitor.number] = 1
        self._want(now_ms, visitor)

    def _gathered(self, now_ms: float, group: Group) -> None:
        self.groups.remove(group)
        self._call(now_ms, group.members)

    def _again(self, now_ms: float, visitor: Visitor) -> None:
        self.pauses.remove((now_ms, visitor))
        self._want(now_ms, visitor)

    def _deadline(self, now_ms: float, visitor: Visitor) -> None:
        self._end(now_ms, visitor, "deadline")

    def _cancel(self, now_ms: float, visitor: Visitor) -> None:
        self._end(now_ms, visitor, "cancelled")

    def _timeout(self, now_ms: float, call: CallMade) -> None:
        self.calls.remove(call)
        for visitor in self._interested(call):
            self._retry_or_end(now_ms, visitor, "deadline")

    def _back(self, now_ms: float, call: CallMade) -> None:
        self.calls.remove(call)
        for visitor in self._interested(call):
            if call.failure is None:
                self._end(now_ms, visitor, "ok")
            elif call.failure == "overloaded":
                self._retry_or_end(now_ms, visitor, "overloaded")
            elif len(call.members) > 1:
                self._call(now_ms, [visitor])
            else:
                self._end(now_ms, visitor, call.failure)

    # What follows -------------------------------------------------------------------------------

    def _want(self, now_ms: float, visitor: Visitor) -> None:
        """A visit is to be called."""
        if visitor.kind is None or visitor.rows > self.rules.size:
            self._call(now_ms, [visitor])
            return
        mine = [group for group in self.groups if group.kind == visitor.kind]
        assert len(mine) < 2
        for group in mine:
            if sum(each.rows for each in group.members) + visitor.rows > self.rules.size:
                self._gathered(now_ms, group)
                mine = []
        if not mine:
            mine = [Group(visitor.kind, now_ms, now_ms + self.rules.window_ms)]
            self.groups += mine
        group = mine[0]
        group.members.append(visitor)
        left_ms = visitor.at_ms + visitor.deadline_ms - now_ms
        group.until_ms = min(group.until_ms, now_ms + left_ms / 2)
        if sum(each.rows for each in group.members) == self.rules.size:
            self._gathered(now_ms, group)

    def _call(self, now_ms: float, members: list[Visitor]) -> None:
        numbers = tuple(visitor.number for visitor in members)
        self.story.calls.append((now_ms, numbers))
        failure = None
        if any(visitor.poisoned for visitor in members):
            failure = "step-failed"
        flaky = {visitor.number for visitor in members if visitor.flaky} - self.flaky_spent
        if flaky:
            self.flaky_spent |= flaky
            failure = "overloaded"
        over_ms = now_ms + (self.rules.timeout_ms or float("inf"))
        self.calls.append(CallMade(members, now_ms + DURATION_MS, over_ms, failure, set(numbers)))

    def _retry_or_end(self, now_ms: float, visitor: Visitor, code: str) -> None:
        attempt = self.attempts[visitor.number]
        pause_ms = BACKOFF_MS * 2 ** (attempt - 1)
        if attempt > self.rules.retries or visitor.at_ms + visitor.deadline_ms - now_ms < pause_ms:
            self._end(now_ms, visitor, code)
            return
        self.attempts[visitor.number] += 1
        self.pauses.append((now_ms + pause_ms, visitor))

    def _interested(self, call: CallMade) -> list[Visitor]:
        return [visitor for visitor in call.members if visitor.number in call.left]

    def _end(self, now_ms: float, visitor: Visitor, how: str) -> None:
        del self.present[visitor.number]
        self.story.ends[visitor.number] = (now_ms, how)
        for group in self.groups:
            if visitor in group.members:
                group.members.remove(visitor)
        self.groups = [group for group in self.groups if group.members]
        for call in self.calls:
            call.left.discard(visitor.number)
        self.pauses = [pause for pause in self.pauses if pause[1] is not visitor]
