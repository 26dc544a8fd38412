"""Pipelines whose requests go through streams: published here, run by workers, answered here."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import Callable
from typing import Final, TypeAlias
from zlib import crc32

import orjson

from penstock.core.contracts.gateway import Reply, Ticket, code_of
from penstock.core.contracts.transport import Output, Transport, Written
from penstock.core.dataflow import Deployment
from penstock.core.engine.engine import NO_TENSORS
from penstock.core.errors import (
    CancelledRequestError,
    DeadlineError,
    NoOutputError,
    NotReadyError,
    OverloadedError,
    PenstockError,
    at_intake,
    error_of,
)
from penstock.core.experiments.split import Split
from penstock.core.identity import Identities, Whereabouts, placed
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.journal import Story
from penstock.core.pipeline_gateway.admission import Admission, GatewayLimits
from penstock.core.pipeline_gateway.target import ServedTarget
from penstock.core.records import Absent, Failed, Headers, Port, Record
from penstock.core.request_headers import MISSING
from penstock.core.signature import Signature
from penstock.core.streams.beside import Callers
from penstock.core.streams.clock import TransportClock
from penstock.core.streams.headers import (
    ARMS_HEADER,
    DETAILS_HEADER,
    REPLY_TO_HEADER,
    WANTED_HEADER,
)
from penstock.core.streams.names import REPLY_PARTITIONS, StreamNames
from penstock.core.streams.outbox import Outbox
from penstock.core.streams.replies import Replies
from penstock.core.streams.wanted import wanted_text

LEFT_S: Final = 5.0
"""Workers finish what is under way of a pipeline that goes away within so long."""

_INPUTS = Port(None, "inputs")

Follow: TypeAlias = Callable[[str, Headers, float, Reply], tuple[Headers, Reply]]
"""Sees a request by its identity, headers, the time, and its reply."""

Taken: TypeAlias = Callable[[PenstockError | None], None]
"""Is told that a request that nobody waits for is taken in, or why not."""

FollowTaken: TypeAlias = Callable[[str, Headers, float], tuple[Headers, Taken | None]]
"""Sees such a request by its identity, headers and the time."""

_log = logging.getLogger(__name__)


class StreamIntake(Callers):
    """Lets requests into the input streams of pipelines, within the limits, and hears of them.

    A request holds its place from when it is published until it is answered or its time is over;
    those that find no place wait for one, as with pipelines that run in this process. What steps
    ask of pipelines that keep an order or state goes beside the limits.
    """

    def __init__(
        self,
        admission: Admission,
        limits: GatewayLimits,
        transport: Transport,
        names: StreamNames,
        clock: TransportClock,
    ) -> None:
        self.admission = admission
        self.names = names
        self.now_ms = clock.now_ms
        self._limits = limits
        self._identities = Identities(clock, secrets.randbits)
        self._outbox = Outbox(transport, clock)
        partition = secrets.randbelow(REPLY_PARTITIONS)
        self._replies = Replies(transport, names, clock, partition, self.tell)
        self._leaving: dict[str, asyncio.TimerHandle] = {}
        """Pipelines that were withdrawn, and when nobody is expected to answer any more."""
        self._posted = 0
        """Requests that nobody waits for and that are not taken in yet."""
        self._under_way: dict[str, StreamedSubmission] = {}
        self._children: dict[str, StreamedSubmission] = {}
        self._waiting: deque[StreamedSubmission] = deque()
        self._empty: asyncio.Event | None = None

    async def start(self) -> None:
        """Hear answers. Comes before the first request."""
        await self._replies.start()

    async def stop(self) -> None:
        """Hear no more answers."""
        for leaving in self._leaving.values():
            leaving.cancel()
        await self._outbox.close()
        await self._replies.stop()

    async def drain(self) -> None:
        """Return when nobody waits for an answer."""
        while self._under_way or self._waiting:
            if self._empty is None or self._empty.is_set():
                self._empty = asyncio.Event()
            await self._empty.wait()

    def serve(self, pipeline: str) -> None:
        """Workers may answer requests to a pipeline from now on."""
        leaving = self._leaving.pop(pipeline, None)
        if leaving is not None:
            leaving.cancel()

    def withdraw(self, pipeline: str) -> None:
        """Nothing serves a pipeline any more: who waits for it still is told so in the end."""
        self.serve(pipeline)
        self._leaving[pipeline] = asyncio.get_running_loop().call_later(
            LEFT_S, self._give_up, pipeline
        )

    def _give_up(self, pipeline: str) -> None:
        del self._leaving[pipeline]
        for submission in [
            *self._under_way.values(),
            *self._children.values(),
            *self._waiting,
        ]:
            if submission.target.name == pipeline:
                submission.refused(
                    NotReadyError(
                        f"pipeline '{pipeline}' went away before a worker took the request up"
                    )
                )

    def submit(
        self,
        target: StreamedTarget,
        request: InferenceRequest,
        headers: Headers,
        timeout_ms: float | None,
        reply: Reply,
        follow: Follow | None = None,
    ) -> Ticket:
        """Have a request published, have it wait for its turn, or refuse it. ``follow`` sees one
        that is let in, and may have other headers and another reply in their places."""
        now_ms = self.now_ms()
        limit_ms = self._limits.deadline_ms
        if timeout_ms is not None and timeout_ms < limit_ms:
            limit_ms = timeout_ms
        identity = self._identities.next(now_ms)
        admission = self.admission
        if not admission.is_open:
            return admission.refuse(admission.closed_error(), identity, reply)
        try:
            key = target.admit(request, headers)
        except PenstockError as refusal:
            return admission.refuse(refusal, identity, reply)
        full = len(self._under_way) >= self._limits.in_flight
        if full and len(self._waiting) >= self._limits.waiting:
            return admission.refuse(self._overloaded(), identity, reply)
        if follow is not None:
            headers, reply = follow(identity, headers, now_ms, reply)
        submission = self._submission(
            target, request, headers, identity, key, now_ms, limit_ms, reply
        )
        if full or self._waiting:
            self._waiting.append(submission)
        else:
            self._under_way[identity] = submission
            self._publish(submission)
        return submission

    def ask(
        self,
        target: StreamedTarget,
        request: InferenceRequest,
        headers: Headers,
        identity: str,
        deadline_ms: float,
        reply: Reply,
    ) -> Ticket:
        """Have the request of a step that is a pipeline published, whatever else is in flight: its
        parent has a place already. ``identity`` is told from that of others like it."""
        now_ms = self.now_ms()
        identity = f"{identity}-{self._identities.next(now_ms)}"
        try:
            key = target.key_of(request, headers)
        except PenstockError as refusal:
            return self.admission.refuse(refusal, identity, reply)
        submission = self._submission(
            target, request, headers, identity, key, now_ms, deadline_ms - now_ms, reply
        )
        self._children[identity] = submission
        self._publish(submission)
        return submission

    def _submission(
        self,
        target: StreamedTarget,
        request: InferenceRequest,
        headers: Headers,
        identity: str,
        key: bytes,
        now_ms: float,
        limit_ms: float,
        reply: Reply,
    ) -> StreamedSubmission:
        """A request that ends when its time is over."""
        record = Record(
            identity,
            key or identity.encode(),
            target.name,
            0,
            _INPUTS,
            0,
            request.tensors or NO_TENSORS,
            request.parameters,
            {**headers, REPLY_TO_HEADER: self._replies.address},
            now_ms + limit_ms,
            request.id,
        )
        submission = StreamedSubmission(self, target, request, record, limit_ms, now_ms, reply)
        submission.timer = asyncio.get_running_loop().call_later(
            limit_ms / 1000.0, submission.expire
        )
        return submission

    def accept(
        self,
        target: StreamedTarget,
        request: InferenceRequest,
        headers: Headers,
        split: Split | None = None,
        follow: FollowTaken | None = None,
    ) -> AcceptedRequest:
        """Have a request published that nobody waits for; raises what refuses it. ``follow`` is as
        in :meth:`submit`; of ``split`` the record says what its worker counts."""
        admission = self.admission
        if not admission.is_open:
            raise admission.counted(admission.closed_error())
        try:
            key = target.admit(request, headers, asynchronous=True)
        except PenstockError as refusal:
            raise admission.counted(refusal) from None
        if self._posted >= self._limits.in_flight:
            raise admission.counted(self._overloaded())
        now_ms = self.now_ms()
        identity = self._identities.next(now_ms)
        partition = target.partition_of(key or identity.encode())
        identity = placed(identity, Whereabouts(target.name, partition))
        taken: Taken | None = None
        if follow is not None:
            headers, taken = follow(identity, headers, now_ms)
        beside = _beside(request, split)
        record = Record(
            identity,
            key or identity.encode(),
            target.name,
            0,
            _INPUTS,
            0,
            request.tensors or NO_TENSORS,
            request.parameters,
            {**headers, **beside} if beside else dict(headers),
            # Its time begins when a worker takes it up.
            float("inf"),
            request.id,
        )
        accepted = AcceptedRequest(
            self, target, request, headers, identity, now_ms, self._limits.deadline_ms, taken
        )
        self._posted += 1
        self._outbox.put(Output(target.inputs, record, partition), accepted)
        return accepted

    def posted(self) -> None:
        """A request that nobody waits for is taken in, or refused."""
        self._posted -= 1

    def leave(self, submission: StreamedSubmission) -> None:
        """A request has been answered; somebody else may come in."""
        if self._children.pop(submission.identity, None) is not None:
            return
        if self._under_way.pop(submission.identity, None) is None:
            self._waiting.remove(submission)
        while self._waiting and len(self._under_way) < self._limits.in_flight:
            following = self._waiting.popleft()
            self._under_way[following.identity] = following
            self._publish(following)
        if self._empty is not None and not self._under_way:
            self._empty.set()

    def _publish(self, submission: StreamedSubmission) -> None:
        target = submission.target
        record = submission.record
        self._outbox.put(Output(target.inputs, record, target.partition_of(record.key)), submission)

    def wait_for(self, identity: str) -> bool:
        """Whether somebody waits for the answer to a request."""
        return identity in self._under_way or identity in self._children

    def tell(self, answer: Record) -> None:
        """Give an answer to who waits for it, if somebody still does."""
        identity = answer.identity
        submission = self._under_way.get(identity) or self._children.get(identity)
        if submission is not None:
            submission.answered(answer)

    def _overloaded(self) -> OverloadedError:
        return at_intake(
            OverloadedError(
                f"{len(self._under_way)} requests are in flight and {len(self._waiting)} wait; "
                "send the request again later, or raise limits.inFlight"
            )
        )


class StreamedTarget(ServedTarget):
    """One version of a pipeline whose requests go through streams."""

    __slots__ = ("_intake", "inputs")

    def __init__(
        self, intake: StreamIntake, deployment: Deployment, signature: Signature | None
    ) -> None:
        plan = deployment.plan
        super().__init__(
            intake.admission,
            "pipeline",
            plan.name,
            plan.version,
            deployment=deployment,
            signature=signature,
        )
        self._intake = intake
        self.inputs = intake.names.of(plan.name, _INPUTS)

    def renewed(self) -> StreamedTarget:
        self.expire()
        assert self.deployment is not None, "it serves"
        return type(self)(self._intake, self.deployment, self.signature)

    def partition_of(self, key: bytes) -> int:
        """The number of the partition that a record's key decides."""
        assert self.deployment is not None, "it serves"
        return crc32(key) % self.deployment.plan.partitions

    def submit(
        self,
        request: InferenceRequest,
        headers: Headers,
        timeout_ms: float | None,
        reply: Reply,
    ) -> Ticket:
        return self._intake.submit(self, request, headers, timeout_ms, reply)

    def accept(
        self, request: InferenceRequest, headers: Headers, split: Split | None = None
    ) -> Ticket:
        return self._intake.accept(self, request, headers, split)


class StreamedSubmission(Ticket):
    """A request under way, and who waits for its answer."""

    __slots__ = (
        "_acknowledged",
        "_begun_ms",
        "_intake",
        "_limit_ms",
        "_reply",
        "record",
        "request",
        "target",
        "timer",
    )

    def __init__(
        self,
        intake: StreamIntake,
        target: StreamedTarget,
        request: InferenceRequest,
        record: Record,
        limit_ms: float,
        begun_ms: float,
        reply: Reply,
    ) -> None:
        self._intake = intake
        self.target = target
        self.request = request
        self.record = record
        self._limit_ms = limit_ms
        self._begun_ms = begun_ms
        self._reply: Reply | None = reply
        self._acknowledged = False
        self.timer: asyncio.TimerHandle | None = None

    @property
    def identity(self) -> str:
        return self.record.identity

    def cancel(self) -> None:
        # What is published is run all the same: nobody can be told, and its deadline ends it.
        self._end(CancelledRequestError("the caller went away before the answer was there"))

    def sent(self, written: Written) -> None:
        """The input stream has it."""
        self._acknowledged = True

    def refused(self, error: PenstockError) -> None:
        """The input stream does not have it."""
        self._end(error)

    def expire(self) -> None:
        """The caller's time is over, whatever has become of the request."""
        after = f"the deadline of {self._limit_ms:.0f} ms passed"
        if self._acknowledged:
            error: PenstockError = DeadlineError(
                f"{after} before a worker of pipeline '{self.target.name}' had the answer"
            )
        else:
            error = at_intake(
                NotReadyError(
                    f"{after} before the transport had taken the request; it is away or overloaded"
                )
            )
        self._end(error)

    def answered(self, record: Record) -> None:
        """A worker has the answer."""
        self._end(outcome_of(record, self.target, self.request))

    def _end(self, result: InferenceResponse | PenstockError) -> None:
        reply, self._reply = self._reply, None
        if reply is None:
            return
        if self.timer is not None:
            self.timer.cancel()
        self._intake.leave(self)
        deployment = self.target.deployment
        assert deployment is not None, "who is not ready takes nothing in"
        deployment.tally.count_answer(code_of(result), self._intake.now_ms() - self._begun_ms)
        try:
            reply(result)
        except Exception:
            # It must not raise; were it let through, others would lose their answers as well.
            _log.exception("the answer to request %s could not be given", self.identity)


class AcceptedRequest(Ticket):
    """A request that nobody waits for, on its way into its stream."""

    __slots__ = ("_future", "_intake", "_limit_ms", "_story", "_taken")

    def __init__(
        self,
        intake: StreamIntake,
        target: StreamedTarget,
        request: InferenceRequest,
        headers: Headers,
        identity: str,
        now_ms: float,
        limit_ms: float,
        taken: Taken | None = None,
    ) -> None:
        self._taken = taken
        self._intake = intake
        self._limit_ms = limit_ms
        self._future: asyncio.Future[PenstockError | None]
        self._future = asyncio.get_running_loop().create_future()
        self._story = Story(
            identity,
            target.name,
            int(target.version),
            request,
            headers,
            now_ms,
            float("inf"),
            asynchronous=True,
        )

    @property
    def identity(self) -> str:
        return self._story.identity

    async def accepted(self) -> Story | None:
        try:
            async with asyncio.timeout(self._limit_ms / 1000.0):
                error = await asyncio.shield(self._future)
        except TimeoutError:
            error = NotReadyError(
                f"the transport has not acknowledged the request within {self._limit_ms:.0f} ms; "
                f"it may be taken in all the same, as '{self.identity}'"
            )
        if error is not None:
            raise self._intake.admission.counted(error)
        return self._story

    def cancel(self) -> None:
        """It is run all the same."""

    def sent(self, written: Written) -> None:
        """The input stream has it."""
        self._end(None)

    def refused(self, error: PenstockError) -> None:
        """The input stream does not have it."""
        self._end(error)

    def _end(self, error: PenstockError | None) -> None:
        self._intake.posted()
        if self._taken is not None:
            self._taken(error)
        self._future.set_result(error)


def _beside(request: InferenceRequest, split: Split | None) -> dict[str, str]:
    """What the record of a request that nobody waits for says for who finishes it."""
    beside = {} if split is None else {ARMS_HEADER: split.text}
    wanted = wanted_text(request)
    if wanted is not None:
        beside[WANTED_HEADER] = wanted
    return beside


def outcome_of(
    record: Record, target: ServedTarget, request: InferenceRequest
) -> InferenceResponse | PenstockError:
    """What a caller gets for the record of the output stream."""
    body = record.body
    if isinstance(body, Failed):
        return error_of(body.code, body.reason, step=body.step)
    if isinstance(body, Absent):
        details = record.headers.get(DETAILS_HEADER)
        return NoOutputError(body.reason, details=() if details is None else orjson.loads(details))
    missing = record.headers.get(MISSING)
    names = () if missing is None else tuple(missing.split(", "))
    return target.response(request, body, names, str(record.version))
