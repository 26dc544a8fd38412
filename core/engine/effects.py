"""What the engine asks of its driver. An effect says what to do, never how."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias, final

from penstock.core.contracts.model import ModelCall, SharedOrigin
from penstock.core.records import Body, Failed, Headers, Port, Tensors

if TYPE_CHECKING:
    from penstock.core.engine.order import Lane
    from penstock.core.engine.passage import Passage
    from penstock.core.plan import KeptJoin, StepPlan
    from penstock.core.state import StateChange


class Call(ModelCall):
    """Call the step's model, and hand the outcome to ``Engine.done`` whenever it is there.

    ``issued_ms`` is when the engine asked for it. The driver may keep what it waits for in
    ``work``.
    """

    __slots__ = ("issued_ms", "passage", "plan", "work")

    def __init__(
        self,
        passage: Passage,
        plan: StepPlan,
        tensors: Tensors,
        deadline_ms: float,
        attempt: int,
        issued_ms: float,
    ) -> None:
        # Not through ModelCall.__init__: this runs for every visit.
        self.origin = passage
        self.passage = passage
        self.plan = plan
        self.step = plan.name
        self.tensors = tensors
        self.deadline_ms = deadline_ms
        self.attempt = attempt
        self.round = 0
        self.issued_ms = issued_ms
        self.work: object = None

    def alive(self) -> bool:
        """Whether the outcome of this attempt still counts."""
        return self.passage.visits[self.plan.place] is self


@final
class SharedCall(Call):
    """One call for visits of several requests: ``calls`` are theirs, each with its rows.

    Taken for a :class:`Call` by who calls models; ``passage`` and ``plan`` are those of the first.
    ``open`` counts the visits that still wait for it.
    """

    __slots__ = ("calls", "open")

    def __init__(
        self, calls: tuple[tuple[Call, int], ...], tensors: Tensors, issued_ms: float
    ) -> None:
        first = calls[0][0]
        super().__init__(
            first.passage,
            first.plan,
            tensors,
            min([call.passage.deadline_ms for call, _ in calls]),
            max([call.attempt for call, _ in calls]),
            issued_ms,
        )
        self.round = min([call.round for call, _ in calls])
        self.origin = SharedOrigin(
            tuple([call.passage.identity for call, _ in calls]),
            first.passage.parameters,
            _in_all([call.origin.headers for call, _ in calls]),
        )
        self.calls = calls
        self.open = len(calls)

    def alive(self) -> bool:
        """Whether any visit still waits for the outcome."""
        return self.open > 0


def _in_all(headers: Sequence[Headers]) -> Headers:
    """Those headers that are the same in all."""
    first, *others = headers
    return {
        name: value
        for name, value in first.items()
        if all(other.get(name) == value for other in others)
    }


@final
class Answer:
    """The pipeline's output has been decided. Exactly one for each passage of a plan with output.

    ``details`` says for each output step why it was skipped, when ``body`` is absent.
    """

    __slots__ = ("body", "details", "passage")

    def __init__(self, passage: Passage, body: Body, details: tuple[str, ...] = ()) -> None:
        self.passage = passage
        self.body = body
        self.details = details


@final
class Emit:
    """Write what one port holds to its stream: it ended at ``at_ms``. For ports that are kept.

    ``shared_by`` is of outputs: how many visits had the call in common that brought them.
    """

    __slots__ = ("at_ms", "body", "passage", "port", "round", "shared_by")

    def __init__(
        self,
        passage: Passage,
        port: Port,
        body: Body,
        at_ms: float,
        round_number: int = 0,
        shared_by: int = 1,
    ) -> None:
        self.passage = passage
        self.port = port
        self.body = body
        self.at_ms = at_ms
        self.round = round_number
        self.shared_by = shared_by


@final
class Retried:
    """An attempt failed, and another one will be made. For steps whose outputs are kept."""

    __slots__ = ("at_ms", "call", "failure", "passage")

    def __init__(self, call: Call, failure: Failed, at_ms: float) -> None:
        self.passage = call.passage
        self.call = call
        self.failure = failure
        self.at_ms = at_ms


@final
class Abandon:
    """Nobody waits for this call any more: give it up where that is possible."""

    __slots__ = ("call",)

    def __init__(self, call: Call) -> None:
        self.call = call


@final
class DeadLetter:
    """A failure that no caller can be told of."""

    __slots__ = ("failure", "passage")

    def __init__(self, passage: Passage, failure: Failed) -> None:
        self.passage = passage
        self.failure = failure


@final
class Turn:
    """What was said before this has been done: tell ``Engine.turn``, for who comes next in a lane.

    For pipelines that keep the order of their answers.
    """

    __slots__ = ("lane",)

    def __init__(self, lane: Lane) -> None:
        self.lane = lane


@final
class Resumed:
    """A pipeline that keeps the order of its answers may have room for a request again.

    Told once to who asked for it (``Lines.is_full``); ``passage`` is the one that made room.
    """

    __slots__ = ("passage",)

    def __init__(self, passage: Passage) -> None:
        self.passage = passage


@final
class Closed:
    """Every visit of the passage has ended: nothing of it is left in the engine."""

    __slots__ = ("passage",)

    def __init__(self, passage: Passage) -> None:
        self.passage = passage


@final
class StateChanged:
    """What a join keeps across requests has changed: for who writes it down.

    ``passage`` is the request that brought the change about.
    """

    __slots__ = ("change", "join", "passage")

    def __init__(self, passage: Passage, join: KeptJoin, change: StateChange) -> None:
        self.passage = passage
        self.join = join
        self.change = change


Effect: TypeAlias = (
    Call | Answer | Emit | Retried | Abandon | DeadLetter | Turn | Resumed | Closed | StateChanged
)
Effects: TypeAlias = list[Effect]
