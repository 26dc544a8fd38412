"""What the engine keeps of one request in one pipeline, for as long as it is under way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from penstock.core.contracts.model import NOTHING, CallOrigin
from penstock.core.contracts.transport import Ownership
from penstock.core.engine.effects import Call
from penstock.core.engine.join_state import JoinState
from penstock.core.engine.rounds import LoopState
from penstock.core.engine.timers import NEVER
from penstock.core.plan import Consumer, LineName, Plan, StepPlan
from penstock.core.records import Body, Failed, Headers, Parameters

if TYPE_CHECKING:
    from penstock.core.engine.keeping import KeyedGate


class Ended:
    """The state of a visit that is over."""

    __slots__ = ()


ENDED: Final = Ended()


class Tally(Protocol):
    """Who counts what the engine decides without telling its driver, and knows what is usual."""

    def rest_ms(self, step: int, left_ms: float) -> float:
        """How much of the ``left_ms`` a step and all that follows from it usually need."""

    def count_batch(self, step: int, rows: int) -> None:
        """A step with ``batch`` made a call of so many rows."""

    def count_dropped(self, step: int) -> None:
        """A second value reached a turn of a loop in one round."""

    def count_skip(self, consumer: int, cause: str) -> None:
        """A consumer was skipped (index in the plan)."""

    def count_failure(self, step: int, code: str) -> None:
        """A visit failed by itself, not by a source, after its retries."""

    def count_retry(self, again: Call, failed: Failed) -> None:
        """An attempt failed, and ``again`` will be made."""


class Gate:
    """A visit whose joins are not decided yet. ``instant`` counts the records that came to it.

    A visit of a consumer that is ``quick`` has the state of its inputs alone in this place, for as
    long as the table of remembered decisions knows what to do.
    """

    __slots__ = (
        "consumer",
        "inputs",
        "instant",
        "opened_ms",
        "passage",
        "triggers",
        "wake_ms",
        "window_end_ms",
        "window_over",
    )

    def __init__(
        self, passage: Passage, consumer: Consumer, inputs: JoinState, now_ms: float
    ) -> None:
        self.passage = passage
        self.consumer = consumer
        self.inputs = inputs
        self.triggers = None if consumer.triggers is None else JoinState(consumer.triggers)
        self.opened_ms = now_ms
        self.window_end_ms = None if consumer.window_ms is None else now_ms + consumer.window_ms
        self.window_over = False
        """Set by the clock, never by a record: what the clock ends before it is still in time."""
        self.instant = 0
        self.wake_ms = NEVER

    def alive(self) -> bool:
        """Whether the visit still waits for its joins."""
        return self.passage.visits[self.consumer.place] is self


Visit: TypeAlias = Gate | JoinState | Call | Ended | None
"""The state of a visit: not begun, joining (two ways), called (or about to be again), over."""


class Passage(CallOrigin):
    """One request on its way through one version of one pipeline.

    ``visits`` has a place for each consumer of the plan, and for those of the rounds of loops that
    are under way; ``left`` counts visits that have not ended. ``loops`` has how each loop stands.
    ``key`` is empty where the request's key is its identity; see :attr:`record_key`.
    ``ownership`` is that under which the request was taken of a stream, None if it was not.
    ``context`` belongs to the driver.
    """

    __slots__ = (
        "answered",
        "cancelled",
        "closed",
        "context",
        "deadline_ms",
        "failures",
        "key",
        "keyed",
        "left",
        "loops",
        "opened_ms",
        "ownership",
        "plan",
        "tally",
        "visits",
    )

    keyed: dict[int, KeyedGate]
    """Visits whose joins keep state, by their places; only where the plan has such."""

    def __init__(
        self,
        plan: Plan,
        identity: str,
        now_ms: float,
        deadline_ms: float,
        request_id: str | None = None,
        parameters: Parameters = NOTHING,
        headers: Headers = NOTHING,
        tally: Tally | None = None,
        context: object = None,
        key: bytes = b"",
        *,
        ownership: Ownership | None = None,
    ) -> None:
        # Not through CallOrigin.__init__: this runs for every request.
        self.plan = plan
        self.identity = identity
        self.request_id = request_id
        self.parameters = parameters
        self.headers = headers
        self.key = key
        self.opened_ms = now_ms
        self.deadline_ms = deadline_ms
        self.tally = tally
        self.context = context
        self.ownership = ownership
        self.left = plan.width
        self.visits: list[Visit] = [None] * plan.places
        self.loops: tuple[LoopState, ...] = ()
        if plan.loops:
            self.loops = tuple([LoopState(loop) for loop in plan.loops])
        self.failures: list[Failed] | None = None
        self.missing = ()
        self.answered = False
        self.cancelled = False
        self.closed = False

    @property
    def record_key(self) -> bytes:
        """The key of the request's records: what ``input.key`` found, or else its identity."""
        return self.key or self.identity.encode()

    @property
    def line_name(self) -> LineName:
        """The partition in which its answer keeps its place, where the plan keeps an order."""
        if self.ownership is None:
            return self.plan.line_of(self.record_key)
        return self.plan.name, self.ownership.partition

    def alive(self) -> bool:
        """Whether anything of the request is still under way."""
        return not self.closed

    def waits_for(self) -> tuple[str, ...]:
        """The ports of other pipelines that its input still waits for."""
        return ()

    def step_visits(self) -> Iterator[tuple[StepPlan, Visit]]:
        """Every step with its visit, those of a loop in every round that is under way."""
        for step in self.plan.steps:
            yield step, self.visits[step.place]
        for loop in self.loops:
            for of in loop.rounds.values():
                if of.number:
                    for step in of.block.steps:
                        yield step, self.visits[step.place]

    def round_of(self, step: StepPlan) -> int:
        """The round whose visit has the place of ``step``; 0 outside of loops."""
        if step.loop is None:
            return 0
        return self.loops[step.loop.loop].running[step.loop.block].number


class VisitPassage(Passage):
    """One visit of a step, whose request is run by somebody else, in a plan of that step alone.

    ``round`` is the one that the visit has there.
    """

    __slots__ = ("round",)

    round: int

    def round_of(self, step: StepPlan) -> int:
        return self.round


class ExternalPassage(Passage):
    """One request in a pipeline that reads others, begun by the first record of theirs.

    ``inputs`` is what its input came to be, None while it is being joined; ``foreign`` is the
    failure of another pipeline that it was, which is no failure of this one.
    """

    __slots__ = ("foreign", "inputs")

    inputs: Body | None
    foreign: Failed | None

    def gather(self) -> None:
        """Begin to wait for the input."""
        self.left += 1
        self.inputs = None
        self.foreign = None

    def waits_for(self) -> tuple[str, ...]:
        assert self.plan.entrance is not None, "it reads other pipelines"
        gate = self.visits[self.plan.entrance.place]
        if self.inputs is not None or type(gate) is not Gate:
            return ()
        joins = (gate.inputs,) if gate.triggers is None else (gate.inputs, gate.triggers)
        return tuple(
            reference for join in joins for reference, end in join.by_reference() if end is None
        )
