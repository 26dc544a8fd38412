"""Intake: how many requests are in flight, who waits for a turn, and who is refused."""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from penstock.core.clock import Clock
from penstock.core.contracts.follower import Follower, RequestSeen
from penstock.core.contracts.gateway import Reply, Ticket
from penstock.core.dataflow import Dataflow, Deployment
from penstock.core.engine import Passage
from penstock.core.errors import (
    DeadlineError,
    NotTakenError,
    OverloadedError,
    PenstockError,
    at_intake,
)
from penstock.core.experiments.split import Split
from penstock.core.following.watch import Watch, watch_of
from penstock.core.identity import Identities
from penstock.core.inference import InferenceRequest
from penstock.core.journal import Journal, LetterBox
from penstock.core.metrics import Metrics
from penstock.core.pipeline_gateway.followed import (
    FollowedRecordedSubmission,
    FollowedSubmission,
    SubmittedCourse,
)
from penstock.core.pipeline_gateway.readers import DEDUP_REQUESTS, Readers
from penstock.core.pipeline_gateway.recorded import RecordedSubmission
from penstock.core.pipeline_gateway.submission import Submission
from penstock.core.pipeline_gateway.tapped import (
    TappedFollowedRecordedSubmission,
    TappedFollowedSubmission,
    TappedRecordedSubmission,
    TappedSubmission,
)
from penstock.core.pipeline_gateway.target import ServedTarget
from penstock.core.pipeline_gateway.written import FollowedWrittenChild, WrittenChild
from penstock.core.plan import LineName, Plan
from penstock.core.records import Failed, Headers
from penstock.core.streams.parent import Parent

SubmissionMaker: TypeAlias = Callable[
    [InferenceRequest, Headers, float, Reply, str, bytes], Submission
]
"""Makes a submission of request, headers, the time it has in ms, who is told, identity and key."""


@dataclass(frozen=True, slots=True)
class GatewayLimits:
    """Bounds on intake. ``waiting`` requests may stand before the ``in_flight`` ones.

    ``deadline_ms`` bounds every synchronous request, whatever its caller allows;
    ``async_deadline_ms`` an asynchronous one to a pipeline that does not say otherwise.
    ``dedup_requests`` ended requests are remembered by each pipeline that reads others.
    """

    in_flight: int = 1024
    waiting: int = 256
    deadline_ms: float = 60_000.0
    async_deadline_ms: float = 600_000.0
    dedup_requests: int = DEDUP_REQUESTS


class Admission:
    """Lets requests into their pipelines within the limits, in the order in which they came."""

    __slots__ = (
        "_admitting",
        "_children",
        "_clock",
        "_dataflow",
        "_empty",
        "_engine",
        "_followers",
        "_identities",
        "_journal",
        "_letters",
        "_limits",
        "_metrics",
        "_open",
        "_opened_before",
        "_ordered",
        "_waiting",
        "carried",
        "now_ms",
        "readers",
    )

    def __init__(
        self,
        dataflow: Dataflow,
        metrics: Metrics,
        clock: Clock,
        limits: GatewayLimits,
        journal: Journal,
        letters: LetterBox,
        worker: int | None = None,
    ) -> None:
        self.now_ms = clock.now_ms
        self._journal = journal
        self._letters = letters
        self._dataflow = dataflow
        self._engine = dataflow.engine
        self._metrics = metrics
        self._clock = clock
        self._limits = limits
        self._identities = Identities(clock, secrets.randbits, worker)
        self._waiting: deque[Submission] = deque()
        self._ordered: deque[Submission] = deque()
        """Those that wait to enter pipelines that keep the order of their answers."""
        self._children: set[Submission] = set()
        """Those of them that are steps of requests which have their places in flight already."""
        dataflow.waiting_for_room.append(self.admit_next)
        self._admitting = False
        self._open = False
        self._opened_before = False
        self._empty: asyncio.Event | None = None
        self.readers = Readers(self, dataflow, journal, limits.dedup_requests)
        self._followers: tuple[Follower, ...] = ()
        self.carried: Callable[[], int] = int
        """How many of the requests under way here a worker has taken of streams, within its own
        bounds."""

    def follow_with(self, followers: Iterable[Follower]) -> None:
        """Have these decide about requests to plans that can be followed."""
        self._followers = tuple(followers)

    @property
    def is_open(self) -> bool:
        """Whether requests are taken in."""
        return self._open

    def open(self) -> None:
        """Begin to take requests in."""
        self._open = True
        self._opened_before = True

    def close(self) -> None:
        """Take in nothing new; what is under way or waits goes on."""
        self._open = False

    async def drain(self) -> None:
        """Return when nothing is under way and nothing waits.

        With the intake closed, requests that wait for other pipelines in vain are not waited for.
        """
        engine = self._engine
        while engine.gatherings or not self._is_empty():
            if self._is_empty() and not self._open:
                self._dataflow.end_joins()
                continue
            if self._empty is None or self._empty.is_set():
                self._empty = asyncio.Event()
            await self._empty.wait()

    def submit(
        self,
        target: ServedTarget,
        request: InferenceRequest,
        headers: Headers,
        timeout_ms: float | None,
        reply: Reply,
        make: SubmissionMaker | None = None,
    ) -> Ticket:
        """Let a request in, have it wait for its turn, or refuse it; ``make`` makes it where its
        target wants one of its own."""
        now_ms = self._clock.now_ms()
        limit_ms = self._limits.deadline_ms
        if timeout_ms is not None and timeout_ms < limit_ms:
            limit_ms = timeout_ms
        identity = self._identities.next(now_ms)
        if not self._open:
            return self.refuse(self.closed_error(), identity, reply)
        deployment = target.deployment
        key = b""
        room = self._waiting
        # Asked in two steps, for the second is needed by few.
        full = self._engine.open_passages >= self._limits.in_flight and self._is_full()
        waits: object = full or room
        if not target.always_enters or request.outputs is not None:
            try:
                key = target.admit(request, headers)
            except PenstockError as refusal:
                return self.refuse(refusal, identity, reply)
            assert deployment is not None, "a target that is not ready refuses"
            room, waits = self._turn(deployment.plan, key, identity)
        assert deployment is not None, "a target that is not ready refuses"
        if waits and len(room) >= self._limits.waiting:
            return self.refuse(self._overloaded(deployment.plan), identity, reply)
        submission: Submission
        if make is not None:
            submission = make(request, headers, limit_ms, reply, identity, key)
        elif deployment.plain:
            submission = Submission(
                self, target, deployment, request, headers, limit_ms, reply, identity, key
            )
        else:
            watch = self.watch(deployment, identity, headers, now_ms)
            submission = self._special(
                target, deployment, request, headers, limit_ms, reply, identity, key, now_ms, watch
            )
        if waits:
            self._wait(submission, room)
        else:
            submission.begin(self._dataflow, now_ms, now_ms + limit_ms)
        return submission

    def accept(
        self,
        target: ServedTarget,
        request: InferenceRequest,
        headers: Headers,
        split: Split | None = None,
    ) -> Ticket:
        """Take in a request that nobody waits for; raises what refuses it. ``split`` is told how it
        ends."""
        if not self._open:
            raise self.counted(self.closed_error())
        try:
            key = target.admit(request, headers, asynchronous=True)
        except PenstockError as refusal:
            raise self.counted(refusal) from None
        deployment = target.deployment
        assert deployment is not None, "a target that is not ready refuses"
        now_ms = self._clock.now_ms()
        identity = self._identities.next(now_ms)
        room, waits = self._turn(deployment.plan, key, identity)
        if waits and len(room) >= self._limits.waiting:
            raise self.counted(self._overloaded(deployment.plan))
        limit_ms = self.async_limit_ms(deployment.plan)
        watch = self.watch(deployment, identity, headers, now_ms)
        submission = self._recorded(
            target, deployment, request, headers, limit_ms, None, identity, key, now_ms, watch
        )
        submission.split = split
        if waits:
            self._wait(submission, room)
        else:
            submission.begin(self._dataflow, now_ms, now_ms + limit_ms)
        return submission

    def begin_child(
        self,
        target: ServedTarget,
        request: InferenceRequest,
        headers: Headers,
        identity: str,
        deadline_ms: float,
        reply: Reply,
        *,
        followed: bool,
        parent: Parent | None = None,
    ) -> Ticket:
        """Begin the request of a step that is a pipeline, whatever else is in flight.

        It waits where the pipeline keeps an order and has no room in it. ``followed``
        says whether its parent is: only then may it be. ``parent`` writes what is kept of it, where
        that goes to streams.
        """
        now_ms = self._clock.now_ms()
        deployment = target.deployment
        assert deployment is not None, "a pipeline that is not ready is not called"
        try:
            key = target.key_of(request, headers)
        except PenstockError as refusal:
            return self.refuse(refusal, identity, reply)
        watch = None
        if followed:
            watch = self.watch(deployment, identity, headers, now_ms, child=True)
        limit_ms = deadline_ms - now_ms
        submission: Submission
        if parent is not None and deployment.plan.emits:
            written = WrittenChild if watch is None else FollowedWrittenChild
            submission = written(
                parent, self, target, deployment, request, headers, limit_ms, reply, identity, key
            )
            if watch is not None and isinstance(submission, FollowedWrittenChild):
                SubmittedCourse(submission, watch)
        else:
            submission = self._special(
                target, deployment, request, headers, limit_ms, reply, identity, key, now_ms, watch
            )
        if deployment.plan.order is not None and self._lacks_room(deployment.plan, key, identity):
            self._children.add(submission)
            self._wait(submission, self._ordered)
        else:
            submission.begin(self._dataflow, now_ms, deadline_ms)
        return submission

    def _turn(self, plan: Plan, key: bytes, identity: str) -> tuple[deque[Submission], bool]:
        """Where a request waits for its turn, and whether it has to."""
        full = self._is_full()
        if plan.order is None:
            return self._waiting, bool(full or self._waiting)
        return self._ordered, full or self._lacks_room(plan, key, identity)

    def _lacks_room(self, plan: Plan, key: bytes, identity: str) -> bool:
        """Whether a request to a pipeline that keeps an order has to wait for room there."""
        line = plan.line_of(key or identity.encode())
        return self._engine.lines.is_full(plan, line) or any(
            submission.line == line for submission in self._ordered
        )

    def watch(
        self,
        deployment: Deployment,
        identity: str,
        headers: Headers,
        now_ms: float,
        *,
        child: bool = False,
        begun_by: str = "",
    ) -> Watch | None:
        """Who follows a request, if anybody does; ``begun_by`` is as RequestSeen has it."""
        plan = deployment.plan
        if plan.followed is None:
            return None
        seen = RequestSeen(
            identity, plan.name, plan.version, plan.single_model, child, headers, now_ms, begun_by
        )
        return watch_of(self._followers, seen)

    def _special(
        self,
        target: ServedTarget,
        deployment: Deployment,
        request: InferenceRequest,
        headers: Headers,
        limit_ms: float,
        reply: Reply,
        identity: str,
        key: bytes,
        now_ms: float,
        watch: Watch | None,
    ) -> Submission:
        """A request to a pipeline that is not plain: recorded where it says so, and followed."""
        if deployment.plan.record != "none":
            return self._recorded(
                target, deployment, request, headers, limit_ms, reply, identity, key, now_ms, watch
            )
        kind: type[Submission]
        if watch is None:
            kind = TappedSubmission if deployment.taps else Submission
        else:
            kind = TappedFollowedSubmission if deployment.taps else FollowedSubmission
        submission = kind(
            self, target, deployment, request, headers, limit_ms, reply, identity, key
        )
        if watch is not None and isinstance(submission, FollowedSubmission):
            SubmittedCourse(submission, watch)
        return submission

    def _recorded(
        self,
        target: ServedTarget,
        deployment: Deployment,
        request: InferenceRequest,
        headers: Headers,
        limit_ms: float,
        reply: Reply | None,
        identity: str,
        key: bytes,
        now_ms: float,
        watch: Watch | None,
    ) -> RecordedSubmission:
        kind: type[RecordedSubmission]
        if watch is None:
            kind = TappedRecordedSubmission if deployment.taps else RecordedSubmission
        elif deployment.taps:
            kind = TappedFollowedRecordedSubmission
        else:
            kind = FollowedRecordedSubmission
        submission = kind(
            self,
            self._journal,
            target,
            deployment,
            request,
            headers,
            limit_ms,
            reply,
            identity,
            key,
            now_ms,
        )
        if watch is not None and isinstance(submission, FollowedRecordedSubmission):
            SubmittedCourse(submission, watch)
        return submission

    def async_limit_ms(self, plan: Plan) -> float:
        """The time for a request to this pipeline that nobody waits for."""
        return plan.async_deadline_ms or self._limits.async_deadline_ms

    def bury(self, submission: Submission, failure: Failed, now_ms: float) -> None:
        """Keep a failure that no caller is told of, with its request."""
        plan = submission.deployment.plan
        self._letters.put(
            submission.identity,
            plan.name,
            plan.version,
            failure,
            now_ms,
            submission.entered,
            submission.headers,
        )

    def cancel(self, passage: Passage) -> None:
        """The caller of a passage is gone."""
        if not passage.closed:
            self._dataflow.cancel(passage)

    def admit_next(self) -> None:
        """A place is free: the first that waits comes in."""
        if self._ordered and not self._admitting:
            self._admitting = True
            try:
                while (submission := self._next_in_order()) is not None:
                    self._ordered.remove(submission)
                    self._admit(submission)
            finally:
                self._admitting = False
        if self._waiting and not self._admitting:
            # Who is answered at once makes place again, from within: the loop sees to that.
            self._admitting = True
            try:
                while self._waiting and not self._is_full():
                    self._admit(self._waiting.popleft())
            finally:
                self._admitting = False
        if self._empty is not None and self._is_empty():
            self._empty.set()

    def _is_full(self) -> bool:
        """Whether as many are in flight as may be, those apart that have bounds of their own."""
        return self._engine.open_passages - self.carried() >= self._limits.in_flight

    def _is_empty(self) -> bool:
        return not (self._engine.open_passages or self._waiting or self._ordered)

    def _next_in_order(self) -> Submission | None:
        """The first that waits for room in an order and finds some."""
        no_place = self._is_full()
        full: set[LineName] = set()
        for submission in self._ordered:
            line = submission.line
            assert line is not None, "nobody else waits here"
            if line in full or (no_place and submission not in self._children):
                continue
            if not self._engine.lines.is_full(submission.deployment.plan, line):
                return submission
            full.add(line)
        return None

    def _admit(self, submission: Submission) -> None:
        self._children.discard(submission)
        timer, submission.waiting = submission.waiting, None
        assert timer is not None, "who waits has a timer"
        left_ms = (timer.when() - asyncio.get_running_loop().time()) * 1000.0
        timer.cancel()
        now_ms = self._clock.now_ms()
        submission.begin(self._dataflow, now_ms, now_ms + left_ms)
        submission.deployment.close_one()

    def stop_waiting(self, submission: Submission, error: PenstockError) -> None:
        """A request whose turn has not come ends with ``error``."""
        if submission.waiting is not None:
            submission.waiting.cancel()
            submission.waiting = None
            room = self._waiting if submission.line is None else self._ordered
            room.remove(submission)
            self._children.discard(submission)
            submission.deployment.close_one()
            self._metrics.refuse(error.code)
            submission.reply(error)
            self.admit_next()

    def _wait(self, submission: Submission, room: deque[Submission]) -> None:
        why = "the server is overloaded"
        if submission.line is not None:
            name = submission.deployment.plan.name
            why = f"pipeline '{name}' keeps the order of its answers, and waits for earlier ones"
        error = DeadlineError(
            f"the deadline of {submission.timeout_ms:.0f} ms passed while the request waited for "
            f"its turn; {why}"
        )
        if submission.line is None:
            at_intake(error)
        submission.waiting = asyncio.get_running_loop().call_later(
            submission.timeout_ms / 1000.0, self.stop_waiting, submission, error
        )
        room.append(submission)
        # Who waits for its turn is under way as well: its version must not go before.
        submission.deployment.open += 1

    def closed_error(self) -> NotTakenError:
        """What is said while nothing is taken in."""
        state = "stopping" if self._opened_before else "starting"
        return at_intake(NotTakenError(f"the server is {state}; send the request again later"))

    def counted(self, error: PenstockError) -> PenstockError:
        """The error of a request that did not enter."""
        self._metrics.refuse(error.code)
        return error

    def _overloaded(self, plan: Plan) -> OverloadedError:
        if plan.order is not None:
            return OverloadedError(
                f"pipeline '{plan.name}' keeps the order of its answers, and {len(self._ordered)} "
                "wait for room in such orders; send the request again later, or raise "
                "output.maxHeld"
            )
        return at_intake(
            OverloadedError(
                f"{self._engine.open_passages} requests are in flight and {len(self._waiting)} "
                "wait; send the request again later, or raise limits.inFlight"
            )
        )

    def turn_away(self, error: PenstockError, reply: Reply) -> Ticket:
        """Refuse what has no identity yet."""
        return self.refuse(error, self._identities.next(self._clock.now_ms()), reply)

    def refuse(self, error: PenstockError, identity: str, reply: Reply) -> Ticket:
        """Let a request not enter."""
        reply(self.counted(error))
        return RefusedTicket(identity)


class RefusedTicket(Ticket):
    """A request that did not enter."""

    __slots__ = ("_identity",)

    def __init__(self, identity: str) -> None:
        self._identity = identity

    @property
    def identity(self) -> str:
        return self._identity

    def cancel(self) -> None:
        """There is nothing to cancel."""
