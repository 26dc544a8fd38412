"""The service ``penstock.requests.v1.Requests``: requests that nobody waits for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Final

import orjson

from penstock.core.codecs.protobuf import decode_request, encode_response
from penstock.core.contracts.gateway import Gateway
from penstock.core.errors import InvalidRequestError, PenstockError
from penstock.core.inference import InferenceResponse
from penstock.core.journal import InquiryDesk
from penstock.core.journal.events import events_of
from penstock.core.journal.story import LONGEST_WAIT_MS
from penstock.core.request_headers import IDENTITY_HEADER
from penstock.core.target_names import kind_taking_in
from penstock.proto import requests_pb2 as pb
from penstock.transports.grpc.closing import Closing
from penstock.transports.grpc.errors import Context, route_metadata
from penstock.transports.grpc.metadata import MetadataReader
from penstock.transports.grpc.passing import CallsElsewhere

_EVENTS: Final = {
    "record": pb.FollowResponse.EVENT_RECORD,
    "answer": pb.FollowResponse.EVENT_ANSWER,
    "end": pb.FollowResponse.EVENT_END,
}


class AsyncRequestCalls:
    """Every method may raise PenstockError."""

    def __init__(
        self,
        gateway: Gateway,
        desk: InquiryDesk,
        metadata: MetadataReader,
        count_refused: Callable[[str], None],
        closing: Closing,
        elsewhere: CallsElsewhere | None = None,
    ) -> None:
        self._elsewhere = elsewhere
        self._gateway = gateway
        self._desk = desk
        self._metadata = metadata
        self._count_refused = count_refused
        self._closing = closing

    async def submit(self, request: pb.SubmitRequest, context: Context) -> pb.SubmitResponse:
        """Submit; the target and what travels with the request are as with ModelInfer."""
        try:
            caller = self._metadata.read(context.invocation_metadata() or ())
            given = decode_request(request.request)
            name, version = given.model_name, given.model_version or None
            if caller.target is not None:
                name, version = caller.target, None
            target = self._gateway.resolve(name, kind=kind_taking_in(name), version=version)
        except PenstockError as error:
            self._count_refused(error.code)
            raise
        if self._elsewhere is not None:
            answer = await self._elsewhere.submit(target, request, given, caller.headers, context)
            if answer is not None:
                return answer
        ticket = target.accept(given, caller.headers)
        await ticket.accepted()
        identity = ticket.identity
        context.set_trailing_metadata(((IDENTITY_HEADER, identity),))
        return pb.SubmitResponse(request=identity)

    async def fetch(self, request: pb.FetchRequest, context: Context) -> pb.FetchResponse:
        """Fetch."""
        if not 0 <= request.wait_ms <= LONGEST_WAIT_MS:
            raise InvalidRequestError(f"wait_ms is {request.wait_ms}; it is 0 to {LONGEST_WAIT_MS}")
        story = await self._desk.find_story(request.request)
        beside = () if story.route is None else route_metadata(story.route)
        context.set_trailing_metadata(((IDENTITY_HEADER, story.identity), *beside))
        if not await story.answered(request.wait_ms):
            return pb.FetchResponse()
        if isinstance(story.result, PenstockError):
            story.result.route = story.route
            raise story.result
        assert story.result is not None, "it was answered"
        return pb.FetchResponse(response=encode_response(story.result))

    async def follow(
        self, request: pb.FollowRequest, context: Context
    ) -> AsyncIterator[pb.FollowResponse]:
        """Follow; ends when the server drains."""
        story = await self._desk.find_story(request.request)
        async for event in self._closing.until(events_of(story)):
            told = story.result if event.kind == "answer" else None
            yield pb.FollowResponse(
                event=_EVENTS[event.kind],
                document=orjson.dumps(event.document).decode(),
                response=encode_response(told) if isinstance(told, InferenceResponse) else None,
            )
