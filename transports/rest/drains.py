"""Servers that take no models any more: ``/v1/servers/{server}/drain``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from penstock.core.contracts.control import ControlPlane
from penstock.core.errors import NotReadyError
from penstock.transports.rest.event_stream import EVENT_STREAM, event, event_response
from penstock.transports.rest.json_response import JsonAnswer
from penstock.transports.rest.operation import Content, Operation, Parameter, served_by
from penstock.transports.rest.origins import Origins
from penstock.transports.rest.queries import number
from penstock.transports.rest.schemas import ref

_PATH: Final = "/v1/servers/{server}/drain"
_REPLICA: Final = Parameter(
    "replica", "query", "Only this one of its replicas.", {"type": "integer", "minimum": 0}
)


class DrainOperations:
    """Begins and ends drains, and tells how far they are; streams end when ``closing`` is set."""

    def __init__(self, control: ControlPlane, origins: Origins, closing: asyncio.Event) -> None:
        self._control = control
        self._origins = origins
        self._closing = closing

    def operations(self) -> list[Operation]:
        """What is served here, with what the OpenAPI document says of it."""
        state = Content.json("How it stands", ref("DrainState"))
        changing = ("invalid-request", "not-found", "not-ready", "forbidden")
        return [
            Operation(
                "GET",
                _PATH,
                "getDrain",
                "How a server's replicas stand, and the models on them",
                "Control plane",
                served_by(self.state),
                state,
                ("not-found",),
            ),
            Operation(
                "POST",
                _PATH,
                "drainServer",
                "Have a server take no models; those that fit elsewhere move there first",
                "Control plane",
                served_by(self.begin),
                state,
                changing,
                (_REPLICA,),
            ),
            Operation(
                "DELETE",
                _PATH,
                "undrainServer",
                "Have a server take models again",
                "Control plane",
                served_by(self.end),
                state,
                changing,
                (_REPLICA,),
            ),
            Operation(
                "GET",
                f"{_PATH}/events",
                "followDrain",
                "How far a drain is, as server-sent events, until no model is left there",
                "Control plane",
                served_by(self.follow),
                Content(
                    "Events state and error; data is how it stands, of error an error's body",
                    {EVENT_STREAM: {}},
                ),
                ("not-found", "not-ready"),
            ),
        ]

    async def state(self, request: Request) -> Response:
        """How a server stands."""
        return JsonAnswer(self._control.drained(request.path_params["server"]))

    async def begin(self, request: Request) -> Response:
        """Drain."""
        return await self._change(request, undo=False)

    async def end(self, request: Request) -> Response:
        """Undrain."""
        return await self._change(request, undo=True)

    async def follow(self, request: Request) -> Response:
        """Begin a stream."""
        if self._closing.is_set():
            raise NotReadyError("the server is stopping; ask another one")
        server = request.path_params["server"]
        # The stream itself would refuse an unknown server only when the answer has begun.
        self._control.drained(server)
        return event_response(self._events(server), self._closing)

    async def _change(self, request: Request, *, undo: bool) -> Response:
        self._origins.check(request)
        text = request.query_params.get("replica")
        replica = None if text is None else number(text, "the query parameter replica", 2**31 - 1)
        server = request.path_params["server"]
        return JsonAnswer(await self._control.drain(server, replica, undo=undo))

    async def _events(self, server: str) -> AsyncGenerator[bytes]:
        async for state in self._control.follow_drain(server):
            yield event("state", state)
