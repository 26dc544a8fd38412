"""Plays one request over a pipeline whose models are scripts, told by dials."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from penstock.core.engine import Call
from penstock.core.outcomes.choices import OTHERS, Choice, Choices
from penstock.core.outcomes.dials import Dial, Setting
from penstock.core.outcomes.endings import Ending, ending_of, ending_of_begun
from penstock.core.outcomes.windows import LONG_MS
from penstock.core.plan import Consumer, ExternalPort, Plan
from penstock.core.records import Body, Failed, Tensors
from penstock.core.simulation import Outcome, Reaction, Simulation, tensor

TICK_MS: Final = 1e-6
"""What calls take: next to nothing, so that no window or timeout ends meanwhile."""

DEADLINE_MS: Final = 60_000.0

ASYNC_DEADLINE_MS: Final = 600_000.0

MOST_PACES: Final = 8
"""How many orders of arrival are tried where the order matters."""

REASON: Final = "it fails in this case"


class Played(NamedTuple):
    """What became of one request."""

    ending: Ending
    outcome: Outcome


def waited(outcome: Outcome, records: int) -> bool:
    """Whether the clock ended the join of the input, in a request that so many records began."""
    return outcome.at("inputs") - records * TICK_MS > LONG_MS


class _AnotherRound(Exception):  # noqa: N818 - no error: it ends a play
    """A loop goes round more often than is played."""


class Player:
    """Plays a plan that keeps all of its ports.

    Where it matters which of several sources comes first, a request is played once for each of
    them: ``paces`` are the ways in which calls take their time.
    """

    def __init__(self, plan: Plan, choices: Choices) -> None:
        self._plan = plan
        self._choices = choices
        self.paces = _paces(plan)

    def play(self, setting: Setting, pace: Collection[str], late: str | None = None) -> Played:
        """One request. Dials that it comes to and ``setting`` does not hold are put there, as
        usual. The steps of ``pace`` are faster than the others; ``late`` never comes back."""
        script = _Script(self._plan, self._choices, setting, pace, late)
        simulation = Simulation(script.react)  # where each request is the first of its key
        outcome = simulation.begin(self._plan, script.request(), deadline_ms=DEADLINE_MS)
        with suppress(_AnotherRound):
            simulation.run()
        return Played(ending_of(self._plan, outcome), outcome)

    def play_begun(self, records: Sequence[tuple[ExternalPort, Callable[[], Body]]]) -> Played:
        """One request that these records of other pipelines begin, which come in this order; the
        steps do as usual."""
        script = _Script(self._plan, self._choices, {}, self.paces[0], None)
        simulation = Simulation(script.react)
        outcome = simulation.begin_by(
            self._plan,
            [(number * TICK_MS, *record) for number, record in enumerate(records)],
            deadline_ms=self._plan.async_deadline_ms or ASYNC_DEADLINE_MS,
        )
        with suppress(_AnotherRound):
            simulation.run()
        return Played(ending_of_begun(self._plan, outcome), outcome)


class _Script:
    """What the models of one play do."""

    def __init__(
        self,
        plan: Plan,
        choices: Choices,
        setting: Setting,
        pace: Collection[str],
        late: str | None,
    ) -> None:
        self._choices = choices
        self._setting = setting
        self._pace = pace
        # It takes as many rounds as a loop has turns to reach all of it.
        self._last_round = max((len(loop.turns) for loop in plan.loops), default=0)
        self._slow_ms = TICK_MS * (len(plan.steps) * (self._last_round + 1) + 1)
        self._late = late

    def request(self) -> Tensors:
        """The tensors of the request."""
        return made_by("the request", self._choices.request.brought(self._turned))

    def react(self, call: Call) -> Reaction:
        """What a model does about a call."""
        if call.round > self._last_round:
            raise _AnotherRound
        if call.step == self._late:
            return Reaction(0.0, None)
        after_ms = TICK_MS if call.step in self._pace else self._slow_ms
        choice = self._choices.steps[call.step]
        lacking = _lacking(choice, call.tensors)
        if lacking is not None:
            said = f"the tensor '{lacking}' is missing"
            return Reaction(after_ms, Failed("invalid-request", said))
        # A later round of a loop is played for where it leads; it fails as the first one does.
        if not call.round and self._turned(Dial("fails", call.step)):
            return Reaction(after_ms, Failed("step-failed", REASON))
        tensors = made_by(call.step, choice.brought(self._turned, call.round))
        return Reaction(after_ms, lambda _: tensors)

    def _turned(self, dial: Dial) -> bool:
        return self._setting.setdefault(dial, False)


def made_by(who: str, names: Sequence[str]) -> Tensors:
    """Tensors of these names that carry who made them."""
    return tuple(tensor(name, who) for name in names)


def _lacking(choice: Choice, tensors: Tensors) -> str | None:
    """A tensor that a model cannot do without and that is certainly not there."""
    names = {each.name for each in tensors}
    if any(name.endswith(OTHERS) for name in names):
        return None
    return next((name for name in choice.wants if name not in names), None)


def _paces(plan: Plan) -> list[Collection[str]]:
    """For each source of joins that care who is first: the steps that are fast so that it is the
    first, and so that it is the last."""
    read = {step.name: _read_by(step) for step in plan.steps}
    racers = dict.fromkeys(
        step
        for consumer in (*plan.steps, plan.output)
        if consumer is not None
        for join in (consumer.inputs, consumer.triggers)
        if join is not None and not join.strategy.order_free
        for step in _steps_of(join.references, plan)
        if len(set(_steps_of(join.references, plan))) > 1 and step is not None
    )
    paces: list[Collection[str]] = [_with_sources(racer, read) for racer in racers]
    if len(racers) > 2:  # of two, the last is the other one's first
        paces += [frozenset(read) - {racer} for racer in racers]
    return paces[:MOST_PACES] or [()]


def _read_by(consumer: Consumer) -> list[str]:
    triggers = () if consumer.triggers is None else consumer.triggers.references
    return [text.partition(".")[0] for text in (*consumer.inputs.references, *triggers)]


def _steps_of(references: Sequence[str], plan: Plan) -> list[str | None]:
    """The steps that references read, None for the pipeline's input."""
    names = (text.partition(".")[0] for text in references)
    return [None if name == plan.name else name for name in names]


def _with_sources(step: str, read: Mapping[str, Sequence[str]]) -> frozenset[str]:
    """A step and all that it waits for."""
    found: set[str] = set()
    left = [step]
    while left:
        name = left.pop()
        if name in read and name not in found:
            found.add(name)
            left += read[name]
    return frozenset(found)
