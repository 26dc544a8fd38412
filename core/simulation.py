"""Runs the real engine in virtual time, over models that are only a script."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from types import ModuleType

import penstock.core.engine
from penstock.core.clock import VirtualClock
from penstock.core.engine import Abandon, Answer, Call, Effects, ExternalPassage, Turn
from penstock.core.metrics import PlanTally
from penstock.core.plan import ExternalPort, Plan
from penstock.core.records import Body, Failed, Tensors
from penstock.core.tensors import Tensor


def tensor(name: str, token: str = "") -> Tensor:
    """A tensor without contents that carries a token through the graph."""
    return Tensor(name, "INT32", (0,), b"", {"token": token or name})


@dataclass(frozen=True)
class Reaction:
    """How a model reacts to one call: after how long, with what, and whether it says it twice.

    ``outcome`` is a failure, a function of the call, or None for a call that never comes back.
    """

    after_ms: float
    outcome: Failed | Callable[[Call], Tensors | Failed] | None
    again_after_ms: float | None = None


@dataclass(frozen=True)
class Made:
    """One call as it was made."""

    step: str
    attempt: int
    at_ms: float
    deadline_ms: float
    tensors: Tensors
    round: int = 0


@dataclass
class Outcome:
    """Everything that happened to one request. Ports of a later round are ``port@round``."""

    answers: list[tuple[float, Answer]] = field(default_factory=list)
    ports: dict[str, list[tuple[float, Body]]] = field(default_factory=dict)
    calls: list[Made] = field(default_factory=list)
    abandoned: list[str] = field(default_factory=list)
    dead_letters: list[Failed] = field(default_factory=list)
    closed_ms: list[float] = field(default_factory=list)
    ended_ms: float = 0.0

    @property
    def answer(self) -> Body:
        """The one answer there must be."""
        assert len(self.answers) == 1, self.answers
        return self.answers[0][1].body

    @property
    def answered_ms(self) -> float:
        """When it was there."""
        assert len(self.answers) == 1, self.answers
        return self.answers[0][0]

    def port(self, port: str) -> Body:
        """What a port held; a port has exactly one record."""
        records = self.ports[port]
        assert len(records) == 1, records
        return records[0][1]

    def at(self, port: str) -> float:
        """When a port ended."""
        return self.ports[port][0][0]


class Simulation:
    """One engine and the world around it: scripts of models, and the clock, which starts at 0.

    ``package`` is where the engine comes from: the real one, or one with a bug in it.
    """

    def __init__(
        self,
        react: Callable[[Call], Reaction],
        jitter: Sequence[float] = (),
        package: ModuleType = penstock.core.engine,
    ) -> None:
        self._react = react
        self._package = package
        jitters = iter(jitter)
        self.engine: penstock.core.engine.Engine = package.Engine(lambda: next(jitters, 0.5))
        self._events: list[tuple[float, int, Callable[[float, Effects], None]]] = []
        self._numbers = count()
        self._outcomes: dict[str, Outcome] = {}
        self.clock = VirtualClock()

    def begin(
        self,
        plan: Plan,
        tensors: Tensors,
        *,
        deadline_ms: float = 60_000.0,
        at_ms: float = 0.0,
        cancel_ms: float | None = None,
        identity: str = "r",
        tally: PlanTally | None = None,
        key: bytes = b"",
    ) -> Outcome:
        """Have a request enter at ``at_ms``; what becomes of it is there after :meth:`run`.

        ``tally`` is told how long calls take, and knows what is usual.
        """
        outcome = self._outcomes[identity] = Outcome()
        passage = self._package.Passage(
            plan, identity, at_ms, at_ms + deadline_ms, tally=tally, context=tally, key=key
        )
        self._at(at_ms, lambda _, out: self.engine.open(passage, tensors, out))
        if cancel_ms is not None:
            self._at(cancel_ms, lambda now, out: self.engine.cancel(passage, now, out))
        return outcome

    def begin_by(
        self,
        plan: Plan,
        records: Sequence[tuple[float, ExternalPort, Callable[[], Body]]],
        *,
        deadline_ms: float,
        identity: str = "r",
    ) -> Outcome:
        """Have records of other pipelines begin a request, each at its moment, the first one first.

        What they hold is asked for when they come, and not of those that come too late.
        """
        outcome = self._outcomes[identity] = Outcome()
        at_ms = records[0][0]
        passage = self._package.ExternalPassage(plan, identity, at_ms, at_ms + deadline_ms)
        self._at(at_ms, lambda _, out: self.engine.gatherings.begin(passage, out))
        for when_ms, port, body in records:
            self._at(when_ms, partial(self._bring, passage, port, body))
        return outcome

    def _bring(
        self,
        passage: ExternalPassage,
        port: ExternalPort,
        body: Callable[[], Body],
        now_ms: float,
        out: Effects,
    ) -> None:
        if passage.inputs is None:
            self.engine.gatherings.bring(passage, passage.plan.external[port], body(), now_ms, out)

    def run(self, until_ms: float = math.inf) -> None:
        """Let time pass up to and with ``until_ms``, or until nothing is left to happen."""
        while True:
            timer_ms = self.engine.next_timer_ms()
            event_ms = self._events[0][0] if self._events else math.inf
            next_ms = min(timer_ms, event_ms)
            if next_ms == math.inf or next_ms > until_ms:
                break
            self.clock.move_to(next_ms)
            out: Effects = []
            if timer_ms <= event_ms:
                self.engine.tick(timer_ms, out)
            else:
                _, _, happen = heapq.heappop(self._events)
                happen(next_ms, out)
            self._carry_out(out)
        if until_ms != math.inf:
            self.clock.move_to(until_ms)

    def _at(self, when_ms: float, happen: Callable[[float, Effects], None]) -> None:
        heapq.heappush(self._events, (when_ms, next(self._numbers), happen))

    def _carry_out(self, out: Effects) -> None:
        package = self._package
        now_ms = self.clock.now_ms()
        for effect in out:
            if isinstance(effect, package.Turn):
                self.engine.turn(effect.lane, now_ms, out)
                continue
            if isinstance(effect, package.Abandon):
                call = effect.call
                self._outcomes[call.passage.identity].abandoned.append(call.step)
                tally: PlanTally | None = call.passage.context
                if tally is not None:
                    tally.steps[call.plan.index].note_time(now_ms - call.issued_ms)
                continue
            # The types do not know that the package's classes are those of the engine.
            assert not isinstance(effect, Abandon | Turn)
            outcome = self._outcomes[effect.passage.identity]
            outcome.ended_ms = now_ms
            if isinstance(effect, package.Call):
                self._call(effect, outcome, now_ms)
            elif isinstance(effect, package.Answer):
                outcome.answers.append((now_ms, effect))
            elif isinstance(effect, package.Emit):
                port = f"{effect.port}@{effect.round}" if effect.round else str(effect.port)
                outcome.ports.setdefault(port, []).append((effect.at_ms, effect.body))
            elif isinstance(effect, package.DeadLetter):
                outcome.dead_letters.append(effect.failure)
            elif isinstance(effect, package.Closed):
                outcome.closed_ms.append(now_ms)

    def _call(self, call: Call, outcome: Outcome, now_ms: float) -> None:
        outcome.calls.append(
            Made(call.step, call.attempt, now_ms, call.deadline_ms, call.tensors, call.round)
        )
        reaction = self._react(call)
        if reaction.outcome is None:
            return
        result = (
            reaction.outcome if isinstance(reaction.outcome, Failed) else reaction.outcome(call)
        )

        tally = call.passage.context

        def come_back(then_ms: float, out: Effects) -> None:
            counts = self.engine.done(call, result, then_ms, out)
            if counts and isinstance(tally, PlanTally):
                tally.observe[call.plan.index](then_ms - now_ms)

        back_ms = now_ms + reaction.after_ms
        self._at(back_ms, come_back)
        if reaction.again_after_ms is not None:
            self._at(back_ms + reaction.again_after_ms, come_back)
