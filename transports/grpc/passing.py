"""Calls that another process behind the same address answers: passed on whole, message by
message."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from typing import Any, Final, TypeAlias, cast

import grpc

from penstock.core.codecs.protobuf import read_message
from penstock.core.contracts.elsewhere import Elsewhere, Peer, away, home_away, lost
from penstock.core.contracts.gateway import Target
from penstock.core.errors import PenstockError
from penstock.core.grpc_errors import own_error
from penstock.core.inference import InferenceRequest
from penstock.core.records import Headers
from penstock.proto import requests_pb2 as requests
from penstock.transports.grpc.closing import Closing
from penstock.transports.grpc.errors import Context, fail
from penstock.transports.grpc.guard import Handler

Metadata: TypeAlias = tuple[tuple[str, str | bytes], ...]
Here: TypeAlias = Callable[[bytes, Context], Any]

MOST_METADATA_BYTES: Final = 8 * 1024 * 1024
"""All problems of a large set of manifests come in the metadata of one answer."""

OPTIONS: Final = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.max_metadata_size", MOST_METADATA_BYTES),
    ("grpc.absolute_max_metadata_size", MOST_METADATA_BYTES),
    ("grpc.max_reconnect_backoff_ms", 500),
    ("grpc.enable_http_proxy", 0),
)

REQUESTS: Final = f"/{requests.DESCRIPTOR.services_by_name['Requests'].full_name}"
FETCH: Final = f"{REQUESTS}/Fetch"
FOLLOW: Final = f"{REQUESTS}/Follow"
SUBMIT: Final = f"{REQUESTS}/Submit"

OF_A_CONNECTION: Final = ("user-agent", "te", "content-type")


class CallsElsewhere:
    """Passes calls on to peers, over one connection to each."""

    def __init__(self, elsewhere: Elsewhere, closing: Closing) -> None:
        self._elsewhere = elsewhere
        self._closing = closing
        self._channels: dict[str, grpc.aio.Channel] = {}

    async def close(self) -> None:
        """Hang up."""
        for channel in self._channels.values():
            await channel.close(None)

    def to_scheduler(self, method: str) -> Handler:
        """The handler of a method that a worker has not got, of whatever shape."""

        async def passed(_: object, context: Context) -> AsyncIterator[bytes]:
            peer = self._elsewhere.scheduler
            with self._closing.call():
                messages = self._closing.messages(context)
                answers = self._answers(peer, method, messages, context, away)
                async with aclosing(answers):
                    async for message in answers:
                        yield message

        return grpc.stream_stream_rpc_method_handler(passed)

    def to_owner(self, handlers: Mapping[str, Handler]) -> Mapping[str, Handler]:
        """The handlers that tell of a request, of whoever has that."""
        return {
            FETCH: self._fetch(cast(Here, handlers[FETCH].unary_unary)),
            FOLLOW: self._follow(cast(Here, handlers[FOLLOW].unary_stream)),
        }

    def _fetch(self, here: Here) -> Handler:
        async def fetch(data: bytes, context: Context) -> bytes:
            peer = self._owner(requests.FetchRequest, data)
            if peer is None:
                answer: bytes = await here(data, context)
                return answer
            with self._closing.call():
                return await self._ask(peer, FETCH, data, context, lost(peer))

        return grpc.unary_unary_rpc_method_handler(fetch)

    def _follow(self, here: Here) -> Handler:
        async def follow(data: bytes, context: Context) -> AsyncIterator[bytes]:
            peer = self._owner(requests.FollowRequest, data)
            if peer is None:
                async for message in here(data, context):
                    yield message
                return
            with self._closing.call():
                answers = self._answers(peer, FOLLOW, _one(data), context, lost)
                async with aclosing(answers):
                    async for message in answers:
                        yield message

        return grpc.unary_stream_rpc_method_handler(follow)

    async def submit(
        self,
        target: Target,
        message: requests.SubmitRequest,
        request: InferenceRequest,
        headers: Headers,
        context: Context,
    ) -> requests.SubmitResponse | None:
        """Have a request that nobody waits for taken in where it has to be; None where that is
        here. Raises the PenstockError that refuses a request without a key."""
        home = self._elsewhere.home(target, request, headers)
        if home is None:
            return None
        data = message.SerializeToString()
        answer = await self._ask(home, SUBMIT, data, context, home_away(home))
        return read_message(requests.SubmitResponse, answer)

    async def _ask(
        self, peer: Peer, method: str, data: bytes, context: Context, away: PenstockError
    ) -> bytes:
        """The one answer of ``peer`` to the one message of a call, which ends as it ends there;
        with ``away`` where it does not answer."""
        call = self._channel(peer).unary_unary(method, None, None)(
            data, metadata=_metadata(context), timeout=context.time_remaining()
        )
        try:
            answer: bytes = await call
            context.set_trailing_metadata(tuple(await call.trailing_metadata()))
        except grpc.aio.AioRpcError as error:
            failure = error
        else:
            return answer
        await _fail_as(failure, context, away)
        raise AssertionError("a call that was ended goes on")

    def _owner(
        self, kind: type[requests.FetchRequest | requests.FollowRequest], data: bytes
    ) -> Peer | None:
        try:
            return self._elsewhere.who_has(read_message(kind, data).request)
        except PenstockError:
            return None  # it is refused here just so

    async def _answers(
        self,
        peer: Peer,
        method: str,
        messages: AsyncIterator[bytes],
        context: Context,
        gone_error: Callable[[Peer], PenstockError],
    ) -> AsyncGenerator[bytes]:
        """What a peer answers; ends the call as it has ended there."""
        call = self._method(peer, method)(
            messages, metadata=_metadata(context), timeout=context.time_remaining()
        )
        try:
            async for message in self._closing.until(aiter(call)):
                yield message
            return
        except grpc.aio.AioRpcError as error:
            failure = error
        finally:
            call.cancel()
        await _fail_as(failure, context, gone_error(peer))

    def _method(self, peer: Peer, method: str) -> Any:
        return self._channel(peer).stream_stream(method, None, None)

    def _channel(self, peer: Peer) -> grpc.aio.Channel:
        target = peer.grpc_target
        channel = self._channels.get(target)
        if channel is None:
            channel = self._channels[target] = grpc.aio.insecure_channel(target, OPTIONS)
        return channel


async def _one(data: bytes) -> AsyncIterator[bytes]:
    yield data


def _metadata(context: Context) -> Metadata:
    return tuple(
        (key, value)
        for key, value in context.invocation_metadata() or ()
        if key not in OF_A_CONNECTION and not key.startswith("grpc-")
    )


async def _fail_as(error: grpc.aio.AioRpcError, context: Context, away: PenstockError) -> None:
    """End a call as it has ended elsewhere."""
    if own_error(error) is None and error.code() is grpc.StatusCode.UNAVAILABLE:
        await fail(context, away)
    trailing = cast(Metadata, tuple(error.trailing_metadata() or ()))
    await context.abort(error.code(), error.details() or "", trailing)
