"""The server's log as server-sent events: ``/v1/logs``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from starlette.requests import Request
from starlette.responses import Response

from penstock.core.errors import NotReadyError
from penstock.core.log_ring import ABOUT, LEVELS, LogQuery, LogRing, Told
from penstock.transports.rest.event_stream import EVENT_STREAM, event, event_response
from penstock.transports.rest.operation import Content, Operation, Parameter, served_by
from penstock.transports.rest.queries import flag, moment_ms


class LogStreams:
    """Streams of lines; they end when ``closing`` is set."""

    def __init__(self, ring: LogRing, closing: asyncio.Event) -> None:
        self._ring = ring
        self._closing = closing

    def operations(self) -> list[Operation]:
        """What is served here, with what the OpenAPI document says of it."""
        return [
            Operation(
                "GET",
                "/v1/logs",
                "readLogs",
                "The latest lines of the server's log, the oldest first",
                "Control plane",
                served_by(self.logs),
                Content(
                    "Events record and lost; data of record is a line, of lost how many lines "
                    "were not read in time, or are no longer kept",
                    {EVENT_STREAM: {}},
                ),
                ("invalid-request", "not-found", "not-ready"),
                (
                    Parameter(
                        "kind",
                        "query",
                        "Only lines about one of these.",
                        {"type": "string", "enum": list(ABOUT)},
                    ),
                    Parameter(
                        "name",
                        "query",
                        "Only lines about the one of that name; for a server, its replicas too.",
                        {"type": "string"},
                    ),
                    Parameter(
                        "level",
                        "query",
                        "Only lines that weigh that much.",
                        {"type": "string", "enum": list(LEVELS)},
                    ),
                    Parameter(
                        "since",
                        "query",
                        "Only lines from then on.",
                        {"type": "string", "format": "date-time"},
                    ),
                    Parameter(
                        "follow",
                        "query",
                        "Go on with what is logged from now on.",
                        {"type": "boolean", "default": False},
                    ),
                ),
            )
        ]

    async def logs(self, request: Request) -> Response:
        """Begin a stream."""
        if self._closing.is_set():
            raise NotReadyError("the server is stopping; ask another one")
        query = request.query_params
        asked = LogQuery.read(
            query.get("kind"),
            query.get("name"),
            moment_ms(query.get("since"), "since", 0.0),
            query.get("level"),
        )
        lines = self._ring.read(asked, follow=flag(query, "follow"))
        return event_response(_events(lines), self._closing)


async def _events(lines: AsyncGenerator[Told]) -> AsyncGenerator[bytes]:
    async with aclosing(lines):
        async for told in lines:
            if told.record is None:
                yield event("lost", {"lost": told.lost})
            else:
                yield event("record", told.record)
