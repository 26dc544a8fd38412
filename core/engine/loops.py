"""Runs the loops of a request: opens rounds, closes them, and lets readers take one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.core.contracts.join import Skip
from penstock.core.engine.effects import Call, Effects
from penstock.core.engine.passage import ENDED, Ended, Gate, Passage, Verdict
from penstock.core.engine.rounds import LoopState, Reading, Round
from penstock.core.engine.sources import Flow, take, why_no_output
from penstock.core.engine.timers import OVERRUN
from penstock.core.plan import LoopPlan, Member, ReaderRound, StepPlan
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

    # Visits -------------------------------------------------------------------------------------

    def enter(self, passage: Passage, call: Call, now_ms: float) -> bool:
        """A step of a loop is about to run; says whether it may run once more."""
        member = call.plan.loop
        assert member is not None, "only steps of loops come here"
        state = passage.loops[member.loop]
        call.round = state.running[member.block].number
        state.visits[member.number] += 1
        if state.visits[member.number] <= state.plan.most_visits:
            return True
        # The request ends at once, but not in the midst of what else this record brings about.
        overrun = Overrun(passage, call.step, state.plan.most_visits)
        self._engine.timers.add(now_ms, OVERRUN, overrun)
        return False

    def port_ended(
        self, passage: Passage, step: StepPlan, port: Port, body: Body, flow: Flow
    ) -> None:
        """A port that a loop watches has its record."""
        if passage.closed:
            return
        member = step.loop
        if member is None:
            self.ended_outside(passage, port, body, flow)
        elif type(body) is tuple:
            self._toward_turns(passage, member, port, body, flow)

    def ended_outside(self, passage: Passage, port: Port, body: Body, flow: Flow) -> None:
        """A record from outside counts in every round: in those to come it is brought anew."""
        for number in passage.plan.crossings.get(port, ()):
            state = passage.loops[number]
            state.outside[port] = body
            for each in state.rounds.values():
                feeds = each.block.entry_feeds.get(port)
                if feeds:
                    flow.append((feeds, body))

    def _toward_turns(
        self, passage: Passage, member: Member, port: Port, body: Body, flow: Flow
    ) -> None:
        """Bring the values among a record's sources to the turns, in the next round."""
        state = passage.loops[member.loop]
        for turn, parts in state.plan.turn_parts.get(port, ()):
            if not any(type(take(part, body)) is tuple for part in parts):
                continue
            number = state.running[member.block].number + 1
            following = state.rounds.get(number)
            if following is None:
                following = self._open_round(passage, state, number, flow)
            if turn in following.reached:
                if passage.tally is not None:
                    passage.tally.count_dropped(state.plan.blocks[0].steps[turn].index)
                continue
            following.reached.add(turn)
            flow.append(((following.block.turn_feeds[port, turn],), body))

    def _open_round(self, passage: Passage, state: LoopState, number: int, flow: Flow) -> Round:
        plan = state.plan
        block = state.free.pop() if state.free else plan.block(len(state.running))
        visits = passage.visits
        if len(visits) < block.end:
            visits.extend([None] * (block.end - len(visits)))
        visits[block.first : block.end] = [None] * (block.end - block.first)
        unread = 0
        for reader, reading in zip(block.readers, state.readings, strict=True):
            if reading.over:
                visits[reader.place] = ENDED
            else:
                unread += 1
        opened = Round(number, block, unread)
        state.rounds[number] = opened
        if block.number == len(state.running):
            state.running.append(opened)
        else:
            state.running[block.number] = opened
        state.last = number
        state.active += 1
        passage.left += opened.left
        for port, body in state.outside.items():
            feeds = block.entry_feeds.get(port)
            if feeds:
                flow.append((feeds, body))
        return opened

    def visit_ended(
        self, passage: Passage, step: StepPlan, body: Body, now_ms: float, flow: Flow, out: Effects
    ) -> None:
        """A visit of a step of a loop has ended, and its outputs have been told of."""
        if passage.closed:
            return
        member = step.loop
        assert member is not None, "only steps of loops come here"
        state = passage.loops[member.loop]
        of = state.running[member.block]
        if type(body) is Failed:
            state.note_failure(of.number, step.index, body)
        of.left -= 1
        if of.left:
            return
        state.active -= 1
        following = state.rounds.get(of.number + 1)
        if following is not None:
            self._skip_unreached(passage, state.plan, following, now_ms, flow, out)
        self._release(state, of)
        if not state.active:
            for position, reading in enumerate(state.readings):
                self._advance(passage, state, position, reading, now_ms, flow, out)

    def _skip_unreached(
        self,
        passage: Passage,
        plan: LoopPlan,
        of: Round,
        now_ms: float,
        flow: Flow,
        out: Effects,
    ) -> None:
        for turn in plan.turns:
            step = of.block.steps[turn]
            if turn not in of.reached and type(passage.visits[step.place]) is not Ended:
                of.reached.add(turn)
                reason = f"no value reached it in round {of.number} of its loop"
                self._skip_turn(passage, step, reason, now_ms, flow, out)

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
        """Let the places of a round be used again, if nothing waits there any more."""
        if not of.left and not of.unread:
            del state.rounds[of.number]
            if of.block.number:
                state.free.append(of.block)

    # Readers ------------------------------------------------------------------------------------

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

    def pass_over(
        self,
        gate: Gate,
        reader: ReaderRound,
        verdict: Verdict,
        now_ms: float,
        flow: Flow,
        out: Effects,
    ) -> None:
        """The joins of a reader say skip or fail in a round."""
        passage = gate.passage
        state = passage.loops[reader.loop]
        if isinstance(verdict, Skip):
            reading = state.readings[reader.reader]
            number = state.running[reader.block].number
            reading.reason = f"in round {number} of the loop, the last one, {verdict.reason}"
            reading.details = why_no_output(gate, verdict)
        final = isinstance(verdict, Failed) and not _of_loop(reader, gate, verdict)
        self._decided(passage, reader, verdict if final else None, now_ms, flow, out)  # type: ignore[arg-type]  # final ones are failures

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
        reading.verdicts[of.number] = decision
        of.unread -= 1
        self._release(state, of)
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
        """Go through the rounds whose verdict is known, up to the first that lets it run."""
        if reading.over:
            return
        target = state.plan.blocks[0].readers[position].target
        engine = self._engine
        while reading.next in reading.verdicts:
            decision = reading.verdicts.pop(reading.next)
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
        else:
            skip = Skip(reading.reason)
            engine.skip(passage, target, skip, reading.details, now_ms, flow, out)

    def _stop_reading(
        self, passage: Passage, state: LoopState, position: int, reading: Reading
    ) -> None:
        reading.over = True
        reading.verdicts.clear()
        for of in list(state.rounds.values()):
            place = of.block.readers[position].place
            if type(passage.visits[place]) is not Ended:
                passage.visits[place] = ENDED
                of.unread -= 1
                self._release(state, of)


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
