"""The watch of resources as server-sent events: ``/v1/watch``.

Each change is an event whose ``id`` is its revision, so that a client that comes back with
``Last-Event-ID``, as browsers do by themselves, goes on where it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from starlette.requests import Request
from starlette.responses import Response

from penstock.core.contracts.control import ControlPlane, WatchEvent
from penstock.core.errors import NotReadyError
from penstock.transports.rest.event_stream import EVENT_STREAM, event, event_response
from penstock.transports.rest.operation import Content, Operation, Parameter, served_by
from penstock.transports.rest.queries import revision


class Watch:
    """Streams of changes; they end when the server drains."""

    def __init__(self, control: ControlPlane) -> None:
        self._control = control
        self._closing = asyncio.Event()

    def operations(self) -> list[Operation]:
        """What is served here, with what the OpenAPI document says of it."""
        return [
            Operation(
                "GET",
                "/v1/watch",
                "watchResources",
                "What there is, then every change as it happens, as server-sent events",
                "Control plane",
                served_by(self.watch),
                Content(
                    "Events put, deleted and error; data is a resource, of error an error's body",
                    {EVENT_STREAM: {}},
                ),
                ("invalid-request", "not-found", "not-ready"),
                (
                    Parameter("kind", "query", "Only of this kind.", {"type": "string"}),
                    Parameter(
                        "from_revision",
                        "query",
                        "The revision of the last event that is known; 0 begins with what is.",
                        {"type": "integer", "minimum": 0, "default": 0},
                    ),
                    Parameter(
                        "last-event-id",
                        "header",
                        "As from_revision, and before it.",
                        {"type": "integer", "minimum": 0},
                    ),
                ),
            )
        ]

    def close(self) -> None:
        """End every stream."""
        self._closing.set()

    async def watch(self, request: Request) -> Response:
        """Begin a stream."""
        if self._closing.is_set():
            raise NotReadyError("the server is stopping; watch another one")
        kind = request.query_params.get("kind")
        text = request.query_params.get("from_revision", "0")
        start = revision(text, "the query parameter from_revision")
        last = request.headers.get("last-event-id")
        if last is not None:
            start = revision(last, "the header Last-Event-ID")
        # The watch itself would refuse an unknown kind only when the answer has begun.
        self._control.list(kind)
        return event_response(self._events(kind, start), self._closing)

    async def _events(self, kind: str | None, start: int) -> AsyncGenerator[bytes]:
        yield b": a stream of changes\n\n"
        async for change in self._control.watch(kind, start):
            yield _written(change)


def _written(change: WatchEvent) -> bytes:
    return b"id: %d\n" % change.revision + event(change.action, change.resource)
