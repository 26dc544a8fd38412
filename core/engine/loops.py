"""Runs the loops of a request: opens rounds, closes them, and lets readers take one of them.

What happens in every round is written for speed: a round shall cost little more than its steps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from penstock.core.contracts.join import Skip
from penstock.core.engine.effects import Call, Effects
from penstock.core.engine.join_state import JoinState, Verdict
from penstock.core.engine.joining import decide
from penstock.core.engine.passage import ENDED, Ended, Gate, Passage
from penstock.core.engine.rounds import LoopState, Reading, Round
from penstock.core.engine.sources import Flow, take, why_no_output
from penstock.core.engine.timers import OVERRUN
from penstock.core.plan import Consumer, Member, ReaderRound, StepPlan, Turning
from penstock.core.records import Absent, Body, Failed, Port, Tensors

if TYPE_CHECKING:
    from penstock.core.engine.engine import Engine


class LoopRunner:
    """What the engine does about loops. It is told how ports end that a loop watches."""

    __slots__ = ("_engine",)

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def begin(self, passage: Passage, body: Body, now_ms: float, flow: Flow, out: Effects) -> None:
        """A request enters a pipeline with loops, after its input was put into ``flow``."""
        self.ended_outside(passage, Port(None, "inputs"), body, flow)
        for state in passage.loops:
            for step in state.plan.closed_turns:
                reason = "no value comes from inside the loop in its first round"
                self._skip_turn(passage, step, reason, now_ms, flow, out)

    def ended_outside(self, passage: Passage, port: Port, body: Body, flow: Flow) -> None:
        """A record from outside counts in every round: in those to come it is brought anew."""
        for number in passage.plan.crossings.get(port, ()):
            state = passage.loops[number]
            state.outside[port] = body
            for each in state.rounds.values():
                feeds = each.block.entry_feeds.get(port)
                if feeds:
                    flow.append((feeds, body))

    # Visits -------------------------------------------------------------------------------------

    def enter(self, passage: Passage, call: Call, member: Member, now_ms: float) -> bool:
        """A step of a loop is about to run; says whether it may run once more."""
        state = passage.loops[member.loop]
        call.round = state.running[member.block].number
        visits = state.visits
        visited = visits[member.number] = visits[member.number] + 1
        if visited <= state.plan.most_visits:
            return True
        # The request ends at once, but not in the midst of what else this record brings about.
        overrun = Overrun(passage, call.step, state.plan.most_visits)
        self._engine.timers.add(now_ms, OVERRUN, overrun)
        return False

    def inputs_ended(
        self, passage: Passage, step: StepPlan, port: Port, body: Body, flow: Flow
    ) -> None:
        """The inputs of a step inside or outside have their record."""
        member = step.loop
        if member is None:
            self.ended_outside(passage, port, body, flow)
        elif type(body) is tuple:
            state = passage.loops[member.loop]
            of = state.running[member.block]
            self._toward_turns(passage, state, of, member.inputs_turning, body, flow)

    def visit_ended(
        self,
        passage: Passage,
        step: StepPlan,
        member: Member,
        body: Body,
        now_ms: float,
        flow: Flow,
        out: Effects,
    ) -> None:
        """A visit inside has ended, and its consumers in the round have been told."""
        state = passage.loops[member.loop]
        of = state.running[member.block]
        if type(body) is tuple:
            if member.outputs_turning:
                self._toward_turns(passage, state, of, member.outputs_turning, body, flow)
        elif type(body) is Failed:
            state.note_failure(of.number, step.index, body)
        for position, part in member.lone_readers:
            reading = state.readings[position]
            if reading.over:
                continue
            end = take(part, body)
            if type(end) is Absent and of.number == reading.next and not reading.decisions:
                # Most rounds are passed over like this, as _tell_lone does.
                reading.last = (of.number, None, end)
                reading.next += 1
            else:
                self._tell_lone(passage, state, of, position, end, now_ms, flow, out)
        of.left -= 1
        if not of.left:
            self._round_ended(passage, state, of, now_ms, flow, out)

    def _toward_turns(
        self,
        passage: Passage,
        state: LoopState,
        of: Round,
        turnings: tuple[Turning, ...],
        body: Body,
        flow: Flow,
    ) -> None:
        """Bring the values among a record's sources to the turns, in the next round."""
        for turn, feed, parts, lone in turnings:
            value = body
            if lone is not None:
                value = take(lone, body)
                if type(value) is not tuple:
                    continue
            elif not any(type(take(part, body)) is tuple for part in parts):
                continue
            following = state.rounds.get(of.number + 1)
            if following is None:
                following = self._open_round(passage, state, of.number + 1, flow)
            if following.reached >> turn & 1:
                if passage.tally is not None:
                    passage.tally.count_dropped(state.plan.blocks[0].steps[turn].index)
                continue
            following.reached |= 1 << turn
            flow.append((following.block.turn_feeds[feed], value))

    # Rounds -------------------------------------------------------------------------------------

    def _open_round(self, passage: Passage, state: LoopState, number: int, flow: Flow) -> Round:
        if state.free:
            opened = state.free.pop()
            block = opened.block
            opened.number = number
            opened.reached = 0
            opened.left = len(block.steps)
        else:
            block = state.plan.block(len(state.running))
            opened = Round(number, block, 0)
            state.running.append(opened)
            passage.visits += [None] * (block.end - len(passage.visits))
        visits = passage.visits
        for step in block.steps:
            visits[step.place] = None
        for position in state.plan.readers_that_join:
            reader = block.readers[position]
            if state.readings[position].over:
                visits[reader.place] = ENDED
            else:
                visits[reader.place] = None
                opened.unread += 1
        state.rounds[number] = opened
        state.last = number
        state.active += 1
        passage.left += opened.left
        for port, body in state.outside.items():
            feeds = block.entry_feeds.get(port)
            if feeds:
                flow.append((feeds, body))
        return opened

    def _round_ended(
        self, passage: Passage, state: LoopState, of: Round, now_ms: float, flow: Flow, out: Effects
    ) -> None:
        state.active -= 1
        following = state.rounds.get(of.number + 1)
        if following is not None and following.reached != state.plan.all_turns:
            for turn in state.plan.turns:
                step = following.block.steps[turn]
                if following.reached >> turn & 1 or type(passage.visits[step.place]) is Ended:
                    continue
                reason = f"no value reached it in round {following.number} of its loop"
                self._skip_turn(passage, step, reason, now_ms, flow, out)
        if not of.unread:
            self._release(state, of)
        if not state.active:
            for position, reading in enumerate(state.readings):
                self._advance(passage, state, position, reading, now_ms, flow, out)

    def _skip_turn(
        self,
        passage: Passage,
        step: StepPlan,
        reason: str,
        now_ms: float,
        flow: Flow,
        out: Effects,
    ) -> None:
        if passage.tally is not None:
            passage.tally.count_skip(step.index, "absent")
        absent = Absent(f"step '{step.name}' was skipped: {reason}")
        self._engine.end_unrun(passage, step, absent, now_ms, flow, out)

    def _release(self, state: LoopState, of: Round) -> None:
        """Nothing waits in the places of a round any more: let them be used again."""
        del state.rounds[of.number]
        if of.block.number:
            state.free.append(of)

    # Readers ------------------------------------------------------------------------------------

    def _tell_lone(
        self,
        passage: Passage,
        state: LoopState,
        of: Round,
        position: int,
        body: Body,
        now_ms: float,
        flow: Flow,
        out: Effects,
    ) -> None:
        """What a reader that still looks for a round reads of one has ended, all at once."""
        reading = state.readings[position]
        decision: Tensors | None = None
        if type(body) is tuple:
            decision = body  # type: ignore[assignment]  # no marker is a plain tuple
        elif type(body) is Absent and (reading.last is None or reading.last[0] < of.number):
            reading.last = (of.number, None, body)
        if decision is None and of.number == reading.next and not reading.decisions:
            reading.next += 1
            return
        reading.decisions[of.number] = decision
        self._advance(passage, state, position, reading, now_ms, flow, out)

    def would_run(
        self,
        passage: Passage,
        reader: ReaderRound,
        tensors: Tensors,
        now_ms: float,
        flow: Flow,
        out: Effects,
    ) -> None:
        """The joins of a reader say run in a round; it does so if no round before does."""
        self._decided(passage, reader, tensors, now_ms, flow, out)

    def would_not(
        self,
        gate: Gate,
        reader: ReaderRound,
        verdict: Verdict,
        now_ms: float,
        flow: Flow,
        out: Effects,
    ) -> None:
        """The joins of a reader say skip or fail in a round."""
        decision: Failed | None = None
        if type(verdict) is Failed and not _of_loop(reader, gate, verdict):
            decision = verdict
        elif type(verdict) is Skip:
            self._note_skip(gate.passage, reader, gate.inputs, verdict)
        self._decided(gate.passage, reader, decision, now_ms, flow, out)

    def would_skip(
        self,
        passage: Passage,
        reader: ReaderRound,
        inputs: JoinState,
        skip: Skip,
        now_ms: float,
        flow: Flow,
        out: Effects,
    ) -> None:
        """The inputs of a reader without triggers or window, none of them failed, say skip."""
        self._note_skip(passage, reader, inputs, skip)
        self._decided(passage, reader, None, now_ms, flow, out)

    def _note_skip(
        self, passage: Passage, reader: ReaderRound, inputs: JoinState, skip: Skip
    ) -> None:
        state = passage.loops[reader.loop]
        number = state.running[reader.block].number
        reading = state.readings[reader.reader]
        if reading.last is None or reading.last[0] < number:
            reading.last = (number, inputs, skip)

    def _decided(
        self,
        passage: Passage,
        reader: ReaderRound,
        decision: Tensors | Failed | None,
        now_ms: float,
        flow: Flow,
        out: Effects,
    ) -> None:
        passage.visits[reader.place] = ENDED
        state = passage.loops[reader.loop]
        of = state.running[reader.block]
        reading = state.readings[reader.reader]
        of.unread -= 1
        if not of.unread and not of.left:
            self._release(state, of)
        if decision is None and of.number == reading.next and not reading.decisions:
            reading.next += 1
            if state.active:
                return
        else:
            reading.decisions[of.number] = decision
        self._advance(passage, state, reader.reader, reading, now_ms, flow, out)

    def _advance(
        self,
        passage: Passage,
        state: LoopState,
        position: int,
        reading: Reading,
        now_ms: float,
        flow: Flow,
        out: Effects,
    ) -> None:
        """Go through the rounds that are decided, up to the first that lets the reader run."""
        if reading.over:
            return
        target = state.plan.blocks[0].readers[position].target
        engine = self._engine
        while reading.next in reading.decisions:
            decision = reading.decisions.pop(reading.next)
            if decision is None:
                reading.next += 1
                continue
            self._stop_reading(passage, state, position, reading)
            if type(decision) is Failed:
                engine.fail(passage, target, decision, now_ms, flow, out)
            else:
                engine.run(passage, target, decision, now_ms, flow, out)  # type: ignore[arg-type]  # no marker is a plain tuple
            return
        if state.active or reading.next <= state.last:
            return
        self._stop_reading(passage, state, position, reading)
        if state.failure is not None:
            engine.fail(passage, target, state.failure[2], now_ms, flow, out)
            return
        number, inputs, why = _last_round(passage, target, reading, now_ms)
        skip = Skip(f"in round {number} of the loop, the last one, {why.reason}", None, why.cause)
        details = why_no_output(inputs, why)
        engine.skip(passage, target, skip, details, now_ms, flow, out)

    def _stop_reading(
        self, passage: Passage, state: LoopState, position: int, reading: Reading
    ) -> None:
        reading.over = True
        reading.decisions.clear()
        for of in list(state.rounds.values()):
            place = of.block.readers[position].place
            if type(passage.visits[place]) is not Ended:
                passage.visits[place] = ENDED
                of.unread -= 1
                if not of.unread and not of.left:
                    self._release(state, of)


def _last_round(
    passage: Passage, target: Consumer, reading: Reading, now_ms: float
) -> tuple[int, JoinState, Skip]:
    """Of the last round that brought nothing: its number, the reader's sources, and its skip."""
    assert reading.last is not None, "a round that no reader ran in or failed in was skipped"
    number, inputs, why = reading.last
    if inputs is not None:
        return number, inputs, cast(Skip, why)
    # Nobody has asked the join of a lone reader, since an absence leaves it no choice.
    inputs = JoinState(target.inputs)
    inputs.end(0, cast(Absent, why), now_ms, 1)
    decide(inputs, Gate(passage, target, inputs, now_ms), now_ms)
    return number, inputs, cast(Skip, inputs.verdict)


def _of_loop(reader: ReaderRound, gate: Gate, failed: Failed) -> bool:
    """Whether the failure came by a source inside the loop."""
    if any(gate.inputs.ends[i] is failed for i in reader.inputs_inside):
        return True
    return gate.triggers is not None and any(
        gate.triggers.ends[i] is failed for i in reader.triggers_inside
    )


class Overrun:
    """A step of a loop was to run once more than it may."""

    __slots__ = ("passage", "reason", "step")

    def __init__(self, passage: Passage, step: str, most: int) -> None:
        self.passage = passage
        self.step = step
        self.reason = (
            f"step '{step}' ran {most} times and was to run once more; "
            "end the loop earlier, or raise maxStepRevisits"
        )

    def alive(self) -> bool:
        """Whether the request has not ended in another way."""
        return self.passage.alive()
