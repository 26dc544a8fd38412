"""gRPC calls, passed on as bytes: one message each way, or streams of any shape."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import aclosing, contextmanager, suppress
from typing import Final, NamedTuple, NoReturn, cast

import grpc

from penstock.core.errors import (
    DeadlineError,
    LostError,
    NotReadyError,
    PenstockError,
    UnreachableError,
)
from penstock.core.experiments.fault import fault_of_error, fault_of_grpc
from penstock.core.forwarding.fork import Arm, Fork
from penstock.core.forwarding.pool import Pool
from penstock.core.forwarding.seat import Seat
from penstock.core.grpc_errors import never_connected, own_error, was_connected
from penstock.core.request_headers import ROUTE_HEADERS
from penstock.transports.embedded.grpc_asked import (
    ASKS_ONLY,
    ONE_ANSWER,
    GrpcAsked,
    Metadata,
    asked_of,
)
from penstock.transports.embedded.grpc_channels import GrpcChannels
from penstock.transports.embedded.passage import MOST_COPIES, Passage
from penstock.transports.embedded.upstream import Upstream
from penstock.transports.grpc.closing import Closing
from penstock.transports.grpc.errors import Context, fail
from penstock.transports.grpc.guard import Handler
from penstock.transports.grpc.message_limit import MessageLimit

FAULTS: Final = frozenset(
    (
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
        grpc.StatusCode.DEADLINE_EXCEEDED,
    )
)
"""Statuses that say that who answers is at fault: what 500 and over are in HTTP."""


class GrpcCalls(grpc.GenericRpcHandler):  # type: ignore[type-arg]  # generic in stubs only
    """Answers every method by asking somebody else."""

    def __init__(self, passage: Passage, channels: GrpcChannels, closing: Closing) -> None:
        self._passage = passage
        self._channels = channels
        self._closing = closing
        self._limit = MessageLimit(passage.context.max_request_bytes)
        self._refusing: Handler = grpc.stream_stream_rpc_method_handler(self._refuse)
        self._handlers = {method: self._unary(method) for method in ONE_ANSWER}

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Handler:
        """The handler of a call. Hot."""
        method = handler_call_details.method
        handler = self._handlers.get(method)
        if handler is None and self._closing.begun:
            return self._refusing
        return handler or self._stream(method)

    async def _refuse(self, _: object, context: Context) -> NoReturn:
        await self._closing.refusal()
        await fail(context, NotReadyError("the proxy is stopping; ask another one"))

    # One message each way

    def _unary(self, method: str) -> Handler:
        async def passed(data: bytes, context: Context) -> bytes:
            if self._closing.begun:
                await self._closing.refusal()  # it is answered all the same, and then
            with self._closing.call():
                call = _UnaryCall(self._passage, self._channels, method, data)
                failure: PenstockError | grpc.aio.AioRpcError
                try:
                    self._limit.check(data)
                    return await call.answer(context)
                except (PenstockError, grpc.aio.AioRpcError) as error:
                    failure = error
                return await _end_as(failure, call.told, context)

        return grpc.unary_unary_rpc_method_handler(passed)

    # Streams

    def _stream(self, method: str) -> Handler:
        async def passed(_: object, context: Context) -> AsyncIterator[bytes]:
            passage = self._passage
            failure: PenstockError | grpc.aio.AioRpcError
            with self._closing.call():
                try:
                    asked = asked_of(method, b"", context.invocation_metadata())
                    pool = passage.table.gateways
                    seat = await self._connected(pool, asked)
                    with _under_way(passage, pool), _in_flight(seat):
                        answers = self._answers(seat, method, asked, context)
                        async with aclosing(answers):
                            async for message in answers:
                                yield message
                        return
                except (PenstockError, grpc.aio.AioRpcError) as error:
                    failure = error
                await _end_as(failure, (), context)

        return grpc.stream_stream_rpc_method_handler(passed)

    async def _connected(self, pool: Pool, asked: GrpcAsked) -> Seat:
        """Who can be spoken to: a stream cannot be sent again."""
        passage = self._passage
        tried: list[Seat] = []
        last: PenstockError | None = None
        while True:
            seat = passage.pick(pool, asked.headers, tried)
            if seat is None:
                assert last is not None, "the first one has not been tried"
                raise last
            tried.append(seat)
            try:
                await self._channels.connect(_upstream(seat), passage.policy.connect_timeout_ms)
            except UnreachableError as error:
                pool.failed(seat, error.message, passage.now_ms())
                last = error
            else:
                return seat

    async def _answers(
        self, seat: Seat, method: str, asked: GrpcAsked, context: Context
    ) -> AsyncGenerator[bytes]:
        """What comes back of a stream; raises AioRpcError, PenstockError."""
        upstream = _upstream(seat)
        call = self._channels.stream(upstream, method)(
            self._closing.messages(context),
            metadata=asked.metadata,
            timeout=context.time_remaining(),
        )
        try:
            initial = cast(Metadata, tuple(await call.initial_metadata() or ()))
            if initial:
                await context.send_initial_metadata(initial)
            async for message in self._closing.until(aiter(call)):
                yield message
            if not self._closing.begun:
                trailing = cast(Metadata, tuple(await call.trailing_metadata() or ()))
                context.set_trailing_metadata(trailing)
        except grpc.aio.AioRpcError as error:
            raise _own_words(error, upstream, None) or error from None
        finally:
            call.cancel()


class _Answer(NamedTuple):
    """What one of those asked has answered."""

    message: bytes
    initial: Metadata
    trailing: Metadata


class _UnaryCall:
    """One call with one message each way; ``told`` is what the caller is told of its way."""

    def __init__(self, passage: Passage, channels: GrpcChannels, method: str, data: bytes) -> None:
        self._passage = passage
        self._channels = channels
        self._method = method
        self._data = data
        self._began_ms = passage.now_ms()
        self._until_ms = self._began_ms + passage.policy.timeout_ms
        self._metadata: Metadata = ()
        self._headers: Mapping[bytes, bytes] = {}
        self._tried: list[Seat] = []
        self.told: Metadata = ()

    async def answer(self, context: Context) -> bytes:
        """The answer. Raises AioRpcError as it came, PenstockError."""
        passage = self._passage
        left_s = context.time_remaining()
        if left_s is not None:
            self._until_ms = self._began_ms + left_s * 1000.0
        asked = asked_of(self._method, self._data, context.invocation_metadata())
        fork, arm = passage.route(asked)
        if arm is not None and arm.share.trail:
            self.told = tuple((name, arm.share.trail) for name in ROUTE_HEADERS)
        if fork is not None:
            self._copy(fork, asked)
        answer = await self._counted(asked, fork, arm)
        if answer.initial or self.told:
            await context.send_initial_metadata((*answer.initial, *self.told))
        if answer.trailing:
            context.set_trailing_metadata(answer.trailing)
        return answer.message

    async def _counted(self, asked: GrpcAsked, fork: Fork | None, arm: Arm | None) -> _Answer:
        """The answer, counted for its arm; a caller that goes away is no failure of anybody's."""
        fault: bool | None = False
        try:
            return await self._ask(asked, arm)
        except asyncio.CancelledError:
            fault = None
            raise
        except grpc.aio.AioRpcError as error:
            own = own_error(error)
            fault = fault_of_grpc(error.code().name, None if own is None else own.code)
            raise
        except PenstockError as error:
            fault = fault_of_error(error)
            raise
        finally:
            if fork is not None and arm is not None:
                took_ms = self._passage.now_ms() - self._began_ms
                self._passage.count(fork, arm, took_ms, fault)

    async def _ask(self, asked: GrpcAsked, arm: Arm | None) -> _Answer:
        """Ask one after the other, as long as that is safe."""
        passage = self._passage
        pool = passage.table.gateways if arm is None else arm.pool
        self._metadata = asked.written("" if arm is None else arm.share.target, pool.version)
        if len(pool.seats) > 1:
            self._headers = asked.headers
        hedge_ms = passage.policy.hedge_after_ms
        last: PenstockError | None = None
        with _under_way(passage, pool):
            while True:
                seat = self._next(pool)
                if seat is None:
                    assert last is not None, "the first one has not been tried"
                    raise last
                try:
                    if hedge_ms is None:
                        return await self._attempt(seat, pool)
                    return await self._hedged(seat, pool, hedge_ms)
                except LostError as error:
                    last = error
                if len(self._tried) > passage.policy.retries or not self._may_repeat(last):
                    raise last

    def _next(self, pool: Pool) -> Seat | None:
        """Who has not been asked yet."""
        seat = self._passage.pick(pool, self._headers, self._tried)
        if seat is not None:
            self._tried.append(seat)
        return seat

    def _may_repeat(self, error: PenstockError) -> bool:
        if isinstance(error, UnreachableError):
            return True
        return self._method in ASKS_ONLY and self._passage.budget.spend()

    async def _attempt(self, seat: Seat, pool: Pool) -> _Answer:
        """Ask one. Raises AioRpcError for what it says itself, PenstockError where it is silent."""
        passage, upstream = self._passage, _upstream(seat)
        left_s = (self._until_ms - passage.now_ms()) / 1000.0
        with _in_flight(seat):
            try:
                call = self._channels.unary(upstream, self._method)(
                    self._data, metadata=self._metadata, timeout=left_s
                )
                message: bytes = await call
            except UnreachableError as error:
                pool.failed(seat, error.message, passage.now_ms())
                raise
            except grpc.aio.AioRpcError as error:
                silent = _own_words(error, upstream, left_s)
                if silent is not None:
                    pool.failed(seat, silent.message, passage.now_ms())
                    raise silent from None
                pool.answered(seat, 500 if error.code() in FAULTS else 200, passage.now_ms())
                raise
            pool.answered(seat, 200, passage.now_ms())
        initial, trailing = await call.initial_metadata(), await call.trailing_metadata()
        return _Answer(message, tuple(initial or ()), tuple(trailing or ()))

    async def _hedged(self, seat: Seat, pool: Pool, after_ms: float) -> _Answer:
        """Ask one, and somebody else as well when its answer takes long: the quicker one counts."""
        asking: set[asyncio.Future[_Answer]] = {asyncio.ensure_future(self._attempt(seat, pool))}
        try:
            await asyncio.wait(asking, timeout=after_ms / 1000.0)
            if not any(each.done() for each in asking) and len(pool.seats) > len(self._tried):
                asking |= self._second(pool)
            while True:
                done, asking = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
                answered = [each for each in done if each.exception() is None]
                if answered or not asking:
                    return (answered or [*done])[0].result()
        finally:
            for each in asking:
                each.cancel()

    def _second(self, pool: Pool) -> set[asyncio.Future[_Answer]]:
        """Somebody else who is asked as well, if there is one and it is not too much."""
        if not self._passage.budget.spend():
            return set()
        with suppress(PenstockError):  # the first one goes on
            seat = self._next(pool)
            if seat is not None:
                return {asyncio.ensure_future(self._attempt(seat, pool))}
        return set()

    def _copy(self, fork: Fork, asked: GrpcAsked) -> None:
        passage = self._passage
        arm = fork.copied(passage.random())
        if arm is not None and passage.copies < MOST_COPIES:
            passage.copies += 1
            copy = _UnaryCall(passage, self._channels, self._method, self._data)
            passage.start(copy.ask_in_vain(asked, arm))

    async def ask_in_vain(self, asked: GrpcAsked, arm: Arm) -> None:
        """Ask as a copy, whose answer goes nowhere."""
        try:
            await self._ask(asked, arm)
        except (PenstockError, grpc.aio.AioRpcError):
            pass  # nobody waits for it
        finally:
            self._passage.copies -= 1


def _upstream(seat: Seat) -> Upstream:
    assert isinstance(seat.process, Upstream)
    return seat.process


@contextmanager
def _under_way(passage: Passage, pool: Pool) -> Iterator[None]:
    passage.begin(pool)
    try:
        yield
    finally:
        pool.under_way -= 1


@contextmanager
def _in_flight(seat: Seat) -> Iterator[None]:
    seat.process.in_flight += 1
    try:
        yield
    finally:
        seat.process.in_flight -= 1


def _own_words(
    error: grpc.aio.AioRpcError, upstream: Upstream, within_s: float | None
) -> PenstockError | None:
    """The error of a call that nobody answered; None where somebody has said what is wrong."""
    if own_error(error) is not None:
        return None
    where, said = upstream.endpoint.grpc, error.details() or ""
    if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED and within_s is not None:
        return DeadlineError(f"{where} gave no answer within {within_s * 1000.0:.0f} ms")
    if error.code() is not grpc.StatusCode.UNAVAILABLE:
        return None
    if never_connected(said):
        return UnreachableError(f"nobody answers at {where}: {said}")
    if was_connected(said):
        return LostError(
            f"{where} was sent the request and did not answer it ({said}); whether it was carried "
            "out is not known"
        )
    return None


async def _end_as(
    error: PenstockError | grpc.aio.AioRpcError, told: Metadata, context: Context
) -> NoReturn:
    """End a call as it has ended elsewhere, or with an error of ours."""
    if told:
        await context.send_initial_metadata(told)
    if isinstance(error, PenstockError):
        await fail(context, error)
    trailing = cast(Metadata, tuple(error.trailing_metadata() or ()))
    await context.abort(error.code(), error.details() or "", trailing)
