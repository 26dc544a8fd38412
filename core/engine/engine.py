"""The dataflow engine: decides what follows from each record and each moment of the clock.

It does no I/O, has no clock, no thread and no task. It is told what happened, and appends what is
to be done to a list of effects; whoever drives it carries them out (:mod:`penstock.core.dataflow`
in a process, a simulation in the tests). The rules are those of the contract of pipelines.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, cast

from penstock.core.contracts.join import Run, Skip, Wait
from penstock.core.engine.batches import Batches, Gathering
from penstock.core.engine.effects import (
    Abandon,
    Answer,
    Call,
    Closed,
    DeadLetter,
    Effects,
    Emit,
    Retried,
    SharedCall,
)
from penstock.core.engine.gatherings import MOST_OPEN_JOINS, Gatherings
from penstock.core.engine.join_state import JoinState
from penstock.core.engine.joining import combine, decide
from penstock.core.engine.keeping import KeyedGate, StateKeeper
from penstock.core.engine.loops import LoopRunner, Overrun
from penstock.core.engine.order import Lane, Lines
from penstock.core.engine.passage import (
    ENDED,
    Ended,
    ExternalPassage,
    Gate,
    Passage,
    Visit,
    VisitPassage,
)
from penstock.core.engine.sources import Flow, first_clash, take, why_no_output
from penstock.core.engine.timers import (
    ATTEMPT,
    DEADLINE,
    GATHERED,
    JOIN,
    NEVER,
    OVERRUN,
    RETRY,
    ROOM,
    Timers,
)
from penstock.core.plan import Consumer, Entrance, Feed, ReaderRound, StepPlan
from penstock.core.records import Absent, Body, Failed, Port, Tensors

MARGIN_MS: Final = 5.0
MARGIN: Final = 0.01
"""How long before the deadline an answer is to be there, where joins see to that: so many ms and
this part of what is left; a tenth of what is left where that is less. The part is for callers over
gRPC: its C core tells a timeout in steps of up to a hundredth of it, rounded up
(``timeout_encoding.cc``), so what is the deadline here is up to that much later than theirs."""

NO_TENSORS = Absent("the request has no tensors", "left-out")
PIPELINE_INPUTS = Port(None, "inputs")
PIPELINE_OUTPUTS = Port(None, "outputs")


class Engine:
    """Runs any number of passages over any number of plans.

    ``random`` gives numbers in [0, 1) for the jitter of retries. All times are milliseconds of one
    clock that the caller reads; they must not go backwards. After each burst of calls the driver
    asks :meth:`next_timer_ms` and sees to it that :meth:`tick` is called by then. At most
    ``most_open_joins`` passages wait for records of other pipelines.
    """

    __slots__ = (
        "_batches",
        "_random",
        "gatherings",
        "lines",
        "loops",
        "next_timer_ms",
        "open_passages",
        "states",
        "timers",
    )

    def __init__(self, random: Callable[[], float], most_open_joins: int = MOST_OPEN_JOINS) -> None:
        self._random = random
        self._batches = Batches(self)
        self.gatherings = Gatherings(self, most_open_joins)
        self.loops = LoopRunner(self)
        self.lines = Lines(self)
        self.states = StateKeeper(self)
        self.timers = Timers()
        self.next_timer_ms = self.timers.next_due_ms
        """When :meth:`tick` is to be called next, infinity when there is nothing to wait for."""
        self.open_passages = 0
        """Requests of which anything is under way."""

    # What happens -------------------------------------------------------------------------------

    def open(
        self, passage: Passage, given: Body, out: Effects, position: int | None = None
    ) -> None:
        """A request enters its pipeline, at ``passage.opened_ms``. A marker is given where other
        pipelines have brought none but that.

        ``position`` is its place in the order of requests, for joins that keep state; by default it
        comes behind all others.
        """
        now_ms = passage.opened_ms
        timers = self.timers
        if now_ms >= timers.due_ms:
            self._fire(now_ms, out)
        self.open_passages += 1
        plan = passage.plan
        body: Body = given or NO_TENSORS
        if plan.minds_input:
            self.note_entry(passage, body, now_ms, out, position)
        if passage.deadline_ms <= now_ms and type(body) is not Failed:
            self._end_all(passage, "deadline", deadline_reason(passage), now_ms, out)
            return
        timers.add(passage.deadline_ms, DEADLINE, passage)
        flow: Flow = [(plan.input_feeds, body)]
        if plan.loops:
            self.loops.begin(passage, body, now_ms, flow, out)
        self.spread(passage, flow, now_ms, out)

    def refuse(self, passage: Passage, failed: Failed, out: Effects) -> None:
        """A request enters that cannot run: it has failed, and has its place among the answers."""
        now_ms = passage.opened_ms
        if now_ms >= self.timers.due_ms:
            self._fire(now_ms, out)
        self.open_passages += 1
        plan = passage.plan
        passage.visits = [ENDED] * len(passage.visits)
        if plan.keeping:
            passage.keyed = {}
        if plan.output is None:
            passage.left = 0
            out.append(DeadLetter(passage, failed))
        else:
            passage.left = 1
            if plan.order is not None:
                self.lines.line_up(passage, plan.order)
                self.timers.add(passage.deadline_ms, DEADLINE, passage)
            self._answer(passage, failed, (), now_ms, out)
        self.close_if_over(passage, out)

    def done(self, call: Call, outcome: Tensors | Failed, now_ms: float, out: Effects) -> bool:
        """A call came back: with tensors (none: it put out nothing), or with a failure.

        Says whether that counted. It does not when the attempt was given up before, or when its
        outcome came before.
        """
        if now_ms >= self.timers.due_ms:
            self._fire(now_ms, out)
        passage = call.passage
        step = call.plan
        if passage.visits[step.place] is not call:
            return type(call) is SharedCall and self._batches.done(call, outcome, now_ms, out)
        body: Body
        if type(outcome) is Failed:
            if outcome.retriable and self._retry(call, outcome, now_ms, out):
                return True
            failed = Failed(
                outcome.code, outcome.reason, outcome.step or step.name, False, call.attempt
            )
            body = self._own_failure(passage, step, failed, out)
        else:
            body = outcome or step.put_out_nothing
        # As _end_step does, without the way there.
        passage.visits[step.place] = ENDED
        passage.left -= 1
        flow: Flow = [(step.output_feeds, body)]
        if step.watched_outputs:
            if step.loop is not None and not step.keeps_outputs:
                # As _outputs_ended does in the end: this is the way of each round.
                self.loops.visit_ended(passage, step, step.loop, body, now_ms, flow, out)
            else:
                self._outputs_ended(passage, step, body, now_ms, flow, out)
        self.spread(passage, flow, now_ms, out)
        return True

    def done_together(
        self, call: Call, tensors: Tensors, shared_by: int, now_ms: float, out: Effects
    ) -> None:
        """A visit that shared its call with others has its part of the outcome."""
        passage = call.passage
        step = call.plan
        flow: Flow = []
        body = tensors or step.put_out_nothing
        self._end_step(passage, step, body, now_ms, flow, out, shared_by)
        self.spread(passage, flow, now_ms, out)

    def ended_elsewhere(
        self, call: Call, marker: Absent | Failed, now_ms: float, out: Effects
    ) -> None:
        """A visit came back from where it was carried out, its step's settings seen to: it put
        nothing out, or failed for good."""
        if now_ms >= self.timers.due_ms:
            self._fire(now_ms, out)
        passage = call.passage
        step = call.plan
        if passage.visits[call.plan.place] is not call:
            return
        if isinstance(marker, Failed):
            failed = marker._replace(step=marker.step or step.name, retriable=False)
            marker = self._own_failure(passage, step, failed, out)
        flow: Flow = []
        self._end_step(passage, step, marker, now_ms, flow, out)
        self.spread(passage, flow, now_ms, out)

    def tick(self, now_ms: float, out: Effects) -> None:
        """The clock has reached ``now_ms``."""
        if now_ms >= self.timers.due_ms:
            self._fire(now_ms, out)

    def turn(self, lane: Lane, now_ms: float, out: Effects) -> None:
        """An answer that kept others waiting has been given."""
        if now_ms >= self.timers.due_ms:
            self._fire(now_ms, out)
        self.lines.turn(lane, now_ms, out)

    def cancel(self, passage: Passage, now_ms: float, out: Effects) -> None:
        """The caller is gone: what has not been called is not called, and the request ends."""
        if now_ms >= self.timers.due_ms:
            self._fire(now_ms, out)
        if not passage.closed:
            passage.cancelled = True
            reason = "the caller went away before the answer was there"
            self._end_all(passage, "cancelled", reason, now_ms, out)

    # Records ------------------------------------------------------------------------------------

    def spread(self, passage: Passage, flow: Flow, now_ms: float, out: Effects) -> None:
        """Bring each record to its consumers, and those that follow from it to theirs."""
        consumers = passage.plan.consumers
        visits = passage.visits
        for feeds, body in flow:  # grows while it is walked
            is_value = type(body) is tuple
            for index, inputs, triggers, direct, whole in feeds:
                value: Body | None = None
                if direct and is_value:
                    value = body if whole else take(inputs[0], body)
                if type(value) is not tuple:
                    gate = visits[index]
                    if gate is None:
                        consumer = consumers[index]
                        if consumer.quick:
                            gate = visits[index] = JoinState(consumer.inputs)
                        else:
                            gate = self._open_gate(passage, consumer, now_ms)
                    if type(gate) is JoinState:
                        # Nothing but the states decides: most often it is known what they mean.
                        for part in inputs:
                            gate.end(part.position, take(part, body), now_ms, 0)
                        known = gate.plan.decisions.get(gate.states << 1)  # type: ignore[union-attr]  # quick ones have them
                        if type(known) is Wait:
                            continue
                        if type(known) is not Run:
                            consumer = consumers[index]
                            if type(consumer) is ReaderRound and gate.skips_for_absence(known):
                                self.loops.would_skip(
                                    passage, consumer, gate, known, now_ms, flow, out
                                )
                                continue
                            gate = visits[index] = Gate(passage, consumer, gate, now_ms)
                            self.settle(gate, now_ms, flow, out)
                            continue
                        value = gate.tensors(known.indexes)
                if type(value) is tuple:
                    tensors: Tensors = value  # type: ignore[assignment]  # no marker is plain
                    consumer = consumers[index]
                    if type(consumer) is StepPlan and consumer.plain:
                        # As _run does in the end, without the way there.
                        call = Call(passage, consumer, tensors, passage.deadline_ms, 1, now_ms)
                        visits[index] = call
                        out.append(call)
                    else:
                        self.run(passage, consumer, tensors, now_ms, flow, out)
                    continue
                if type(gate) is not Gate:
                    # The visit has its outcome, and what comes now changes nothing but state.
                    if passage.plan.keeping:
                        feed = Feed(index, inputs, triggers, direct, whole)
                        self.states.record(passage, feed, body, now_ms, flow, out)
                    continue
                gate.instant += 1
                for part in inputs:
                    gate.inputs.end(part.position, take(part, body), now_ms, gate.instant)
                if gate.triggers is not None:
                    for part in triggers:
                        gate.triggers.end(part.position, take(part, body), now_ms, gate.instant)
                self.settle(gate, now_ms, flow, out)
        if not passage.left and not passage.closed:
            self._close(passage, out)

    def _open_gate(self, passage: Passage, consumer: Consumer, now_ms: float) -> Gate:
        gate = Gate(passage, consumer, JoinState(consumer.inputs), now_ms)
        passage.visits[consumer.place] = gate
        if gate.window_end_ms is not None:
            self.open_window(gate, gate.window_end_ms, now_ms)
        return gate

    def open_window(self, gate: Gate, end_ms: float, now_ms: float) -> None:
        """The first record has come to a visit, whose joins end at ``end_ms`` at the latest."""
        if gate.consumer.auto_window:
            end_ms = gate.window_end_ms = end_of_auto_window(gate.passage, gate.consumer, now_ms)
        self._wake(gate, end_ms)

    def settle(self, gate: Gate, now_ms: float, flow: Flow, out: Effects) -> None:
        """Decide what can be decided of a visit's joins, and what follows when both are."""
        inputs = gate.inputs
        triggers = gate.triggers
        if inputs.verdict is None:
            until_ms = decide(inputs, gate, now_ms)
            if until_ms < gate.wake_ms:
                self._wake(gate, until_ms)
        if triggers is not None and triggers.verdict is None:
            until_ms = decide(triggers, gate, now_ms)
            if until_ms < gate.wake_ms:
                self._wake(gate, until_ms)
        verdict = inputs.verdict if triggers is None else combine(inputs.verdict, triggers.verdict)
        if verdict is None:
            return
        passage = gate.passage
        consumer = gate.consumer
        if type(verdict) is Run:
            self.run(passage, consumer, inputs.tensors(verdict.indexes), now_ms, flow, out)
        elif type(consumer) is ReaderRound:
            self.loops.would_not(gate, consumer, verdict, now_ms, flow, out)
        elif isinstance(verdict, Skip):
            details = () if type(consumer) is StepPlan else why_no_output(inputs, verdict)
            self.skip(passage, consumer, verdict, details, now_ms, flow, out)
        elif isinstance(verdict, Failed):
            self.fail(passage, consumer, verdict, now_ms, flow, out)

    # Verdicts -----------------------------------------------------------------------------------

    def run(
        self,
        passage: Passage,
        consumer: Consumer,
        tensors: Tensors,
        now_ms: float,
        flow: Flow,
        out: Effects,
    ) -> None:
        """A consumer has what it was waiting for."""
        if type(consumer) is not StepPlan:
            if type(consumer) is Consumer:
                self._answer(passage, tensors, (), now_ms, out)
            elif type(consumer) is ReaderRound:
                self.loops.would_run(passage, consumer, tensors, now_ms, flow, out)
            else:
                self.gatherings.enter(passage, tensors, now_ms, flow, out)
            return
        call = Call(passage, consumer, tensors, passage.deadline_ms, 1, now_ms)
        if not consumer.plain:
            member = consumer.loop
            if member is not None and not self.loops.enter(passage, call, member, now_ms):
                passage.visits[consumer.place] = call
                return
            if consumer.input_feeds:
                flow.append((consumer.input_feeds, tensors))
            if consumer.watched_inputs:
                self._inputs_ended(passage, consumer, tensors, now_ms, flow, out)
            if consumer.may_clash and len(tensors) > 1:
                clash = first_clash(tensors)
                if clash is not None:
                    self._fail_by_clash(passage, consumer, clash, now_ms, flow, out)
                    return
            if not consumer.begins_plainly:
                passage.visits[consumer.place] = call
                self._begin(call, now_ms, out)
                return
        passage.visits[consumer.place] = call
        out.append(call)

    def _begin(self, call: Call, now_ms: float, out: Effects) -> None:
        """An attempt that does not begin plainly: with others, or with an end of its own."""
        if type(call.passage) is VisitPassage:
            call.round = call.passage.round
        if call.plan.batch is not None:
            self._batches.add(call, call.plan.batch, now_ms, out)
        else:
            self.call_now(call, now_ms, out)

    def call_now(self, call: Call, now_ms: float, out: Effects) -> None:
        """Make a call; what bounds an attempt counts from here."""
        call.issued_ms = now_ms
        if call.plan.timeout_ms is not None:
            self._bound(call, call.plan.timeout_ms, now_ms)
        out.append(call)

    def note_entry(
        self,
        passage: Passage,
        body: Body,
        now_ms: float,
        out: Effects,
        position: int | None = None,
    ) -> None:
        """A request has its input: write it where it is kept, and give it its place in an order and
        among those of its key."""
        plan = passage.plan
        if plan.keeps_input:
            out.append(Emit(passage, PIPELINE_INPUTS, body, now_ms))
        if plan.order is not None:
            self.lines.line_up(passage, plan.order)
        if plan.keeping:
            self.states.enter(passage, position, now_ms)

    def _fail_by_clash(
        self,
        passage: Passage,
        step: StepPlan,
        clash: str,
        now_ms: float,
        flow: Flow,
        out: Effects,
    ) -> None:
        reason = (
            f"two sources of step '{step.name}' bring a tensor '{clash}'; "
            "give one of them another name with tensorMap"
        )
        failed = Failed("step-failed", reason, step.name)
        body = self._own_failure(passage, step, failed, out)
        self._end_step(passage, step, body, now_ms, flow, out)

    def skip(
        self,
        passage: Passage,
        consumer: Consumer,
        skip: Skip,
        details: tuple[str, ...],
        now_ms: float,
        flow: Flow,
        out: Effects,
    ) -> None:
        """A consumer does not run. ``details`` say for each source of an output why."""
        if passage.tally is not None:
            passage.tally.count_skip(consumer.index, skip.cause)
        if isinstance(consumer, StepPlan):
            absent = Absent(f"step '{consumer.name}' was skipped: {skip.reason}", skip.cause)
            self.end_unrun(passage, consumer, absent, now_ms, flow, out)
        elif isinstance(consumer, Entrance):
            absent = Absent(f"no input: {skip.reason}", skip.cause)
            self.gatherings.enter(passage, absent, now_ms, flow, out)
        else:
            absent = Absent(f"no output: {skip.reason}", skip.cause)
            self._answer(passage, absent, details, now_ms, out)

    def fail(
        self,
        passage: Passage,
        consumer: Consumer,
        failed: Failed,
        now_ms: float,
        flow: Flow,
        out: Effects,
    ) -> None:
        """A consumer cannot run, because of a source that failed."""
        if isinstance(consumer, StepPlan):
            self.end_unrun(passage, consumer, failed, now_ms, flow, out)
        elif isinstance(consumer, Entrance):
            self.gatherings.enter(passage, failed, now_ms, flow, out)
        else:
            self._answer(passage, failed, (), now_ms, out)

    def end_unrun(
        self,
        passage: Passage,
        step: StepPlan,
        marker: Absent | Failed,
        now_ms: float,
        flow: Flow,
        out: Effects,
    ) -> None:
        """End a visit that is not to be called: both of its ports get the marker."""
        if step.input_feeds:
            flow.append((step.input_feeds, marker))
        if step.watched_inputs:
            self._inputs_ended(passage, step, marker, now_ms, flow, out)
        self._end_step(passage, step, marker, now_ms, flow, out)

    def _end_step(
        self,
        passage: Passage,
        step: StepPlan,
        body: Body,
        now_ms: float,
        flow: Flow,
        out: Effects,
        shared_by: int = 1,
    ) -> None:
        passage.visits[step.place] = ENDED
        passage.left -= 1
        if step.output_feeds:
            flow.append((step.output_feeds, body))
        if step.watched_outputs:
            self._outputs_ended(passage, step, body, now_ms, flow, out, shared_by)

    def _inputs_ended(
        self,
        passage: Passage,
        step: StepPlan,
        body: Body,
        now_ms: float,
        flow: Flow,
        out: Effects,
    ) -> None:
        port = Port(step.name, "inputs")
        if step.keeps_inputs:
            out.append(Emit(passage, port, body, now_ms, passage.round_of(step)))
        if passage.loops and not passage.closed:
            self.loops.inputs_ended(passage, step, port, body, flow)

    def _outputs_ended(
        self,
        passage: Passage,
        step: StepPlan,
        body: Body,
        now_ms: float,
        flow: Flow,
        out: Effects,
        shared_by: int = 1,
    ) -> None:
        if step.keeps_outputs:
            port, number = Port(step.name, "outputs"), passage.round_of(step)
            out.append(Emit(passage, port, body, now_ms, number, shared_by))
        if passage.closed:
            return  # nothing follows from it
        if step.loop is not None:
            self.loops.visit_ended(passage, step, step.loop, body, now_ms, flow, out)
        elif passage.loops:
            self.loops.ended_outside(passage, Port(step.name, "outputs"), body, flow)

    def _own_failure(
        self, passage: Passage, step: StepPlan, failed: Failed, out: Effects
    ) -> Absent | Failed:
        """A visit failed by itself: how its outputs end. What a caller may yet be told is noted."""
        if passage.tally is not None:
            passage.tally.count_failure(step.index, failed.code)
        if step.failure_is_absence:
            return absence_of(step.name, failed)
        self.note_failure(passage, failed, out)
        return failed

    def note_failure(self, passage: Passage, failed: Failed, out: Effects) -> None:
        """Remember what a caller may yet be told, and bury what none can be."""
        if passage.answered or passage.plan.output is None:
            out.append(DeadLetter(passage, failed))
        elif passage.failures is None:
            passage.failures = [failed]
        else:
            passage.failures.append(failed)

    def _answer(
        self,
        passage: Passage,
        body: Body,
        details: tuple[str, ...],
        now_ms: float,
        out: Effects,
    ) -> None:
        passage.visits[passage.plan.width - 1] = ENDED
        passage.left -= 1
        passage.answered = True
        if not passage.plan.minds_output:
            out.append(Answer(passage, body, details))
        elif passage.plan.order is None:
            self.give(passage, body, details, now_ms, out)
        else:
            self.lines.answered(passage, body, details, now_ms, out)
        if passage.failures is not None:
            if not passage.cancelled:
                out.extend(
                    DeadLetter(passage, failed) for failed in passage.failures if failed is not body
                )
            passage.failures = None

    def give(
        self,
        passage: Passage,
        body: Body,
        details: tuple[str, ...],
        now_ms: float,
        out: Effects,
    ) -> None:
        """An answer goes to who waits for it, and to its stream."""
        if passage.plan.keeps_output:
            out.append(Emit(passage, PIPELINE_OUTPUTS, body, now_ms))
        out.append(Answer(passage, body, details))

    def close_if_over(self, passage: Passage, out: Effects) -> None:
        """Close a request of which nothing is under way."""
        if not passage.left and not passage.closed:
            self._close(passage, out)

    def _close(self, passage: Passage, out: Effects) -> None:
        passage.closed = True
        self.open_passages -= 1
        out.append(Closed(passage))

    def _end_all(
        self,
        passage: Passage,
        code: str,
        reason: str,
        now_ms: float,
        out: Effects,
        step: str | None = None,
    ) -> None:
        """End every visit that has not ended, as failed, and the request if it is unanswered.

        ``step`` is the one to name, by default what was at work.
        """
        plan = passage.plan
        failed = Failed(code, reason, step or first_at_work(passage))
        # Nothing follows from how the visits end now, in loops neither.
        passage.closed = True
        if type(passage) is ExternalPassage:
            self.gatherings.give_up(passage, failed, now_ms, out)
        nowhere: Flow = []
        if plan.keeping:
            self.states.leave(passage, now_ms, out)
        for each, visit in passage.step_visits():
            if type(visit) is Ended:
                continue
            if type(visit) is not Call:
                self.end_unrun(passage, each, failed, now_ms, nowhere, out)
                continue
            if each.batch is None:
                out.append(Abandon(visit))
            else:
                self._batches.leave(visit, out)
            said = visit_deadline_reason(each.name) if code == "deadline" else reason
            mine = Failed(code, said, each.name, attempts=visit.attempt)
            if not passage.cancelled:
                if passage.tally is not None:
                    passage.tally.count_failure(each.index, code)
                if passage.answered or plan.output is None:
                    out.append(DeadLetter(passage, mine))
            self._end_step(passage, each, mine, now_ms, nowhere, out)
        if plan.output is not None and not passage.answered:
            self._answer(passage, failed, (), now_ms, out)
        elif plan.order is not None:
            self.lines.give_up(passage, failed, now_ms, out)
        self._close(passage, out)

    # Time ---------------------------------------------------------------------------------------

    def _wake(self, gate: Gate, when_ms: float) -> None:
        gate.wake_ms = when_ms
        self.timers.add(when_ms, JOIN, gate)

    def _bound(self, call: Call, timeout_ms: float, now_ms: float) -> None:
        """Give an attempt its own end, where that comes before the request's."""
        end_ms = now_ms + timeout_ms
        if end_ms < call.deadline_ms:
            call.deadline_ms = end_ms
            self.timers.add(end_ms, ATTEMPT, call)

    def _retry(self, call: Call, failed: Failed, now_ms: float, out: Effects) -> bool:
        """Begin to wait for another attempt, if there is one left and time for it."""
        step = call.plan
        if call.attempt > step.retries:
            return False
        passage = call.passage
        jitter = 0.5 + self._random()
        backoff_ms = step.backoff_ms * 2.0 ** (call.attempt - 1) * jitter
        if passage.deadline_ms - now_ms < backoff_ms:
            return False
        again = Call(passage, step, call.tensors, passage.deadline_ms, call.attempt + 1, now_ms)
        again.round = call.round
        again.origin = call.origin
        passage.visits[step.place] = again
        if passage.tally is not None:
            passage.tally.count_retry(again, failed)
        if step.keeps_outputs:
            out.append(Retried(call, failed, now_ms))
        self.timers.add(now_ms + backoff_ms, RETRY, again)
        return True

    def _fire(self, now_ms: float, out: Effects) -> None:
        """Do all that is due, in the order of its time."""
        while (due := self.timers.pop_due(now_ms)) is not None:
            action, subject = due
            if action == DEADLINE:
                passage = cast(Passage, subject)
                self._end_all(passage, "deadline", deadline_reason(passage), now_ms, out)
            elif action == JOIN:
                gate = cast(Gate, subject)
                gate.wake_ms = NEVER
                if gate.window_end_ms is not None and now_ms >= gate.window_end_ms:
                    gate.window_over = True
                flow: Flow = []
                self.settle(gate, now_ms, flow, out)
                if type(gate) is KeyedGate:
                    self.states.tell(gate, out)
                self.spread(gate.passage, flow, now_ms, out)
            elif action == RETRY:
                self._begin(cast(Call, subject), now_ms, out)
            elif action == GATHERED:
                self._batches.close(cast(Gathering, subject), now_ms, out)
            elif action == ROOM:
                self.gatherings.go_on(cast(ExternalPassage, subject), now_ms, out)
            elif action == OVERRUN:
                overrun = cast(Overrun, subject)
                self._end_all(
                    overrun.passage, "step-failed", overrun.reason, now_ms, out, overrun.step
                )
            else:
                call = cast(Call, subject)
                out.append(Abandon(call))
                attempts = self._batches.left_of(call) if type(call) is SharedCall else [call]
                for attempt in attempts:
                    self.done(attempt, took_too_long(attempt), now_ms, out)


def absence_of(step: str, failed: Failed) -> Absent:
    """What the failure of a step is whose failures are absence."""
    return Absent(f"step '{step}' failed ({failed.code}): {failed.reason}", "error")


def visit_deadline_reason(step: str) -> str:
    """The sentence for a visit that was at work when its request's time was over.

    It is the same wherever the visit was, and so tells nothing of the rest of the request."""
    return f"the request's deadline passed while step '{step}' was at work"


def took_too_long(call: Call) -> Failed:
    """The failure of an attempt whose own time is over."""
    reason = (
        f"attempt {call.attempt} at step '{call.step}' took longer than {call.plan.timeout_ms:g} ms"
    )
    return Failed("deadline", reason, None, True)


def end_of_auto_window(passage: Passage, consumer: Consumer, now_ms: float) -> float:
    """When a join has to end for the rest of the pipeline to be done before the deadline.

    A little earlier, since an answer that is there at the deadline is too late for its caller.
    """
    left_ms = passage.deadline_ms - now_ms
    left_ms -= min(MARGIN_MS + MARGIN * left_ms, left_ms / 10.0)
    if isinstance(consumer, ReaderRound):
        consumer = consumer.target
    if passage.tally is None or not isinstance(consumer, StepPlan):
        return now_ms + left_ms
    return now_ms + max(0.0, left_ms - passage.tally.rest_ms(consumer.index, left_ms))


def first_at_work(passage: Passage) -> str | None:
    """The step to name when time is over: the first that was called, else that waits to be."""
    waiting: str | None = None
    for step, visit in passage.step_visits():
        if type(visit) is Call:
            return step.name
        if waiting is None and _joins(visit):
            waiting = step.name
    return waiting


def _joins(visit: Visit) -> bool:
    """Whether the joins of a visit have begun and are not decided."""
    if type(visit) is KeyedGate:
        return visit.began
    return type(visit) in (Gate, JoinState)


def deadline_reason(passage: Passage) -> str:
    """The sentence for a request whose time is over, naming what was still at work."""
    names = [f"'{step.name}'" for step, visit in passage.step_visits() if type(visit) is Call]
    at_work = f" while {', '.join(names)} was at work" if names else ""
    if awaited := passage.waits_for():
        at_work = f" before {', '.join(awaited)} came"
    allowed_ms = passage.deadline_ms - passage.opened_ms
    return f"the deadline of {allowed_ms:.0f} ms passed{at_work}"
