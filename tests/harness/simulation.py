"""Runs the real engine on a clock that is only a number, over models that are only a script."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from types import ModuleType

import penstock.core.engine
from penstock.core.engine import Abandon, Answer, Call, Effects
from penstock.core.plan import Plan
from penstock.core.records import Body, Failed, Tensors
from penstock.core.tensors import Tensor


def tensor(name: str, token: str = "") -> Tensor:
    """A tensor without contents that carries a token through the graph."""
    return Tensor(name, "INT32", (0,), b"", {"token": token or name})


def named(tensors: Body | None) -> list[tuple[str, str]]:
    """Names and tokens of a record's tensors."""
    assert isinstance(tensors, tuple), tensors
    assert not isinstance(tensors, Failed), tensors
    return [(each.name, str(each.parameters["token"])) for each in tensors]  # type: ignore[union-attr]  # a marker has no parameters and fails the test


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
    """One engine and the world around it: scripts of models, and a clock.

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
        self.now_ms = 0.0

    def begin(
        self,
        plan: Plan,
        tensors: Tensors,
        *,
        deadline_ms: float = 60_000.0,
        at_ms: float = 0.0,
        cancel_ms: float | None = None,
        identity: str = "r",
    ) -> Outcome:
        """Have a request enter at ``at_ms``; what becomes of it is there after :meth:`run`."""
        outcome = self._outcomes[identity] = Outcome()
        passage = self._package.Passage(plan, identity, at_ms, at_ms + deadline_ms)
        self._at(at_ms, lambda _, out: self.engine.open(passage, tensors, out))
        if cancel_ms is not None:
            self._at(cancel_ms, lambda now, out: self.engine.cancel(passage, now, out))
        return outcome

    def run(self) -> None:
        """Let time pass until nothing is left to happen."""
        while True:
            timer_ms = self.engine.next_timer_ms()
            event_ms = self._events[0][0] if self._events else float("inf")
            if min(timer_ms, event_ms) == float("inf"):
                return
            out: Effects = []
            if timer_ms <= event_ms:
                self.now_ms = timer_ms
                self.engine.tick(timer_ms, out)
            else:
                self.now_ms, _, happen = heapq.heappop(self._events)
                happen(self.now_ms, out)
            self._carry_out(out)

    def _at(self, when_ms: float, happen: Callable[[float, Effects], None]) -> None:
        heapq.heappush(self._events, (when_ms, next(self._numbers), happen))

    def _carry_out(self, out: Effects) -> None:
        package = self._package
        for effect in out:
            if isinstance(effect, package.Abandon):
                self._outcomes[effect.call.passage.identity].abandoned.append(effect.call.step)
                continue
            # The types do not know that the package's classes are those of the engine.
            assert not isinstance(effect, Abandon)
            outcome = self._outcomes[effect.passage.identity]
            outcome.ended_ms = self.now_ms
            if isinstance(effect, package.Call):
                self._call(effect, outcome)
            elif isinstance(effect, package.Answer):
                outcome.answers.append((self.now_ms, effect))
            elif isinstance(effect, package.Emit):
                port = f"{effect.port}@{effect.round}" if effect.round else str(effect.port)
                outcome.ports.setdefault(port, []).append((self.now_ms, effect.body))
            elif isinstance(effect, package.DeadLetter):
                outcome.dead_letters.append(effect.failure)
            elif isinstance(effect, package.Closed):
                outcome.closed_ms.append(self.now_ms)

    def _call(self, call: Call, outcome: Outcome) -> None:
        outcome.calls.append(
            Made(call.step, call.attempt, self.now_ms, call.deadline_ms, call.tensors, call.round)
        )
        reaction = self._react(call)
        if reaction.outcome is None:
            return
        result = (
            reaction.outcome if isinstance(reaction.outcome, Failed) else reaction.outcome(call)
        )

        def come_back(now_ms: float, out: Effects) -> None:
            self.engine.done(call, result, now_ms, out)

        back_ms = self.now_ms + reaction.after_ms
        self._at(back_ms, come_back)
        if reaction.again_after_ms is not None:
            self._at(back_ms + reaction.again_after_ms, come_back)


Scripts = Mapping[str, Reaction | Sequence[Reaction]]


def scripted(scripts: Scripts, default_ms: float = 1.0) -> Callable[[Call], Reaction]:
    """Reactions by step, one per attempt (the last repeats); a step without one puts out ``y``."""

    def react(call: Call) -> Reaction:
        script = scripts.get(call.step)
        if script is None:
            return Reaction(default_ms, lambda c: (tensor("y", f"{c.step}.y"),))
        if isinstance(script, Reaction):
            return script
        return script[min(call.attempt, len(script)) - 1]

    return react


def puts_out(*names: str, after_ms: float = 1.0, again_after_ms: float | None = None) -> Reaction:
    """A model that puts out these tensors, whose tokens say which step made them."""
    return Reaction(
        after_ms, lambda c: tuple(tensor(n, f"{c.step}.{n}") for n in names), again_after_ms
    )


def fails(code: str = "step-failed", *, after_ms: float = 1.0, retriable: bool = False) -> Reaction:
    """A model that raises."""
    return Reaction(after_ms, Failed(code, f"a model said {code}", None, retriable))


NEVER = Reaction(0.0, None)
