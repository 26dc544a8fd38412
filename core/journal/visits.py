"""The visits of a request: what each step waited for, what ended the wait, and what came of it.

All of it is found out when somebody looks, from the ports that were recorded and from the plan: a
record of a source that stands before that of the step's inputs came before the join was decided.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from penstock.core.contracts.join import SourceState
from penstock.core.journal.story import AttemptRecord, PortRecord, Story
from penstock.core.plan import Consumer, Plan, StepPlan
from penstock.core.records import Absent, Body, Failed, Port
from penstock.core.references import Source, parse_source

SAME_MOMENT_MS: Final = 1e-6


class SourceStanding(NamedTuple):
    """One source of a join, as it stood when the join was decided, or stands now.

    ``state`` is OPEN for one that had not ended; ``at_ms`` is then when it ended later, if it did.
    ``round`` is the one that it came from, None where no round brings it.
    """

    reference: str
    state: SourceState
    at_ms: float | None
    reason: str | None
    round: int | None


class JoinStanding(NamedTuple):
    """One join of a visit.

    It opened with the first source that ended (``opened_ms``) and was decided at ``decided_ms``,
    each None while it is not. ``ended_by`` is the reference whose end decided it, or ``window``,
    ``deadline``, ``cancelled`` or ``clock`` (a time of the strategy's own).
    """

    strategy: str
    sources: tuple[SourceStanding, ...]
    opened_ms: float | None
    decided_ms: float | None
    ended_by: str | None

    @property
    def waited_ms(self) -> float | None:
        """How long it was open, None while it is, or never was."""
        if self.opened_ms is None or self.decided_ms is None:
            return None
        return max(0.0, self.decided_ms - self.opened_ms)


class Visit(NamedTuple):
    """One run of one step in one round, or the pipeline's output (``step`` is None).

    ``inputs`` and ``outputs`` are the records of its ports, None while they have not ended.
    ``attempts`` are those that failed and were not the last.
    """

    step: str | None
    round: int
    model: str | None
    pipeline: str | None
    version: int | None
    join: JoinStanding
    triggers: JoinStanding | None
    inputs: PortRecord | None
    outputs: PortRecord | None
    attempts: tuple[AttemptRecord, ...]

    def children(self, identity: str) -> tuple[str, ...]:
        """The identities of the requests to the pipeline that the step is, one for each attempt."""
        called = self.inputs is not None and type(self.inputs.body) is tuple
        if self.pipeline is None or not called:
            return ()
        return tuple(
            f"{identity}/{self.step}.{self.round}.{attempt}"
            for attempt in range(1, len(self.attempts) + 2)
        )


def visits_of(story: Story) -> tuple[Visit, ...]:
    """The visits of a request whose every port is kept, in the order in which they were decided;
    those that still wait come last. Of other requests nothing is known."""
    plan = story.plan
    if plan is None or plan.record != "all":
        return ()
    return tuple(_Reading(story, plan).visits())


class _Declared(NamedTuple):
    """A join as the manifest has it."""

    strategy: str
    sources: tuple[Source, ...]


class _Reading:
    """The records of one story by port and round, with their places in the order of arrival."""

    def __init__(self, story: Story, plan: Plan) -> None:
        self._story = story
        self._plan = plan
        self._steps = {step.name: step for step in plan.steps}
        self._places = {
            (record.port, record.round): place for place, record in enumerate(story.records)
        }

    def visits(self) -> Iterator[Visit]:
        """As :func:`visits_of` has them."""
        seen = set()
        for record in self._story.records:
            consumer = self._decided_by(record.port)
            if consumer is not None and (consumer.index, record.round) not in seen:
                seen.add((consumer.index, record.round))
                yield self._visit(consumer, record.round)
        if self._story.ended_ms is None:
            for consumer in self._plan.consumers[: self._plan.width]:
                if (consumer.index, 0) not in seen:
                    yield self._visit(consumer, 0)

    def _decided_by(self, port: Port) -> Consumer | None:
        if port.step is None:
            return self._plan.output if port.side == "outputs" else None
        return self._steps.get(port.step)

    def _record(self, port: Port, round_number: int) -> PortRecord | None:
        place = self._places.get((port, round_number))
        return None if place is None else self._story.records[place]

    def _visit(self, consumer: Consumer, round_number: int) -> Visit:
        pipeline = self._plan.pipeline
        assert pipeline is not None, "a plan with records comes from a manifest"
        spec = pipeline.spec
        if not isinstance(consumer, StepPlan):
            assert spec.output is not None, "the only other consumer is the output"
            outputs = self._record(Port(None, "outputs"), 0)
            declared = _Declared(str(spec.output.steps_join), self._sources(spec.output.steps))
            join = self._join(consumer, declared, 0, outputs, triggers=False)
            return Visit(None, 0, None, None, None, join, None, None, outputs, ())
        step = spec.steps[consumer.index]
        inputs = self._record(Port(step.name, "inputs"), round_number)
        joined = _Declared(
            str(step.inputs_join_type), self._sources(step.inputs or (self._plan.name,))
        )
        gated = _Declared(str(step.triggers_join_type), self._sources(step.triggers))
        versions = self._story.versions
        return Visit(
            step.name,
            round_number,
            step.model_name if step.pipeline is None else None,
            step.pipeline,
            versions[consumer.index] if consumer.index < len(versions) else None,
            self._join(consumer, joined, round_number, inputs, triggers=False),
            self._join(consumer, gated, round_number, inputs, triggers=True)
            if step.triggers
            else None,
            inputs,
            self._record(Port(step.name, "outputs"), round_number),
            tuple(
                attempt
                for attempt in self._story.attempts
                if (attempt.step, attempt.round) == (step.name, round_number)
            ),
        )

    def _sources(self, references: Iterable[str]) -> tuple[Source, ...]:
        return tuple(parse_source(text, pipeline=self._plan.name) for text in references)

    def _join(
        self,
        consumer: Consumer,
        declared: _Declared,
        round_number: int,
        decided: PortRecord | None,
        *,
        triggers: bool,
    ) -> JoinStanding:
        """How a join stood before ``decided``, the record that its verdict led to."""
        end = len(self._story.records)
        place = end if decided is None else self._places[decided.port, decided.round]
        opened_ms: float | None = None
        last: tuple[int, str] | None = None
        standings = []
        for source in declared.sources:
            counted = self._round_of(consumer, source, round_number, place, triggers=triggers)
            found = None if counted is None else self._places.get((source.port, counted))
            standings.append(self._standing(source, counted, found, round_number, place))
            if found is not None and found < place:
                at_ms = self._story.records[found].at_ms
                opened_ms = at_ms if opened_ms is None else min(opened_ms, at_ms)
                if last is None or found > last[0]:
                    last = (found, source.text)
        return JoinStanding(
            declared.strategy,
            tuple(standings),
            opened_ms,
            None if decided is None else decided.at_ms,
            None if decided is None else self._ended_by(consumer, decided, opened_ms, last),
        )

    def _standing(
        self, source: Source, counted: int | None, found: int | None, round_number: int, place: int
    ) -> SourceStanding:
        if counted is None:
            said = f"it does not count in round {round_number}"
            return SourceStanding(source.text, SourceState.ABSENT, None, said, None)
        if found is None:
            return SourceStanding(source.text, SourceState.OPEN, None, None, counted)
        record = self._story.records[found]
        if found > place:
            return SourceStanding(source.text, SourceState.OPEN, record.at_ms, None, counted)
        state, reason = _end(source, record.body)
        return SourceStanding(source.text, state, record.at_ms, reason, counted)

    def _ended_by(
        self,
        consumer: Consumer,
        decided: PortRecord,
        opened_ms: float | None,
        last: tuple[int, str] | None,
    ) -> str | None:
        """What decided a join: the source that ended at that very moment, or else the clock."""
        if isinstance(decided.body, Failed):
            over = decided.at_ms >= self._story.deadline_ms
            if decided.body.code == "cancelled" or (decided.body.code == "deadline" and over):
                return decided.body.code
        if last is not None:
            record = self._story.records[last[0]]
            # Streams say when records were written, which may be long after the join was decided.
            if consumer.quick or decided.at_ms - record.at_ms < SAME_MOMENT_MS:
                return last[1]
        window_ms = consumer.window_ms
        if window_ms is not None and opened_ms is not None:
            over_ms = opened_ms + window_ms - SAME_MOMENT_MS
            return "window" if decided.at_ms >= over_ms else "clock"
        return "clock" if last is not None else None

    def _round_of(
        self, consumer: Consumer, source: Source, round_number: int, place: int, *, triggers: bool
    ) -> int | None:
        """The round of a source's record that counts for a visit; None where none does."""
        step = None if source.step is None else self._steps[source.step]
        inside = None if step is None else step.loop
        own = consumer.loop if isinstance(consumer, StepPlan) else None
        if own is not None and not triggers and own.number in self._plan.loops[own.loop].turns:
            if inside is not None and inside.loop == own.loop:
                return round_number - 1 if round_number else None
            return 0 if not round_number else None
        if inside is None:
            return 0
        if own is not None and inside.loop == own.loop:
            return round_number
        return self._round_read(source, place)

    def _round_read(self, source: Source, place: int) -> int:
        """Which round of a loop a reader outside took: the one whose tensors it has, else the last
        that had ended."""
        records = self._story.records
        rounds = [record for record in records[:place] if record.port == source.port]
        if place < len(records):
            taken = _contents(records[place].body)
            for record in rounds:
                brought = _end(source, record.body)[0] is SourceState.VALUE
                if brought and taken & _contents(record.body):
                    return record.round
        return rounds[-1].round if rounds else 0


def _contents(body: Body) -> set[int]:
    return set() if isinstance(body, Absent | Failed) else {each.contents_id for each in body}


def _end(source: Source, body: Body) -> tuple[SourceState, str | None]:
    """How a source ends by the record of its port."""
    if isinstance(body, Failed):
        return SourceState.FAILED, body.reason
    if isinstance(body, Absent):
        return SourceState.ABSENT, body.reason
    if source.tensor is not None and all(tensor.name != source.tensor for tensor in body):
        return SourceState.ABSENT, f"there was no tensor '{source.tensor}'"
    return SourceState.VALUE, None
