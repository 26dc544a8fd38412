"""Plays a request once more, in virtual time: everything comes when it came, in the same order.

Models are called or played back, step by step. The clock stands still while a model is called, so
that no window, timeout or deadline passes while somebody looks into one with a debugger.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from typing import Protocol, TypeAlias, TypeVar

from penstock.core.clock import VirtualClock
from penstock.core.contracts.model import ModelCall
from penstock.core.crossing import crossed
from penstock.core.dataflow import failed_of
from penstock.core.engine import (
    Answer,
    Call,
    Closed,
    DeadLetter,
    Effects,
    Emit,
    Engine,
    ExternalPassage,
    Passage,
    Retried,
)
from penstock.core.errors import InvalidRequestError, NoOutputError, PenstockError, error_of
from penstock.core.inference import InferenceResponse
from penstock.core.journal.story import AttemptRecord, Brought, PortRecord, Story
from penstock.core.plan import Plan
from penstock.core.records import Absent, Failed, Port, Tensors

Outcome: TypeAlias = Tensors | Failed
Happening: TypeAlias = Callable[[float, Effects], object]
PassageT = TypeVar("PassageT", bound=Passage)


class Calls(Protocol):
    """Who calls models for real."""

    async def call(self, call: ModelCall, model: str, identity: str) -> Tensors:
        """Call ``model``, with the suffix of a pipeline where it is one, for the request
        ``identity``; raises what it raises."""


class Playing:
    """One request on its way through its plan once more.

    ``recorded`` is what happened then, as far as it was kept. ``is_real`` says of a step whether
    its model is called; of others what was recorded comes back. ``brought`` are the records of
    other pipelines that begin it, with what they hold; without them what came in then comes in.
    """

    def __init__(
        self,
        recorded: Story,
        plan: Plan,
        calls: Calls,
        is_real: Callable[[str], bool],
        brought: Sequence[Brought] = (),
    ) -> None:
        self._recorded = recorded
        self._plan = plan
        self._calls = calls
        self._is_real = is_real
        self._clock = VirtualClock(recorded.opened_ms)
        self._engine = Engine(lambda: 0.5)
        self._brought = brought
        self._events: list[tuple[float, float, int, Happening]] = []
        self._numbers = count()
        self._records = {
            (record.port, record.round): (place, record)
            for place, record in enumerate(recorded.records)
        }
        self._attempts = {(each.step, each.round, each.attempt): each for each in recorded.attempts}
        self.story = Story(
            recorded.identity,
            plan.name,
            plan.version,
            recorded.request,
            recorded.headers,
            recorded.opened_ms,
            recorded.deadline_ms,
            asynchronous=recorded.asynchronous,
            external=recorded.external,
            plan=plan,
            versions=recorded.versions,
        )

    async def play(self) -> Story:
        """What happens this time.

        Tensors without contents go their way as well, since nothing but a model looks at these.
        Raises InvalidRequestError when one is called for which they are not there.
        """
        out: Effects = []
        passage = self._gather(out) if self._brought else self._open(out)
        await self._carry_out(out)
        while not passage.closed:
            out = []
            if not self._step(passage, out):
                # What was under way when it was recorded, and never came back.
                self._engine.cancel(passage, self._clock.now_ms(), out)
            await self._carry_out(out)
        return self.story

    def _open(self, out: Effects) -> Passage:
        """What came in then comes in."""
        passage = self._passage(Passage)
        self._engine.open(passage, _came_in(self._recorded), out)
        return passage

    def _gather(self, out: Effects) -> Passage:
        """Other pipelines bring what begins it."""
        passage = self._passage(ExternalPassage)
        self._engine.gatherings.begin(passage, out)
        for brought in self._brought:
            assert brought.body is not None, "what is not known is not brought"
            self.story.add_brought(brought)
            feed = self._plan.external[brought.port]
            body = crossed(brought.body, brought.port.pipeline)
            bring = partial(self._engine.gatherings.bring, passage, feed, body)
            self._at(brought.at_ms, -math.inf, bring)
        return passage

    def _at(self, when_ms: float, place: float, happen: Happening) -> None:
        heapq.heappush(self._events, (when_ms, place, next(self._numbers), happen))

    def _passage(self, kind: type[PassageT]) -> PassageT:
        recorded = self._recorded
        request = recorded.request
        return kind(
            self._plan,
            recorded.identity,
            recorded.opened_ms,
            recorded.deadline_ms,
            request.id,
            request.parameters,
            recorded.headers,
        )

    def _step(self, passage: Passage, out: Effects) -> bool:
        """Let the next thing happen; False when nothing is left to."""
        timer_ms = self._engine.next_timer_ms()
        event_ms = self._events[0][0] if self._events else math.inf
        left_ms = self._left_ms()
        next_ms = min(timer_ms, event_ms, left_ms)
        if next_ms == math.inf:
            return False
        self._clock.move_to(max(next_ms, self._clock.now_ms()))
        now_ms = self._clock.now_ms()
        if event_ms <= next_ms and event_ms < timer_ms:
            *_, happen = heapq.heappop(self._events)
            happen(now_ms, out)
        elif left_ms <= next_ms and left_ms < timer_ms:
            self._engine.cancel(passage, now_ms, out)
        else:
            self._engine.tick(now_ms, out)
        return True

    def _left_ms(self) -> float:
        """When the caller went away, infinity when it did not."""
        result = self._recorded.result
        cancelled = isinstance(result, PenstockError) and result.code == "cancelled"
        return (self._recorded.answered_ms or math.inf) if cancelled else math.inf

    async def _carry_out(self, out: Effects) -> None:
        story = self.story
        for effect in out:  # grows while it is walked
            if isinstance(effect, Call):
                if effect.alive():
                    await self._call(effect)
            elif isinstance(effect, Emit):
                record = PortRecord(effect.port, effect.round, effect.at_ms, effect.body)
                story.add(record)
            elif isinstance(effect, Retried):
                call = effect.call
                story.add_attempt(
                    AttemptRecord(call.step, call.round, call.attempt, effect.at_ms, effect.failure)
                )
            elif isinstance(effect, Answer):
                story.settle(self._result(effect), self._clock.now_ms())
            elif isinstance(effect, DeadLetter):
                story.failures.append(effect.failure)
            elif isinstance(effect, Closed):
                if story.result is None:
                    result = self._result_without_output(effect.passage)
                    story.settle(result, self._clock.now_ms())
                story.end(self._clock.now_ms())

    async def _call(self, call: Call) -> None:
        """Have a call come back when it did."""
        place, at_ms, outcome = self._outcome_then(call)
        if self._is_real(call.step):
            outcome = await self._outcome_now(call)
        if outcome is None:
            return
        back_ms = max(at_ms, self._clock.now_ms())
        self._at(back_ms, place, partial(self._engine.done, call, outcome))

    async def _outcome_now(self, call: Call) -> Outcome:
        # With a deadline of its own, since the engine's is in a time that stands still.
        free = ModelCall(
            call.step, call.tensors, call.passage, attempt=call.attempt, round=call.round
        )
        for tensor in call.tensors:
            if not tensor.has_contents:
                raise InvalidRequestError(
                    f"step '{call.step}' cannot be called: the contents of its input "
                    f"'{tensor.name}' are not in the case; they were withheld, or not kept"
                )
        identity = f"{call.passage.identity}/{call.step}.{call.round}.{call.attempt}"
        try:
            return await self._calls.call(free, call.plan.model, identity)
        except Exception as error:
            return failed_of(error)

    def _outcome_then(self, call: Call) -> tuple[float, float, Outcome | None]:
        """The place of what came back then among the records, when it came, and what it was; None
        for what never came."""
        attempt = self._attempts.get((call.step, call.round, call.attempt))
        if attempt is not None:
            return math.inf, attempt.at_ms, attempt.failure._replace(retriable=True)
        found = self._records.get((Port(call.step, "outputs"), call.round))
        if found is None:
            return math.inf, -math.inf, None
        place, record = found
        return place, record.at_ms, self._said(record)

    def _said(self, record: PortRecord) -> Outcome | None:
        body = record.body
        if isinstance(body, Absent):
            # Where onError made an absence of it, it was a failure before.
            failed = body.cause == "error"
            return Failed("step-failed", body.reason) if failed else ()
        if isinstance(body, Failed):
            over = body.code in ("deadline", "cancelled", "lost")
            ended = record.at_ms >= self._recorded.deadline_ms or record.at_ms >= self._left_ms()
            return None if over and ended else body
        return body

    def _result(self, answer: Answer) -> InferenceResponse | PenstockError:
        body = answer.body
        if isinstance(body, Failed):
            return error_of(body.code, body.reason, step=body.step)
        if isinstance(body, Absent):
            return NoOutputError(body.reason, details=answer.details)
        return self._response(body)

    def _result_without_output(self, passage: Passage) -> InferenceResponse | PenstockError:
        """What is said of a request to a pipeline that puts nothing out."""
        inputs = passage.inputs if isinstance(passage, ExternalPassage) else None
        if isinstance(inputs, Failed):
            return error_of(inputs.code, inputs.reason, step=inputs.step)
        if isinstance(inputs, Absent):
            return NoOutputError(inputs.reason)
        if not self.story.failures:
            return self._response(())
        first = self.story.failures[0]
        return error_of(first.code, first.reason, step=first.step)

    def _response(self, tensors: Tensors) -> InferenceResponse:
        plan = self._plan
        return InferenceResponse(plan.name, str(plan.version), self._recorded.request.id, tensors)


def _came_in(recorded: Story) -> Tensors:
    """What a request was called with, or what had been made of what others brought to it. Raises
    InvalidRequestError where that was no value."""
    if not recorded.external:
        return recorded.request.tensors
    found = (each.body for each in recorded.records if str(each.port) == "inputs")
    body = next(found, None)
    if body is None or isinstance(body, Absent | Failed):
        raise InvalidRequestError(
            f"pipeline '{recorded.pipeline}' cannot be played: what other pipelines brought to it "
            "is not in the case"
        )
    return body
