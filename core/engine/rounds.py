"""What the engine keeps of the loops of one request: their rounds, and who reads them."""

from __future__ import annotations

from penstock.core.contracts.join import Skip
from penstock.core.engine.join_state import JoinState
from penstock.core.plan import LoopBlock, LoopPlan
from penstock.core.records import Absent, Body, Failed, Port, Tensors


class Round:
    """One round of a loop that is under way, in the places of ``block``.

    ``left`` are its visits that have not ended, ``unread`` the readers that have not made up their
    minds about it, ``reached`` the turns that a value has reached, a bit for each.
    """

    __slots__ = ("block", "left", "number", "reached", "unread")

    def __init__(self, number: int, block: LoopBlock, unread: int) -> None:
        self.number = number
        self.block = block
        self.left = len(block.steps)
        self.unread = unread
        self.reached = 0


class Reading:
    """How far one reader has come: it looks at one round after the other, from ``next`` on.

    ``decisions`` are those on rounds that it has not come to: the tensors that it would run with, a
    failure that does not come from the loop, or None where the round is to be passed over. ``last``
    is the latest round that brought nothing: its number, the reader's sources, and why it would be
    skipped; a lone reader (see Member) has only that.
    """

    __slots__ = ("decisions", "last", "next", "over")

    def __init__(self) -> None:
        self.next = 0
        self.over = False
        self.decisions: dict[int, Tensors | Failed | None] = {}
        self.last: tuple[int, JoinState | None, Skip | Absent] | None = None


class LoopState:
    """One loop of one request.

    ``rounds`` are those of which a visit or a reader is open, ``running`` says by the number of
    the block which of them has it, ``free`` are those that are over. ``outside`` has the records
    from outside that count in every round. ``failure`` is that of the lowest round, with the round
    and the step's index.
    """

    __slots__ = (
        "active",
        "failure",
        "free",
        "last",
        "outside",
        "plan",
        "readings",
        "rounds",
        "running",
        "visits",
    )

    def __init__(self, plan: LoopPlan) -> None:
        self.plan = plan
        base = plan.blocks[0]
        first = Round(0, base, len(plan.readers_that_join))
        self.rounds = {0: first}
        self.running = [first]
        self.active = 1
        """Rounds of which a visit has not ended; the loop is at rest when there is none."""
        self.last = 0
        self.free: list[Round] = []
        self.outside: dict[Port, Body] = {}
        self.visits = [0] * len(base.steps)
        self.readings = [Reading() for _ in base.readers]
        self.failure: tuple[int, int, Failed] | None = None

    def note_failure(self, number: int, index: int, failed: Failed) -> None:
        """Remember the failure of the lowest round; of one round, of the first step."""
        if self.failure is None or (number, index) < self.failure[:2]:
            self.failure = (number, index, failed)
