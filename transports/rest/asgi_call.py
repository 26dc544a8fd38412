"""Inference as a plain ASGI application: for unusual requests, and under any ASGI server."""

from __future__ import annotations

import asyncio

from starlette.types import Receive, Scope, Send

from penstock.core.contracts.gateway import TargetKind
from penstock.core.errors import PenstockError
from penstock.transports.rest.addresses import Address
from penstock.transports.rest.answer import Answer, HeaderList, error_answer
from penstock.transports.rest.body import CallerGoneError, read_body
from penstock.transports.rest.call import InferenceCall, InferenceService
from penstock.transports.rest.caller import (
    REQUEST_ID,
    Caller,
    HeaderMap,
    check_media_type,
    json_length_of,
)
from penstock.transports.rest.errors import defect


class AsgiCall(InferenceCall):
    """A call whose answer is awaited."""

    __slots__ = ("answer",)

    def __init__(
        self,
        service: InferenceService,
        address: Address,
        caller: Caller,
        json_length: int | None,
    ) -> None:
        super().__init__(service, address, caller, json_length)
        self.answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

    def send(self, answer: Answer) -> None:
        if not self.answer.done():
            self.answer.set_result(answer)


class InferenceApp:
    """Answers requests of inference for one kind of path.

    ``parameter`` is the path parameter that holds the name, ``kind`` what it names (None: a model,
    else a pipeline); the path parameter ``version`` may be missing.
    """

    def __init__(self, service: InferenceService, parameter: str, kind: TargetKind | None) -> None:
        self._service = service
        self._parameter = parameter
        self._kind = kind

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        found: HeaderMap = dict(reversed(scope["headers"]))
        try:
            answer = await self._answer(scope, found, receive)
        except CallerGoneError:
            return
        except Exception as error:
            failure = error if isinstance(error, PenstockError) else defect(error, "inference")
            self._service.count_refused(failure.code)
            answer = error_answer(failure, None, found.get(REQUEST_ID))
        headers = answer.headers()
        if not self._service.intake.open and scope["http_version"].startswith("1"):
            headers.append((b"connection", b"close"))
        await _send_answer(answer, headers, send)

    async def _answer(self, scope: Scope, found: HeaderMap, receive: Receive) -> Answer:
        service = self._service
        caller = service.callers.read(found)
        parameters = scope["path_params"]
        if caller.target is not None:
            address = service.addresses.in_header(caller.target, caller.version)
        else:
            address = service.addresses.called(
                parameters[self._parameter],
                kind=self._kind,
                version=parameters.get("version", caller.version),
            )
        check_media_type(found)
        call = AsgiCall(service, address, caller, json_length_of(found))
        address.target()
        call.begin(await read_body(receive, found, service.max_request_bytes))
        if not call.answer.done():
            await _answered_or_gone(call, receive)
        return call.answer.result()


async def _answered_or_gone(call: AsgiCall, receive: Receive) -> None:
    """Wait for the answer; raises CallerGoneError when the caller does not."""
    gone = asyncio.ensure_future(_disconnected(receive))
    try:
        await asyncio.wait((call.answer, gone), return_when=asyncio.FIRST_COMPLETED)
    finally:
        gone.cancel()
        if not call.answer.done():
            call.abandon()
    if not call.answer.done():
        raise CallerGoneError


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send_answer(answer: Answer, headers: HeaderList, send: Send) -> None:
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    more = bool(answer.buffers)
    await send({"type": "http.response.body", "body": answer.json, "more_body": more})
    if more:
        body = b"".join(answer.buffers)
        await send({"type": "http.response.body", "body": body, "more_body": False})
