"""What the engine asks of its driver. An effect says what to do, never how."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, final

from penstock.core.contracts.model import ModelCall
from penstock.core.records import Body, Failed, Port, Tensors

if TYPE_CHECKING:
    from penstock.core.engine.passage import Passage
    from penstock.core.plan import StepPlan


@final
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
    """Write what one port holds to its stream: it ended at ``at_ms``. For ports that are kept."""

    __slots__ = ("at_ms", "body", "passage", "port", "round")

    def __init__(
        self, passage: Passage, port: Port, body: Body, at_ms: float, round_number: int = 0
    ) -> None:
        self.passage = passage
        self.port = port
        self.body = body
        self.at_ms = at_ms
        self.round = round_number


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
class Closed:
    """Every visit of the passage has ended: nothing of it is left in the engine."""

    __slots__ = ("passage",)

    def __init__(self, passage: Passage) -> None:
        self.passage = passage


Effect: TypeAlias = Call | Answer | Emit | Retried | Abandon | DeadLetter | Closed
Effects: TypeAlias = list[Effect]
