"""Mutants that may survive, each with the reason: they change nothing that anybody could notice."""

from __future__ import annotations

import re
from typing import Final

from mutation.mutants import Change

LONE: Final = "the join of a reader with one source is asked for no time: it reads states only"

KEEPER: Final = "what keeps state takes each source of a record by itself, and the long way"

STATES: Final = "what only states decide about remembers neither times nor instants"

EXPLAINED: Final[dict[tuple[str, str], str]] = {
    (
        "if type(value) is not tuple:",
        "if type(None) is not tuple:",
    ): "the long way to the same decision",
    (
        "value = body if whole else take(inputs[0], body)",
        "value = body if whole else take(inputs[0], None)",
    ): "the long way to the same decision",
    (
        "if type(end) is Absent and of.number == reading.next and not reading.decisions:",
        "if type(None) is Absent and of.number == reading.next and not reading.decisions:",
    ): "the long way to the same decision",
    (
        "self.states |= state << (2 * position)",
        "self.states |= state << (3 * position)",
    ): "each combination has a number of its own, whatever it is",
    (
        "value: Body | None = None",
        'value: Body | None = ""',
    ): "it is only asked whether it is a tuple",
    (
        "known = gate.plan.decisions.get(gate.states << 1)"
        "  # type: ignore[union-attr]  # quick ones have them",
        "known = None  # type: ignore[union-attr]  # quick ones have them",
    ): "the long way to the same decision",
    (
        "self._open[passage] = None",
        'self._open[passage] = ""',
    ): "nothing is read but which passages there are",
    (
        "is_value = type(body) is tuple",
        "is_value = type(body) is not tuple",
    ): "the long way to the same decision",
    (
        "if type(consumer) is StepPlan and consumer.plain:",
        "if type(None) is StepPlan and consumer.plain:",
    ): "the long way to the same call",
    (
        "if passage.loops and not passage.closed:",
        "if passage.loops and passage.closed:",
    ): "the inputs of a visit at the end of a request open no round any more",
    (
        "if type(consumer) is ReaderRound and gate.skips_for_absence(known):",
        "if type(consumer) is ReaderRound and gate.skips_for_absence(None):",
    ): "the long way to the same decision",
    (
        "self._go_on(lane, out, due=False)",
        "self._go_on(lane, out, due=None)",
    ): "it is only asked whether it is so",
    (
        "join.verdict = Skip(NO_MORE.reason)",
        "join.verdict = Skip(None)",
    ): "nobody is told why a visit that was given up is over",
    (
        "if len(heap) > 2 * self._swept + self._FEWEST_TO_SWEEP:",
        "if len(heap) >= 2 * self._swept + self._FEWEST_TO_SWEEP:",
    ): "it is swept one timer earlier",
    (
        "decisions = plan.decisions",
        "decisions = None",
    ): "the long way to the same decision",
    (
        "known = decisions.get(situation)",
        "known = decisions.get(None)",
    ): "the long way to the same decision",
    (
        "elif until_ms < gathering.until_ms:",
        "elif until_ms <= gathering.until_ms:",
    ): "of two timers for one time the first closes it",
    (
        "details = () if type(consumer) is StepPlan else why_no_output(inputs, verdict)",
        "details = () if type(None) is StepPlan else why_no_output(inputs, verdict)",
    ): "nobody reads the details of a step that is skipped",
    (
        "if end_ms < call.deadline_ms:",
        "if end_ms <= call.deadline_ms:",
    ): "at that time the deadline of the request comes first",
    (
        "passage.visits[plan.entrance.place] = ENDED",
        "passage.visits[plan.entrance.place] = None",
    ): "what comes for an input that is decided does not get there any more",
    (
        "if self.failure is None or (number, index) < self.failure[:2]:",
        "if self.failure is None or (number, index) <= self.failure[:2]:",
    ): "a step fails once in a round",
    (
        "if self.failure is None or (number, index) < self.failure[:2]:",
        "if self.failure is None or (number, index) < self.failure[:3]:",
    ): "a step fails once in a round",
    (
        "elif type(body) is Absent and (reading.last is None or reading.last[0] < of.number):",
        "elif type(body) is Absent and (reading.last is None or reading.last[0] <= of.number):",
    ): "a reader is told of a round once",
    (
        "if reading.last is None or reading.last[0] < number:",
        "if reading.last is None or reading.last[0] <= number:",
    ): "a reader makes up its mind about a round once",
    (
        "return type(known) is Skip and Failed not in map(type, self.ends)",
        "return type(None) is Skip and Failed not in map(type, self.ends)",
    ): "the long way to the same decision",
    (
        'self.ended_outside(passage, Port(None, "inputs"), body, flow)',
        'self.ended_outside(passage, Port(None, "inputs"), body, None)',
    ): "the first round has the input of the request as any step has it",
    (
        "inputs.end(0, cast(Absent, why), now_ms, 1)",
        "inputs.end(0, cast(Absent, why), None, 1)",
    ): LONE,
    (
        "inputs.end(0, cast(Absent, why), now_ms, 1)",
        "inputs.end(0, cast(Absent, why), now_ms, None)",
    ): LONE,
    (
        "inputs.end(0, cast(Absent, why), now_ms, 1)",
        "inputs.end(0, cast(Absent, why), now_ms, 2)",
    ): LONE,
    (
        "decide(inputs, Gate(passage, target, inputs, now_ms), now_ms)",
        "decide(inputs, Gate(passage, target, None, now_ms), now_ms)",
    ): LONE,
    (
        "decide(inputs, Gate(passage, target, inputs, now_ms), now_ms)",
        "decide(inputs, Gate(passage, target, inputs, None), now_ms)",
    ): LONE,
    (
        "decide(inputs, Gate(passage, target, inputs, now_ms), now_ms)",
        "decide(inputs, Gate(passage, target, inputs, now_ms), None)",
    ): LONE,
    (
        "known = ask(plan, view_of(state, gate, now_ms, window_ended=window_ended))",
        "known = ask(plan, view_of(state, gate, None, window_ended=window_ended))",
    ): "a strategy that reads states only looks at no time",
    (
        "feed = Feed(index, inputs, triggers, direct, whole)",
        "feed = Feed(index, inputs, triggers, None, whole)",
    ): KEEPER,
    (
        "feed = Feed(index, inputs, triggers, direct, whole)",
        "feed = Feed(index, inputs, triggers, direct, None)",
    ): KEEPER,
    (
        "gate.end(part.position, take(part, body), now_ms, 0)",
        "gate.end(part.position, take(part, body), None, 0)",
    ): STATES,
    (
        "gate.end(part.position, take(part, body), now_ms, 0)",
        "gate.end(part.position, take(part, body), now_ms, None)",
    ): STATES,
    (
        "gate.end(part.position, take(part, body), now_ms, 0)",
        "gate.end(part.position, take(part, body), now_ms, 1)",
    ): STATES,
    (
        "gate.instant += 1",
        "gate.instant += 2",
    ): "what comes later has a higher instant, by whatever steps",
    (
        "if until_ms < gate.wake_ms:",
        "if until_ms <= gate.wake_ms:",
    ): "it is asked at that time anyhow",
    (
        "if when_ms < self.due_ms:",
        "if when_ms <= self.due_ms:",
    ): "the earlier of two equal times is the same one",
    (
        "passage.failures = None",
        'passage.failures = ""',
    ): "after the answer nobody asks what has failed before",
    (
        "if len(decisions) < MOST_REMEMBERED:",
        "if len(decisions) <= MOST_REMEMBERED:",
    ): "one decision more is remembered",
}
"""By what is taken out and what is put in its place."""

UNREAD: Final = (
    (
        re.compile(
            r"\b(?:\w+\.(?:answered|awaited|began|cancelled|closed|giving|over)|waits)"
            r" = (?:False|None)$"
        ),
        "it is only asked whether it is so",
    ),
    (re.compile(r"\bcast\([^,()]+,"), "cast reads nothing of the type that it is given"),
    (
        re.compile(r", strict=(?:True|False|None)|, (?=\))"),
        "the two are of one length, whatever zip is asked to see to",
    ),
)
"""Parts of lines that nothing is read of while the program runs, with the reason."""


def why_harmless(change: Change) -> str | None:
    """The reason for which nobody could notice this change, None if somebody could."""
    explained = EXPLAINED.get((change.before, change.after))
    if explained is not None:
        return explained
    for part, reason in UNREAD:
        if part.sub("", change.before) == part.sub("", change.after):
            return reason
    return None
