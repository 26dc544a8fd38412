"""Drives the engine on an event loop: calls models, keeps its timers, brings answers back."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Final, Protocol, cast

from penstock.core.clock import Clock
from penstock.core.contracts.model import INLINE_LIMIT_MS, VisitEnded
from penstock.core.contracts.transport import Ownership
from penstock.core.engine import (
    Abandon,
    Answer,
    Call,
    Closed,
    DeadLetter,
    Effects,
    Emit,
    Engine,
    ExternalPassage,
    Passage,
    Resumed,
    Retried,
    SharedCall,
    StateChanged,
    Turn,
)
from penstock.core.engine.gatherings import MOST_OPEN_JOINS
from penstock.core.errors import OverloadedError, PenstockError
from penstock.core.journal.tap import Tap
from penstock.core.metrics import Metrics, PlanTally
from penstock.core.model_gateway import ModelGateway, ModelSlot, Served
from penstock.core.plan import PIPELINE_SUFFIX, Feed, Plan
from penstock.core.records import Absent, Body, Failed, Headers, Tensors
from penstock.core.state import StateChange

logger = logging.getLogger(__name__)

_AGAIN_S: Final = 0.05
"""After so long a call is made again for which a model had no room."""


class Deployment:
    """One plan bound to the places of its models and to its counters.

    ``observe`` is the tally's. ``open`` counts the passages
    under way; a deployment that was replaced is over when it is 0. ``plain`` says that a request
    to it leaves no trace beside counters; ``followed_steps`` are those of the plan for requests
    that are followed, by name. ``taps`` follow its ports.
    """

    __slots__ = (
        "_idle",
        "followed_steps",
        "observe",
        "open",
        "plain",
        "plan",
        "slots",
        "tally",
        "taps",
    )

    def __init__(
        self,
        plan: Plan,
        slots: tuple[ModelSlot, ...],
        tally: PlanTally,
        taps: tuple[Tap, ...] = (),
    ) -> None:
        self.taps = taps
        self.plan = plan
        self.slots = slots
        self.tally = tally
        self.observe = tally.observe
        self.open = 0
        self.plain = plan.followed is None and not plan.emits
        followed = () if plan.followed is None else plan.followed.steps
        self.followed_steps = {step.name: step for step in followed}
        self._idle: asyncio.Event | None = None

    def close_one(self) -> None:
        """A passage has ended."""
        self.open -= 1
        if self._idle is not None and not self.open:
            self._idle.set()

    def versions(self) -> tuple[int | None, ...]:
        """The versions of the models that its steps call now; None for one that does not serve."""
        slots = self.slots
        return tuple([None if slot.served is None else slot.served.version for slot in slots])

    async def idle(self) -> None:
        """Return when no passage is under way."""
        if self.open:
            if self._idle is None:
                self._idle = asyncio.Event()
            await self._idle.wait()


class Passenger(Protocol):
    """Who waits for a passage: its ``context``. The methods must not raise."""

    deployment: Deployment

    def answered(self, answer: Answer, now_ms: float) -> None:
        """The answer is there. Called once, unless the plan has no output."""

    def closed(self) -> None:
        """Nothing of the passage is under way any more. Called once, last."""

    def emitted(self, record: Emit, now_ms: float, out: Effects) -> None:
        """A port that the plan keeps has ended. What follows elsewhere is added to ``out``."""

    def headers_of(self, record: Emit) -> Headers:
        """The headers that a record of the passage has for pipelines that read it."""

    def retried(self, attempt: Retried) -> None:
        """An attempt failed at a step whose outputs the plan keeps; another will be made."""

    def buried(self, failure: Failed, now_ms: float) -> None:
        """There is a failure that no caller can be told of."""

    def changed(self, change: StateChanged) -> None:
        """The request has changed what a join keeps across requests."""


class Dataflow:
    """One engine on the running event loop, and the calls it waits for.

    Not safe for threads: everything is called on the loop that :meth:`start` ran on.
    Of one model at most ``most_per_model`` calls are under way. One more waits if its request was
    taken of a stream, where the number of such requests is bounded; else it fails as overloaded.
    """

    __slots__ = (
        "_clock",
        "_loop",
        "_metrics",
        "_most_per_model",
        "_now_ms",
        "_tasks",
        "_timer",
        "_timer_ms",
        "_waiting",
        "engine",
        "models",
        "waiting_for_room",
    )

    def __init__(
        self,
        models: ModelGateway,
        metrics: Metrics,
        clock: Clock,
        *,
        most_per_model: int = 256,
        most_open_joins: int = MOST_OPEN_JOINS,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.models = models
        self._most_per_model = most_per_model
        self._metrics = metrics
        self._clock = clock
        self._now_ms = clock.now_ms
        self.engine = Engine(jitter, most_open_joins)
        self.waiting_for_room: list[Callable[[], None]] = []
        """Called when a pipeline that keeps an order may have room for a request again."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting: dict[ModelSlot, dict[Call, None]] = {}
        """Calls for which their models have no room, the oldest first."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ms = float("inf")

    @property
    def open_passages(self) -> int:
        """Requests of which anything is under way."""
        return self.engine.open_passages

    def start(self) -> None:
        """Take the running loop."""
        self._loop = asyncio.get_running_loop()

    async def stop(self) -> None:
        """Give up whatever is under way. To lose nothing, wait for the deployments first."""
        if self._timer is not None:
            self._timer.cancel()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def deploy(self, plan: Plan, taps: tuple[Tap, ...] = ()) -> Deployment:
        """Bind a plan to its models' places, and to those who follow its ports."""
        if not plan.single_model:
            self.engine.states.adopt(plan)
        slots = tuple(self.models.slot(step.model) for step in plan.steps)
        return Deployment(plan, slots, self._metrics.tally(plan), taps)

    def deploy_on(self, plan: Plan, slots: tuple[ModelSlot, ...]) -> Deployment:
        """Bind a plan whose joins keep nothing to these places, one for each step."""
        return Deployment(plan, slots, self._metrics.tally(plan))

    def deploy_step(self, plan: Plan) -> Deployment:
        """Bind the plan of one step of a pipeline, whose visits come one by one. Joins of that
        pipeline, should it be here as well, keep what they have."""
        return self.deploy_on(plan, tuple(self.models.slot(step.model) for step in plan.steps))

    def forget(self, pipeline: str) -> None:
        """A pipeline is gone, and what its joins kept with it."""
        self.engine.states.forget(pipeline)

    def begin(self, passage: Passage, given: Body, position: int | None = None) -> None:
        """Let a request into its pipeline, with tensors or the marker that other pipelines brought.
        ``passage.context`` is its Passenger, ``position`` its place in the order of requests where
        that is not the one in which they come here."""
        deployment = cast(Passenger, passage.context).deployment
        deployment.open += 1
        deployment.tally.counters.in_flight += 1
        out: Effects = []
        self.engine.open(passage, given, out, position)
        self._carry_out(out, passage.opened_ms)

    def refuse(self, passage: Passage, failed: Failed) -> None:
        """Let a request in that cannot run, for the sake of its answer and its place among others.
        ``passage.context`` is its Passenger."""
        deployment = cast(Passenger, passage.context).deployment
        deployment.open += 1
        deployment.tally.counters.in_flight += 1
        out: Effects = []
        self.engine.refuse(passage, failed, out)
        self._carry_out(out, passage.opened_ms)

    def room_in(self, plan: Plan, partition: int) -> int:
        """How many requests may enter a partition of a pipeline that keeps an order."""
        return self.engine.lines.room_in(plan, (plan.name, partition))

    def restore(
        self, plan: Plan, ownership: Ownership, changes: Mapping[str, Sequence[StateChange]]
    ) -> None:
        """Take up what the joins of a pipeline have kept of a partition, by their names."""
        self.engine.states.restore(plan, ownership, changes)

    def release(self, ownership: Ownership) -> None:
        """Let go of what joins have kept of a partition."""
        self.engine.states.release(ownership)

    def gather(self, passage: ExternalPassage, out: Effects) -> None:
        """Let a request in that a record of another pipeline begins, as part of what that brings
        about. ``passage.context`` is its Passenger."""
        deployment = cast(Passenger, passage.context).deployment
        deployment.open += 1
        deployment.tally.counters.in_flight += 1
        self.engine.gatherings.begin(passage, out)

    def bring(self, passage: ExternalPassage, feed: Feed, body: Body, *, begins: bool) -> None:
        """A port of another pipeline has ended for a request, which it ``begins`` or not.
        ``passage.context`` is its Passenger."""
        now_ms = self._now_ms()
        out: Effects = []
        if begins:
            self.gather(passage, out)
        self.engine.gatherings.bring(passage, feed, body, now_ms, out)
        self._carry_out(out, now_ms)

    def end_join(self, passage: ExternalPassage) -> None:
        """A request waits for other pipelines no more, as at the end of its window."""
        now_ms = self._now_ms()
        out: Effects = []
        self.engine.gatherings.end(passage, now_ms, out)
        self._carry_out(out, now_ms)

    def end_joins(self) -> None:
        """No record of another pipeline will come any more: decide what waits for one."""
        now_ms = self._now_ms()
        out: Effects = []
        while self.engine.gatherings:
            self.engine.gatherings.end_oldest(now_ms, out)
        self._carry_out(out, now_ms)

    def cancel(self, passage: Passage) -> None:
        """The caller of a passage is gone."""
        now_ms = self._now_ms()
        out: Effects = []
        self.engine.cancel(passage, now_ms, out)
        self._carry_out(out, now_ms)

    def _carry_out(self, out: Effects, now_ms: float) -> None:
        """Do what the engine asks, and what it asks because of that, until it asks no more."""
        engine = self.engine
        clock = self._now_ms
        passenger: Passenger
        later = False
        for effect in out:  # grows while it is walked
            if type(effect) is Call or type(effect) is SharedCall:
                plan = effect.plan
                if effect.passage.visits[plan.place] is not effect and not effect.alive():
                    continue  # given up since it was asked for
                index = plan.index
                passenger = effect.passage.context  # type: ignore[assignment]  # a cast costs 50 ns
                deployment = passenger.deployment
                served = deployment.slots[index].served
                outcome: Tensors | Failed
                if later:
                    now_ms = clock()
                    later = False
                began_ms = now_ms
                if served is None:
                    outcome = _nobody(deployment.slots[index])
                    now_ms = clock()
                else:
                    instance = served.instance
                    inline = instance.inline
                    try:
                        if inline is not None:
                            outcome = inline(effect)
                        elif served.calls >= self._most_per_model and served.bounded:
                            if effect.passage.ownership is not None:
                                self._wait_for_room(effect)
                                continue
                            outcome = self._overloaded(deployment.slots[index])
                        else:
                            result = instance.infer(effect)
                            if not isinstance(result, tuple):
                                self._wait_for(effect, result, served, now_ms)
                                now_ms = clock()
                                continue
                            outcome = result
                    except (Exception, asyncio.CancelledError) as error:
                        if isinstance(error, OverloadedError) and effect.passage.ownership:
                            # Calls that were given up may have all the room for a moment.
                            self._wait_for_room(effect, _AGAIN_S)
                            continue
                        outcome = failed_of(error)
                    now_ms = clock()
                    if inline is not None and now_ms - began_ms > INLINE_LIMIT_MS:
                        instance.overran(now_ms - began_ms)
                deployment.observe[index](now_ms - began_ms)
                engine.done(effect, outcome, now_ms, out)
            elif type(effect) is Answer:
                passenger = effect.passage.context  # type: ignore[assignment]  # as above
                passenger.answered(effect, now_ms)
                # Writing a large answer takes its time, which no call that follows shall pay for.
                later = True
            elif type(effect) is Closed:
                passenger = effect.passage.context  # type: ignore[assignment]  # as above
                passenger.deployment.tally.counters.in_flight -= 1
                passenger.deployment.close_one()
                passenger.closed()
                later = True
            elif type(effect) is Emit:
                passenger = effect.passage.context  # type: ignore[assignment]  # as above
                passenger.emitted(effect, now_ms, out)
            elif type(effect) is DeadLetter:
                self._bury(effect, now_ms)
            elif type(effect) is Retried:
                passenger = effect.passage.context  # type: ignore[assignment]  # as above
                passenger.retried(effect)
            elif type(effect) is Turn:
                engine.turn(effect.lane, now_ms, out)
            elif type(effect) is Resumed:
                for resume in self.waiting_for_room:
                    resume()
            elif type(effect) is Abandon:
                self._abandon(effect.call, now_ms)
            elif type(effect) is StateChanged:
                passenger = effect.passage.context  # type: ignore[assignment]  # as above
                passenger.changed(effect)
        due_ms = engine.next_timer_ms()
        if due_ms < self._timer_ms:
            self._set_timer(due_ms, clock())

    def _overloaded(self, slot: ModelSlot) -> Failed:
        sentence = (
            f"{self._most_per_model} calls of model '{slot.name}' are under way; send the request "
            "again later, or raise limits.inFlightPerModel"
        )
        return Failed("overloaded", sentence, None, True)

    def _wait_for(
        self, call: Call, result: Awaitable[Tensors], served: Served, now_ms: float
    ) -> None:
        assert self._loop is not None, "start() comes before the first request"
        served.begin(now_ms)
        task = self._loop.create_task(self._finish(call, result, served))
        call.work = task
        self._tasks.add(task)
        task.add_done_callback(partial(self._clean_up, call, result, served))

    async def _finish(self, call: Call, result: Awaitable[Tensors], served: Served) -> None:
        """Wait for one call, and tell the engine how it ended."""
        outcome: Tensors | Failed = ()
        marker: Absent | Failed | None = None
        until_ms = call.issued_ms  # from then on its time is counted when it has ended
        try:
            outcome = await result
        except VisitEnded as ended:
            marker = ended.marker
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                # Abandoned: the engine has given up the attempt and wants to hear nothing of it.
                until_ms = self._now_ms()
                return
            outcome = failed_of(error)  # the model cancelled something of its own
        except Exception as error:
            outcome = failed_of(error)
        finally:
            self._release(call, served, until_ms)
        now_ms = self._now_ms()
        deployment = cast(Passenger, call.passage.context).deployment
        deployment.observe[call.plan.index](now_ms - call.issued_ms)
        out: Effects = []
        if marker is None:
            self.engine.done(call, outcome, now_ms, out)
        else:
            self.engine.ended_elsewhere(call, marker, now_ms, out)
        self._carry_out(out, now_ms)

    def _release(self, call: Call, served: Served, until_ms: float) -> None:
        """Nothing waits for a call any more: see :meth:`Served.release`."""
        self._tasks.discard(cast("asyncio.Task[None]", call.work))
        call.work = None
        served.release(until_ms)
        if self._waiting:
            assert self._loop is not None, "start() comes before the first request"
            self._loop.call_soon(self._let_in, _slot_of(call))

    def _wait_for_room(self, call: Call, again_s: float | None = None) -> None:
        """Make a call later: when another one is over, at the latest in ``again_s``."""
        slot = _slot_of(call)
        self._waiting.setdefault(slot, {})[call] = None
        if again_s is not None:
            assert self._loop is not None, "start() comes before the first request"
            self._loop.call_later(again_s, self._let_in, slot)

    def _let_in(self, slot: ModelSlot) -> None:
        """Make the calls that wait, as long as there is room."""
        waiting = self._waiting.get(slot)
        while waiting and self._has_room(slot):
            call = next(iter(waiting))
            del waiting[call]
            self._carry_out([call], self._now_ms())
            if call in waiting:
                return  # the model has none after all
        self._forget_wait(slot)

    def _forget_wait(self, slot: ModelSlot) -> None:
        """While something is here, the end of every call has it looked at."""
        if not self._waiting.get(slot, True):
            del self._waiting[slot]

    def _has_room(self, slot: ModelSlot) -> bool:
        served = slot.served
        return served is None or not served.bounded or served.calls < self._most_per_model

    def _clean_up(
        self, call: Call, result: Awaitable[Tensors], served: Served, task: asyncio.Task[None]
    ) -> None:
        """A task that is cancelled before it begins never runs, nor does what it would do last."""
        if call.work is task:
            self._release(call, served, self._now_ms())
            if isinstance(result, asyncio.Future):
                result.cancel()
            elif isinstance(result, Coroutine):
                result.close()

    def _abandon(self, call: Call, now_ms: float) -> None:
        passenger = cast(Passenger, call.passage.context)
        # Were those left out that take too long, too short a time would seem usual.
        passenger.deployment.tally.steps[call.plan.index].note_time(now_ms - call.issued_ms)
        if call.work is not None:
            cast("asyncio.Task[None]", call.work).cancel()
        elif self._waiting:
            slot = _slot_of(call)
            waiting = self._waiting.get(slot)
            if waiting is not None:
                waiting.pop(call, None)
                self._forget_wait(slot)

    def _bury(self, letter: DeadLetter, now_ms: float) -> None:
        passage = letter.passage
        passenger = cast(Passenger, passage.context)
        passenger.deployment.tally.counters.dead_letters += 1
        failure = letter.failure
        logger.warning(
            "a failure that no caller is told of: %s",
            failure.reason,
            extra={
                "request": passage.identity,
                "pipeline": passage.plan.name,
                "step": failure.step,
                "code": failure.code,
            },
        )
        passenger.buried(failure, now_ms)

    def _set_timer(self, due_ms: float, now_ms: float) -> None:
        assert self._loop is not None, "start() comes before the first request"
        if self._timer is not None:
            self._timer.cancel()
        self._timer_ms = due_ms
        self._timer = self._loop.call_later(max(0.0, due_ms - now_ms) / 1000.0, self._ring)

    def _ring(self) -> None:
        self._timer = None
        self._timer_ms = float("inf")
        now_ms = self._now_ms()
        out: Effects = []
        self.engine.tick(now_ms, out)
        self._carry_out(out, now_ms)


def failed_of(error: BaseException) -> Failed:
    """What a call that raised means to the engine.

    An error of ours keeps its code; whatever else a model raises is ``step-failed``, and a retry
    would see it again.
    """
    if isinstance(error, PenstockError):
        return Failed(error.code, error.message, error.step, error.retriable)
    return Failed("step-failed", f"{type(error).__name__}: {error}", None, False)


def _slot_of(call: Call) -> ModelSlot:
    return cast(Passenger, call.passage.context).deployment.slots[call.plan.index]


def _nobody(slot: ModelSlot) -> Failed:
    name, suffix, _ = slot.name.partition(PIPELINE_SUFFIX)
    what = "pipeline" if suffix else "model"
    return Failed("not-ready", f"{what} '{name}' is not ready: {slot.reason}", None, True)
