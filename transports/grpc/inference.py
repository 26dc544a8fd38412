"""ModelInfer and ModelStreamInfer: requests in, answers out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, NamedTuple

from penstock.core.codecs.protobuf import encode_response, parse_request, serialize_response
from penstock.core.contracts.gateway import Gateway, Ticket
from penstock.core.errors import NotReadyError, PenstockError
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.request_headers import IDENTITY_HEADER, MISSING, ROUTE
from penstock.proto.open_inference_pb2 import ModelInferResponse, ModelStreamInferResponse
from penstock.transports.grpc.answer import PendingAnswer
from penstock.transports.grpc.closing import Closing
from penstock.transports.grpc.errors import Context, defect, fail, route_metadata
from penstock.transports.grpc.message_limit import MessageLimit
from penstock.transports.grpc.metadata import CallerMetadata, MetadataReader
from penstock.transports.grpc.targets import TargetCache

STREAM_IN_FLIGHT: Final = 64
"""Requests of one stream under way; no more are read from it until one is answered."""


class Submitted(NamedTuple):
    """A request that has gone in."""

    ticket: Ticket
    answer: PendingAnswer


class InferenceCalls:
    """The methods that run models. Messages come and go as bytes, so that large contents are not
    copied by protobuf."""

    def __init__(
        self,
        gateway: Gateway,
        metadata: MetadataReader,
        count_refused: Callable[[str], None],
        closing: Closing,
        limit: MessageLimit,
    ) -> None:
        self._targets = TargetCache(gateway)
        self._metadata = metadata
        self._count_refused = count_refused
        self._closing = closing
        self._limit = limit

    async def infer(self, message: bytes, context: Context) -> bytes:
        """ModelInfer. Hot."""
        identity = ticket = None
        failure: PenstockError
        self._closing.enter()
        try:
            self._limit.check(message)
            caller = self._metadata.read(context.invocation_metadata() or ())
            ticket, answer = self._submit(parse_request(message), caller, context)
            result = await answer.of(ticket)
            # Where the request was passed on, its identity comes with the answer.
            identity = ticket.identity
            if not isinstance(result, PenstockError):
                context.set_trailing_metadata(_metadata_of(result, identity))
                return serialize_response(result)
            failure = result
        except PenstockError as error:
            failure = error
        except Exception as error:
            failure = defect(error, "ModelInfer")
        finally:
            self._closing.leave()
        if ticket is None:
            self._count_refused(failure.code)
        await fail(context, failure, identity)

    def _submit(
        self, request: InferenceRequest, caller: CallerMetadata, context: Context
    ) -> Submitted:
        if caller.target is None:
            version = request.model_version or caller.version
            target = self._targets.find(request.model_name, version)
        else:
            target = self._targets.find(caller.target, caller.version)
        timeout_ms = caller.timeout_ms
        remaining_s = context.time_remaining()
        if remaining_s is not None:
            remaining_ms = remaining_s * 1000.0
            timeout_ms = remaining_ms if timeout_ms is None else min(timeout_ms, remaining_ms)
        answer = PendingAnswer()
        return Submitted(target.submit(request, caller.headers, timeout_ms, answer), answer)

    async def stream_infer(self, messages: object, context: Context) -> None:
        """ModelStreamInfer: every message is a request, answered as soon as its answer is there.

        The ids tell which is which. An error answers its own request and does not end the stream;
        metadata and the deadline are the stream's.
        """
        places = asyncio.Semaphore(STREAM_IN_FLIGHT)
        writing = asyncio.Lock()
        try:
            caller = self._metadata.read(context.invocation_metadata() or ())
        except PenstockError as error:
            self._count_refused(error.code)
            await fail(context, error)

        async def answer_one(message: bytes) -> None:
            try:
                response = await self._stream_response(message, caller, context)
                async with writing:
                    await context.write(response)
            finally:
                places.release()

        with self._closing.call():
            async with asyncio.TaskGroup() as group:
                async for message in self._closing.messages(context):
                    await places.acquire()
                    group.create_task(answer_one(message))
        if self._closing.begun:
            await fail(context, NotReadyError("the server is stopping; open the stream again"))

    async def _stream_response(
        self, message: bytes, caller: CallerMetadata, context: Context
    ) -> bytes:
        request_id = ticket = None
        failure: PenstockError
        try:
            self._limit.check(message)
            request = parse_request(message)
            request_id = request.id
            ticket, answer = self._submit(request, caller, context)
            result = await answer.of(ticket)
            if not isinstance(result, PenstockError):
                return ModelStreamInferResponse(
                    infer_response=encode_response(result)
                ).SerializeToString()
            failure = result
        except PenstockError as error:
            failure = error
        except Exception as error:
            failure = defect(error, "ModelStreamInfer")
        if ticket is None:
            self._count_refused(failure.code)
        return ModelStreamInferResponse(
            error_message=failure.message,
            infer_response=ModelInferResponse(id=request_id or ""),
        ).SerializeToString()


def _metadata_of(result: InferenceResponse, identity: str) -> tuple[tuple[str, str], ...]:
    """What goes beside an answer."""
    found: tuple[tuple[str, str], ...] = ((IDENTITY_HEADER, identity),)
    if not result.parameters:
        return found
    missing, route = result.parameters.get(MISSING), result.parameters.get(ROUTE)
    if missing:
        found += ((MISSING, str(missing)),)
    if route:
        found += route_metadata(str(route))
    return found
