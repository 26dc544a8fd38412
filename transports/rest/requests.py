"""Requests that nobody waits for, and what is known of any request, over REST.

``/v2/pipelines/{pipeline}/requests`` takes one in and answers with its address at once; there its
answer can be fetched, waited for, or followed as server-sent events. ``/v1/requests`` and
``/v1/deadletters`` are for whoever wants to see what happened.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator
from typing import Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from penstock.core.codecs.json import decode_request, encode_response
from penstock.core.contracts.elsewhere import Elsewhere
from penstock.core.contracts.inquiries import Document, Inquiries, Search
from penstock.core.errors import InvalidRequestError, NotFoundError, PenstockError
from penstock.core.inference import InferenceRequest
from penstock.core.journal import InquiryDesk, Story
from penstock.core.journal.documents import summary, summary_of
from penstock.core.journal.events import events_of
from penstock.core.journal.story import LONGEST_WAIT_MS
from penstock.core.request_headers import ROUTE_HEADERS
from penstock.core.target_names import kind_taking_in
from penstock.transports.rest.answer import (
    Answer,
    error_answer,
    headers_beside,
    route_headers,
)
from penstock.transports.rest.body import read_body
from penstock.transports.rest.call import InferenceService
from penstock.transports.rest.caller import (
    REQUEST_ID,
    HeaderMap,
    check_media_type,
    json_length_of,
)
from penstock.transports.rest.errors import GoneError
from penstock.transports.rest.event_stream import EVENT_STREAM, event, event_response
from penstock.transports.rest.inference import ERRORS, HEADERS, REQUEST, RESPONSE
from penstock.transports.rest.json_response import JsonAnswer
from penstock.transports.rest.operation import Content, Operation, Parameter, served_by
from penstock.transports.rest.origins import Origins
from penstock.transports.rest.passing import PassedOnResponse, passed_to_owner
from penstock.transports.rest.queries import moment_ms, number
from penstock.transports.rest.schemas import ref
from penstock.transports.rest.tap import TapStreams

CASE_TYPE: Final = "application/zip"

_IDENTITY_LENGTH: Final = 26
_REQUEST: Final = "/v2/requests/{request}"
_LETTER: Final = "/v1/deadletters/{number}"
_PIPELINE: Final = Parameter("pipeline", "query", "Only of this one.", {"type": "string"})
_READER: Final = Parameter(
    "pipeline",
    "query",
    "In which pipeline, where others read the one that was called; that one when left out.",
    {"type": "string"},
)
_LIMIT: Final = Parameter(
    "limit",
    "query",
    "How many at most.",
    {"type": "integer", "minimum": 1, "maximum": 1000, "default": 20},
)


class Requests:
    """Takes requests in, and tells of them."""

    def __init__(
        self,
        service: InferenceService,
        desk: InquiryDesk,
        inquiries: Inquiries,
        origins: Origins,
        elsewhere: Elsewhere | None = None,
    ) -> None:
        self._elsewhere = elsewhere
        self._service = service
        self._origins = origins
        self._desk = desk
        self._inquiries = inquiries
        self._closing = asyncio.Event()

    def operations(self) -> list[Operation]:
        """What is served here, with what the OpenAPI document says of it."""
        served = self._operations()
        elsewhere = self._elsewhere
        if elsewhere is None:
            return served
        return [
            passed_to_owner(each, elsewhere) if each.path.startswith(_REQUEST) else each
            for each in served
        ]

    def _operations(self) -> list[Operation]:
        accepted = Content.json("It is at work", ref("RequestSummary"))
        return [
            Operation(
                "POST",
                "/v2/pipelines/{pipeline}/requests",
                "submitRequest",
                "Hand a request to a pipeline and come back for its answer later",
                "V2",
                served_by(self.submit),
                Content(
                    "It was taken in; Location is where its answer will be",
                    accepted.media,
                    {"location": "Where its answer will be."},
                ),
                ("invalid-request", "not-found", "overloaded", "unsupported", "not-ready"),
                HEADERS,
                REQUEST,
                media_checked=True,
                status=202,
            ),
            Operation(
                "GET",
                _REQUEST,
                "getAnswer",
                "The answer to a request, as the call itself would have had it",
                "V2",
                served_by(self.answer),
                RESPONSE,
                ERRORS,
                (
                    Parameter(
                        "wait",
                        "query",
                        "So many milliseconds for it to be there, instead of 202 at once.",
                        {
                            "type": "integer",
                            "minimum": 0,
                            "maximum": LONGEST_WAIT_MS,
                            "default": 0,
                        },
                    ),
                    _READER,
                ),
                also={202: accepted, GoneError.status: Content.json("Gone", ref("Error"))},
            ),
            Operation(
                "GET",
                f"{_REQUEST}/events",
                "followRequest",
                "What happens to a request, as server-sent events, up to its end",
                "V2",
                served_by(self.events),
                Content(
                    "Events record, answer and end; data is a record, and twice a summary",
                    {EVENT_STREAM: {}},
                ),
                ("not-found", "not-ready"),
                (_READER,),
                also={GoneError.status: Content.json("Gone", ref("Error"))},
            ),
            Operation(
                "GET",
                "/v1/requests",
                "listRequests",
                "Requests that are remembered, the latest first",
                "Requests",
                served_by(self.list),
                Content.json("The requests", ref("RequestSummaries")),
                ("invalid-request",),
                (
                    _PIPELINE,
                    Parameter(
                        "outcome",
                        "query",
                        "ok, failed (any error), open (no answer yet), or the code of an error.",
                        {"type": "string"},
                    ),
                    Parameter(
                        "since",
                        "query",
                        "Only what came in from then on.",
                        {"type": "string", "format": "date-time"},
                    ),
                    Parameter(
                        "until",
                        "query",
                        "Only what came in up to then.",
                        {"type": "string", "format": "date-time"},
                    ),
                    Parameter(
                        "x_request_id",
                        "query",
                        "Only what came with this x-request-id.",
                        {"type": "string"},
                    ),
                    _LIMIT,
                ),
            ),
            Operation(
                "GET",
                "/v1/requests/{request}",
                "inspectRequest",
                "Everything that is known of a request",
                "Requests",
                served_by(self.inspect),
                Content.json("The request, port by port", ref("RequestStory")),
                ("not-found",),
                takes_slashes=True,
            ),
            Operation(
                "GET",
                "/v1/deadletters",
                "listDeadLetters",
                "Failures that no caller was told of, the latest first",
                "Requests",
                served_by(self.letters),
                Content.json("The dead letters", ref("DeadLetters")),
                ("invalid-request",),
                (_PIPELINE, _LIMIT),
            ),
            Operation(
                "GET",
                _LETTER,
                "getDeadLetter",
                "One dead letter",
                "Requests",
                served_by(self.letter),
                Content.json("The dead letter", ref("DeadLetter")),
                ("invalid-request", "not-found"),
            ),
            Operation(
                "POST",
                f"{_LETTER}/send",
                "sendDeadLetter",
                "Send the request of a dead letter again; the letter goes",
                "Requests",
                served_by(self.send),
                Content.json("The new request", ref("RequestSummary")),
                (
                    "invalid-request",
                    "not-found",
                    "conflict",
                    "overloaded",
                    "not-ready",
                    "forbidden",
                    "unsupported",
                ),
                status=202,
            ),
            Operation(
                "GET",
                "/v1/cases/{request}",
                "exportRequest",
                "A request as a file: its manifests and every port, with contents as they were",
                "Requests",
                served_by(self.case),
                Content("A file of the kind .penstock", {CASE_TYPE: {}}),
                ("not-found", "unsupported"),
                takes_slashes=True,
            ),
            *TapStreams(self._inquiries, self._closing).operations(),
        ]

    def close(self) -> None:
        """End every stream of events."""
        self._closing.set()

    async def submit(self, request: Request) -> Response:
        """Take a request in."""
        service = self._service
        found: HeaderMap = dict(reversed(request.headers.raw))
        try:
            caller = service.callers.read(found)
            name = request.path_params["pipeline"]
            address = service.addresses.called(name, kind=kind_taking_in(name), version="")
            check_media_type(found)
            target = address.target()
            body = await read_body(request.receive, found, service.max_request_bytes)
            given = decode_request(
                body,
                header_length=json_length_of(found),
                max_json_bytes=service.max_request_bytes,
                model_name=address.name,
                model_version=address.version,
            )
        except PenstockError as error:
            service.count_refused(error.code)
            raise
        if self._elsewhere is not None:
            home = self._elsewhere.home(target, given, caller.headers)
            if home is not None:
                return PassedOnResponse(home, body)
        ticket = target.accept(given, caller.headers)
        story = await self._desk.accepted(ticket)
        return _at_work(summary(story), found.get(REQUEST_ID), story.route)

    async def answer(self, request: Request) -> Response:
        """The answer, if it is there in time."""
        story = await self._kept(request)
        text = request.query_params.get("wait", "0")
        wait_ms = number(text, "the query parameter wait", LONGEST_WAIT_MS)
        if await story.answered(wait_ms):
            return _as_called(story)
        return _at_work(summary(story), None, story.route)

    async def events(self, request: Request) -> Response:
        """Follow a request to its end."""
        return event_response(_told(await self._kept(request)), self._closing)

    async def list(self, request: Request) -> Response:
        """Requests, the latest first."""
        query = request.query_params
        search = Search(
            query.get("pipeline"),
            query.get("outcome"),
            moment_ms(query.get("since"), "since", 0.0),
            moment_ms(query.get("until"), "until", math.inf),
            query.get("x_request_id"),
            _limit(request),
        )
        requests = await self._inquiries.find(search)
        return JsonAnswer({"requests": requests})

    async def inspect(self, request: Request) -> Response:
        """Everything about one request."""
        return JsonAnswer(await self._inquiries.inspect(request.path_params["request"]))

    async def case(self, request: Request) -> Response:
        """A request as a file."""
        identity = request.path_params["request"]
        name = f"{identity.replace('/', '-')}.penstock"
        headers = {"content-disposition": f"attachment; filename*=UTF-8''{quote(name)}"}
        case = await self._inquiries.export(identity)
        return Response(case, media_type=CASE_TYPE, headers=headers)

    async def letters(self, request: Request) -> Response:
        """Dead letters, the latest first."""
        pipeline = request.query_params.get("pipeline")
        letters = await self._inquiries.letters(pipeline=pipeline, most=_limit(request))
        return JsonAnswer({"dead_letters": letters})

    async def letter(self, request: Request) -> Response:
        """One dead letter."""
        return JsonAnswer(await self._inquiries.letter(_letter_number(request)))

    async def send(self, request: Request) -> Response:
        """Send the request of a dead letter again."""
        self._origins.check(request)
        identity = await self._inquiries.send_again(_letter_number(request))
        return _at_work(summary_of(await self._inquiries.inspect(identity)), None)

    async def _kept(self, request: Request) -> Story:
        identity = request.path_params["request"]
        try:
            return await self._desk.find_story(identity, request.query_params.get("pipeline"))
        except NotFoundError as error:
            own = identity.partition(".")[0]
            if len(own) == _IDENTITY_LENGTH and own.isalnum():
                raise GoneError(f"request '{identity}' is no longer kept, or never was") from error
            raise


async def _told(story: Story) -> AsyncGenerator[bytes]:
    async for told in events_of(story):
        yield event(told.kind, told.document)


def _at_work(told: Document, request_id: bytes | None, route: str | None = None) -> Response:
    identity = told["id"]
    headers = {"location": f"/v2/requests/{identity}", "penstock-request": identity}
    if request_id is not None:
        headers["x-request-id"] = request_id.decode("latin-1")
    if route is not None:
        headers.update(dict.fromkeys(ROUTE_HEADERS, route))
    return JsonAnswer(told, 202, headers)


def _as_called(story: Story) -> Response:
    """The answer as the caller would have had it."""
    result = story.result
    request_id = story.headers.get("x-request-id")
    own = None if request_id is None else request_id.encode("latin-1", "replace")
    answer: Answer
    if isinstance(result, PenstockError):
        result.route = story.route
        answer = error_answer(result, story.identity, own)
    else:
        assert result is not None, "who is answered has a result"
        request: InferenceRequest = story.request
        json, buffers = encode_response(result, request)
        beside = headers_beside(result) or []
        if story.route is not None:
            beside = beside + route_headers(story.route)
        answer = Answer(200, json, buffers, story.identity, own, beside)
    response = Response(b"".join((answer.json, *answer.buffers)), answer.status)
    response.raw_headers = answer.headers()
    return response


def _limit(request: Request) -> int:
    text = request.query_params.get("limit", "20")
    limit = number(text, "the query parameter limit", 1000)
    if not limit:
        raise InvalidRequestError("the query parameter limit is 0; it is 1 to 1000")
    return limit


def _letter_number(request: Request) -> int:
    return number(request.path_params["number"], "the number of a dead letter", 2**63 - 1)
