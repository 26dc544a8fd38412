"""Who is a passenger in the place of one whose request is followed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol, cast

from penstock.core.contracts.follower import VisitSeen
from penstock.core.contracts.model import CallOrigin
from penstock.core.dataflow import Deployment, Passenger
from penstock.core.engine import Answer, Call, Effects, Emit, Passage, Retried, StateChanged, Tally
from penstock.core.following.watch import Watch
from penstock.core.plan import StepPlan
from penstock.core.records import Failed, Headers


class FollowedOrigin(CallOrigin):
    """What the calls of one visit of a followed request share: they may have headers of their
    own. What they do without, the request does."""

    __slots__ = ("_request",)

    def __init__(self, request: CallOrigin, headers: Headers) -> None:
        super().__init__(request.identity, request.request_id, request.parameters, headers)
        self._request = request

    def go_without(self, steps: Iterable[str]) -> None:
        self._request.go_without(steps)


class FollowedPassenger(Passenger, Protocol):
    """What a followed request has beside what every passenger has."""

    @property
    def headers(self) -> Headers:
        """Those that travel with it."""


class Course:
    """The passenger of a followed request: passes everything on to the one that it has without
    that, and tells. The passage is one through the plan that tells of every port.
    """

    __slots__ = ("_now_ms", "_watch", "deployment", "passenger")

    def __init__(
        self,
        passenger: FollowedPassenger,
        deployment: Deployment,
        watch: Watch,
        now_ms: Callable[[], float],
    ) -> None:
        self.passenger = passenger
        self.deployment = deployment
        self._watch = watch
        self._now_ms = now_ms

    def answered(self, answer: Answer, now_ms: float) -> None:
        self.passenger.answered(answer, now_ms)

    def closed(self) -> None:
        self.passenger.closed()
        self.end()

    def emitted(self, record: Emit, now_ms: float, out: Effects) -> None:
        port = record.port
        plan = self.deployment.plan
        if port.step is None:
            if plan.keeps_input if port.side == "inputs" else plan.keeps_output:
                self.passenger.emitted(record, now_ms, out)
            return
        step = self.deployment.followed_steps[port.step]
        kept = plan.steps[step.index]
        if kept.keeps_inputs if port.side == "inputs" else kept.keeps_outputs:
            self.passenger.emitted(record, now_ms, out)
        visit = VisitSeen(step.name, step.model, record.round)
        if port.side == "outputs":
            self._watch.tell(lambda each: each.visit_ended(visit, record.body, record.at_ms))
        elif type(record.body) is tuple:
            headers = self._watch.tell(lambda each: each.visit_called(visit, record.at_ms))
            self._give(headers, _call_of(record, step))

    def headers_of(self, record: Emit) -> Headers:
        port = record.port
        visit = None
        if port.step is not None and port.side == "outputs":
            step = self.deployment.followed_steps[port.step]
            visit = VisitSeen(step.name, step.model, record.round)
        headers = self._watch.tell(lambda each: each.record_read(visit))
        return {**self.passenger.headers, **headers}

    def changed(self, change: StateChanged) -> None:
        self.passenger.changed(change)

    def record_came(self, record: Emit) -> None:
        """A record of another pipeline has come to the request."""
        headers = cast(Passenger, record.passage.context).headers_of(record)
        self._watch.tell(lambda following: following.record_came(headers))

    def buried(self, failure: Failed, now_ms: float) -> None:
        self.passenger.buried(failure, now_ms)
        self._watch.tell(lambda following: following.buried(failure, now_ms))

    def retried(self, attempt: Retried) -> None:
        if self.deployment.plan.steps[attempt.call.plan.index].keeps_outputs:
            self.passenger.retried(attempt)

    def begins_again(self, again: Call, failed: Failed) -> None:
        """Another attempt will be made."""
        now_ms = self._now_ms()
        visit = VisitSeen(again.step, again.plan.model, again.round)
        self._watch.tell(lambda each: each.visit_retried(visit, again.attempt, failed, now_ms))

    def _give(self, headers: dict[str, str], call: Call | None) -> None:
        if call is not None:
            request = call.passage
            call.origin = FollowedOrigin(request, {**request.headers, **headers})

    def end(self) -> None:
        """Nothing more will become of the request."""
        now_ms = self._now_ms()
        self._watch.tell(lambda following: following.closed(now_ms))


def passenger_of(passage: Passage) -> Passenger:
    """Who would be the passenger were the request not followed."""
    context = passage.context
    return context.passenger if isinstance(context, Course) else cast(Passenger, context)


class HearsOfRetries(Protocol):
    """Whoever is told of attempts that failed."""

    def begins_again(self, again: Call, failed: Failed) -> None:
        """Another attempt will be made."""


class FollowedTally:
    """Counts as the deployment's tally does, and tells of attempts that failed."""

    __slots__ = ("_course", "_tally")

    def __init__(self, tally: Tally, course: HearsOfRetries) -> None:
        self._tally = tally
        self._course = course

    def rest_ms(self, step: int, left_ms: float) -> float:
        return self._tally.rest_ms(step, left_ms)

    def count_batch(self, step: int, rows: int) -> None:
        self._tally.count_batch(step, rows)

    def count_dropped(self, step: int) -> None:
        self._tally.count_dropped(step)

    def count_skip(self, consumer: int, cause: str) -> None:
        self._tally.count_skip(consumer, cause)

    def count_failure(self, step: int, code: str) -> None:
        self._tally.count_failure(step, code)

    def count_retry(self, again: Call, failed: Failed) -> None:
        self._tally.count_retry(again, failed)
        self._course.begins_again(again, failed)


def _call_of(record: Emit, step: StepPlan) -> Call | None:
    """The call of the visit whose inputs a record holds, if it is still to be made."""
    passage = record.passage
    if step.loop is None:
        visit = passage.visits[step.place]
        return visit if type(visit) is Call else None
    for each, visit in passage.step_visits():
        if type(visit) is Call and each.name == step.name and visit.round == record.round:
            return visit
    return None
