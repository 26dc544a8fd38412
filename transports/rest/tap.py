"""The tap as server-sent events: ``/v1/tap/{port}``, where the port is written as others read it:
``credit``, ``credit.inputs.x``, ``credit.step.forest.outputs.proba``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from penstock.core.contracts.inquiries import Begin, Inquiries, Tapped, checked_begin
from penstock.core.errors import NotReadyError
from penstock.core.journal.tap import STATES
from penstock.transports.rest.event_stream import EVENT_STREAM, event, event_response
from penstock.transports.rest.operation import Content, Operation, Parameter, served_by
from penstock.transports.rest.queries import flag, moment_ms, number


class TapStreams:
    """Streams of records; they end when the server drains, which ``closing`` tells."""

    def __init__(self, inquiries: Inquiries, closing: asyncio.Event) -> None:
        self._inquiries = inquiries
        self._closing = closing

    def operations(self) -> list[Operation]:
        """What is served here, with what the OpenAPI document says of it."""
        return [
            Operation(
                "GET",
                "/v1/tap/{port}",
                "tapPort",
                "The records of a port as they come, of requests that come in from now on or since",
                "Requests",
                served_by(self.tap),
                Content(
                    "Events open, record, lost and error; data of record is a record with the "
                    "request that it is of, of lost how many were not read in time, of error an "
                    "error's body",
                    {EVENT_STREAM: {}},
                ),
                ("invalid-request", "not-found", "not-ready", "unsupported"),
                (
                    Parameter(
                        "everything",
                        "query",
                        "Every port of the pipeline that port names.",
                        {"type": "boolean", "default": False},
                    ),
                    Parameter(
                        "state",
                        "query",
                        "Only records in this state.",
                        {"type": "string", "enum": list(STATES)},
                    ),
                    Parameter(
                        "limit",
                        "query",
                        "End after so many records; 0 means never.",
                        {"type": "integer", "minimum": 0, "default": 0},
                    ),
                    Parameter(
                        "since",
                        "query",
                        "Begin with records from then on; this and what follows over a transport "
                        "that keeps streams.",
                        {"type": "string", "format": "date-time"},
                    ),
                    Parameter(
                        "offset",
                        "query",
                        "Begin with this offset of each partition.",
                        {"type": "integer", "minimum": 0},
                    ),
                    Parameter(
                        "partition", "query", "Only this one.", {"type": "integer", "minimum": 0}
                    ),
                ),
            )
        ]

    async def tap(self, request: Request) -> Response:
        """Begin a stream."""
        if self._closing.is_set():
            raise NotReadyError("the server is stopping; follow another one")
        query = request.query_params
        tapped = await self._inquiries.tap(
            request.path_params["port"],
            everything=flag(query, "everything"),
            state=query.get("state"),
            most=number(query.get("limit", "0"), "the query parameter limit", 2**31 - 1),
            begin=_begin(query),
        )
        return event_response(_events(tapped), self._closing)


def _begin(query: QueryParams) -> Begin:
    def whole(name: str) -> int | None:
        text = query.get(name)
        return None if text is None else number(text, f"the query parameter {name}", 2**31 - 1)

    since = query.get("since")
    since_ms = None if since is None else moment_ms(since, "since", 0.0)
    return checked_begin(since_ms, whole("offset"), whole("partition"))


async def _events(tapped: AsyncGenerator[Tapped]) -> AsyncGenerator[bytes]:
    async with aclosing(tapped):
        async for told in tapped:
            yield event(told.kind, told.document)
