"""The gateway of a worker: requests whose home is another worker are passed on to it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import grpc

from penstock.core.client.inference import INFER_METHOD
from penstock.core.codecs.protobuf import parse_response, serialize_request
from penstock.core.contracts.gateway import (
    Gateway,
    IndexEntry,
    Reply,
    ServerMetadata,
    Target,
    TargetKind,
    TargetMetadata,
    Ticket,
)
from penstock.core.errors import (
    CancelledRequestError,
    DeadlineError,
    InternalError,
    LostError,
    OverloadedError,
    PenstockError,
    UnsupportedError,
)
from penstock.core.experiments.split import Split
from penstock.core.grpc_errors import own_error
from penstock.core.identity import Identities
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.journal.tap import Tap
from penstock.core.pipeline_gateway import PipelineGateway
from penstock.core.pipeline_gateway.target import ServedTarget
from penstock.core.records import Headers
from penstock.core.request_headers import IDENTITY_HEADER, TARGET_HEADERS, TIMEOUT_HEADER
from penstock.core.workers.doors import Door, Doors
from penstock.core.workers.homes import Homes

FIRST_BACKOFF_MS: Final = 50
LAST_BACKOFF_MS: Final = 500
"""How soon a worker that has ended is looked for again."""

OVERTIME_S: Final = 0.5
"""How much longer than the request has the answer is waited for, which is then its own error."""

CHANNEL_OPTIONS: Final = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.initial_reconnect_backoff_ms", FIRST_BACKOFF_MS),
    ("grpc.min_reconnect_backoff_ms", FIRST_BACKOFF_MS),
    ("grpc.max_reconnect_backoff_ms", LAST_BACKOFF_MS),
    ("grpc.enable_http_proxy", 0),
)

_log = logging.getLogger(__name__)


class PassedOn(NamedTuple):
    """The answer of another worker, and the identity that the request got there."""

    response: InferenceResponse
    identity: str


class HomedGateway(Gateway):
    """Answers for worker ``own`` with the gateway of its process, ``inner``, and passes on what has
    to be elsewhere. What other workers pass on must not come here, but to ``inner``.

    At most ``most`` requests are passed on at a time.
    """

    def __init__(
        self,
        inner: PipelineGateway,
        doors: Doors,
        own: int,
        identities: Identities,
        count_refused: Callable[[str], None],
        *,
        most: int,
        deadline_ms: float,
    ) -> None:
        self._inner = inner
        self._doors = doors
        self._own = own
        self._identities = identities
        self._count_refused = count_refused
        self._most = most
        self._deadline_ms = deadline_ms
        self._homes = Homes(doors.workers)
        self._changes = -1
        inner.experiments.find_with(self._candidate, self.ready)
        self._lines: dict[int, Line] = {}
        self._passing: set[asyncio.Task[PassedOn]] = set()

    async def close(self) -> None:
        """Give up what is passed on, and hang up."""
        for task in self._passing:
            task.cancel()
        if self._passing:
            await asyncio.wait(self._passing)
        for line in self._lines.values():
            await line.close()

    # Where requests have to be

    @property
    def changes(self) -> int:
        """Another number whenever homes may be others."""
        return self._inner.changes

    def home(
        self, target: ServedTarget, request: InferenceRequest, headers: Mapping[str, str]
    ) -> int | None:
        """The number of the other worker that a request has to be in; None where it may be here.

        Raises InvalidRequestError for a request that lacks its key.
        """
        home = self._homes.of(target.name, lambda: target.key_of(request, headers))
        return None if home == self._own else home

    def resolve(
        self, name: str, *, kind: TargetKind | None = None, version: str | None = None
    ) -> Target:
        if self._changes != self._inner.changes:
            self._homes.update(self._inner.plans())
            self._changes = self._inner.changes
        target = self._inner.resolve(name, kind=kind, version=version)
        return self._at_home(target) if isinstance(target, ServedTarget) else target

    def _at_home(self, target: ServedTarget) -> Target:
        return HomedTarget(target, self) if target.kind == "pipeline" else target

    def _candidate(self, kind: TargetKind, name: str) -> Target:
        return self._at_home(self._inner.served(kind, name))

    def pass_on(
        self,
        home: int,
        target: str,
        request: InferenceRequest,
        headers: Headers,
        timeout_ms: float | None,
        reply: Reply,
    ) -> Ticket:
        """Have another worker answer a request to a pipeline."""
        ticket = PassedOnTicket(self._identities.next())
        if len(self._passing) >= self._most:
            self._count_refused(OverloadedError.code)
            reply(
                OverloadedError(
                    f"{len(self._passing)} requests are under way that this process has passed on "
                    "to others; send the request again later, or raise limits.inFlight"
                )
            )
            return ticket
        limit_ms = self._deadline_ms
        if timeout_ms is not None and timeout_ms < limit_ms:
            limit_ms = timeout_ms
        asked = self._line(home).infer(target, request, headers, limit_ms)
        ticket.task = task = asyncio.create_task(asked, name=f"asking worker {home}")
        self._passing.add(task)
        task.add_done_callback(self._passing.discard)
        task.add_done_callback(lambda done: reply(ticket.outcome(done)))
        return ticket

    def _line(self, worker: int) -> Line:
        line = self._lines.get(worker)
        if line is None:
            line = self._lines[worker] = Line(self._doors.worker(worker))
        return line

    # What is asked of it

    def ready(self, target: Target) -> PenstockError | None:
        return self._inner.ready(_inner(target))

    def metadata(self, target: Target) -> TargetMetadata:
        return self._inner.metadata(_inner(target))

    def may_follow(self, tap: Tap) -> None:
        self._inner.may_follow(tap)

    def follow(self, tap: Tap) -> None:
        self._inner.follow(tap)

    def unfollow(self, tap: Tap) -> None:
        self._inner.unfollow(tap)

    def live(self) -> bool:
        return self._inner.live()

    def server_ready(self) -> bool:
        return self._inner.server_ready()

    def server_metadata(self) -> ServerMetadata:
        return self._inner.server_metadata()

    def repository_index(self, *, ready_only: bool) -> list[IndexEntry]:
        return self._inner.repository_index(ready_only=ready_only)


class HomedTarget(Target):
    """A pipeline as a worker serves it: here, or in the worker where a request has to be."""

    __slots__ = ("_changes", "_gateway", "inner")

    def __init__(self, inner: ServedTarget, gateway: HomedGateway) -> None:
        self.inner = inner
        self._gateway = gateway
        self._changes = gateway.changes

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def current(self) -> bool:
        # Another pipeline that comes may have to be in one process with this one.
        return self.inner.current and self._changes == self._gateway.changes

    def submit(
        self,
        request: InferenceRequest,
        headers: Headers,
        timeout_ms: float | None,
        reply: Reply,
    ) -> Ticket:
        try:
            home = self._gateway.home(self.inner, request, headers)
        except PenstockError:
            home = None  # it is refused here just so
        if home is None:
            return self.inner.submit(request, headers, timeout_ms, reply)
        target = f"{self.inner.name}.pipeline"
        return self._gateway.pass_on(home, target, request, headers, timeout_ms, reply)

    def accept(
        self, request: InferenceRequest, headers: Headers, split: Split | None = None
    ) -> Ticket:
        if self._gateway.home(self.inner, request, headers) is not None:
            raise UnsupportedError(
                f"an experiment chose pipeline '{self.name}', which has to have this request in "
                "another worker, and that cannot be for one that nobody waits for; send it to the "
                "pipeline itself"
            )
        return self.inner.accept(request, headers, split)


class PassedOnTicket(Ticket):
    """A request that another worker answers; the identity is the one that it has there, as soon as
    that is known."""

    __slots__ = ("_identity", "task")

    def __init__(self, identity: str) -> None:
        self._identity = identity
        self.task: asyncio.Task[PassedOn] | None = None

    @property
    def identity(self) -> str:
        return self._identity

    def cancel(self) -> None:
        if self.task is not None:
            self.task.cancel()

    def outcome(self, task: asyncio.Task[PassedOn]) -> InferenceResponse | PenstockError:
        """What has come of it."""
        if task.cancelled():
            return CancelledRequestError("the caller went away")
        error = task.exception()
        if error is None:
            response, self._identity = task.result()
            return response
        if isinstance(error, PenstockError):
            return error
        _log.error("a request could not be passed on", exc_info=error)
        return InternalError("the request could not be passed on, by a defect of Penstock")


class Line:
    """One connection to another worker. A worker that is being started again is waited for."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._channel = grpc.aio.insecure_channel(door.grpc_target, CHANNEL_OPTIONS)
        self._infer: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]
        self._infer = self._channel.unary_unary(INFER_METHOD, None, None)

    async def infer(
        self, target: str, request: InferenceRequest, headers: Headers, limit_ms: float
    ) -> PassedOn:
        """The answer, and the identity that the request got. Raises PenstockError."""
        metadata = (
            *headers.items(),
            (TARGET_HEADERS[0], target),
            (TIMEOUT_HEADER, f"{max(limit_ms, 0.001):.3f}"),
        )
        call = self._infer(
            serialize_request(request),
            timeout=limit_ms / 1000.0 + OVERTIME_S,
            metadata=metadata,
            wait_for_ready=True,
        )
        try:
            answer = await call
            trailing = await call.trailing_metadata()
        except grpc.aio.AioRpcError as error:
            raise own_error(error) or self._failure(error, limit_ms) from error
        identity = next((str(value) for key, value in trailing if key == IDENTITY_HEADER), "")
        return PassedOn(parse_response(answer), identity)

    async def close(self) -> None:
        """Hang up."""
        await self._channel.close(None)

    def _failure(self, error: grpc.aio.AioRpcError, limit_ms: float) -> PenstockError:
        name = self._door.name
        if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
            return DeadlineError(
                f"the deadline of {limit_ms:.0f} ms passed while the request waited for {name}, "
                "which is its home"
            )
        return LostError(
            f"{name}, where the request had to be, went away before the answer was there "
            f"({error.details()}); whether it did what was asked is not known"
        )


def _inner(target: Target) -> Target:
    """As the gateway of the process knows it."""
    return target.inner if isinstance(target, HomedTarget) else target
