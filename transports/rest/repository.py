"""Models loaded and unloaded by name, as V2's model repository has it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import orjson
from starlette.requests import Request
from starlette.responses import Response

from penstock.core.contracts.control import ControlPlane, refuse_parameters
from penstock.core.errors import InvalidRequestError
from penstock.transports.rest.body import read_body
from penstock.transports.rest.caller import HeaderMap
from penstock.transports.rest.json_response import JsonAnswer
from penstock.transports.rest.operation import Content, Operation, served_by
from penstock.transports.rest.origins import Origins

REPOSITORY: Final = "/v2/repository/models"
_BODY: Final = Content("Nothing, or {}", {"application/json": {"type": "object"}}, required=False)


class ModelRepository:
    """Changes whether models are on servers; what there is, Information tells."""

    def __init__(self, control: ControlPlane, max_request_bytes: int, origins: Origins) -> None:
        self._control = control
        self._max_request_bytes = max_request_bytes
        self._origins = origins

    def operations(self) -> list[Operation]:
        """What is served here, with what the OpenAPI document says of it."""
        done = Content.json("It is", {"type": "object"})
        return [
            Operation(
                "POST",
                f"{REPOSITORY}/{{model}}/load",
                "repositoryModelLoad",
                "Have a model on servers again; answers when it serves",
                "V2",
                served_by(self.load),
                done,
                ("invalid-request", "not-found", "not-ready", "forbidden"),
                body=_BODY,
            ),
            Operation(
                "POST",
                f"{REPOSITORY}/{{model}}/unload",
                "repositoryModelUnload",
                "Have a model on no server, unless others use it; its manifest stays",
                "V2",
                served_by(self.unload),
                done,
                ("invalid-request", "not-found", "conflict", "forbidden"),
                body=_BODY,
            ),
        ]

    async def load(self, request: Request) -> Response:
        """Load."""
        return await self._change(request, self._control.load)

    async def unload(self, request: Request) -> Response:
        """Unload."""
        return await self._change(request, self._control.unload)

    async def _change(self, request: Request, change: Callable[[str], Awaitable[None]]) -> Response:
        self._origins.check(request)
        found: HeaderMap = dict(reversed(request.headers.raw))
        refuse_parameters(
            _parameters(await read_body(request.receive, found, self._max_request_bytes))
        )
        await change(request.path_params["model"])
        return JsonAnswer({})


def _parameters(body: bytes) -> dict[str, object]:
    try:
        written = orjson.loads(body) if body else {}
    except orjson.JSONDecodeError as error:
        raise InvalidRequestError(f"the body is no JSON: {error}") from None
    if not isinstance(written, dict):
        raise InvalidRequestError("the body must be a JSON object, or nothing")
    parameters = written.get("parameters") or {}
    if not isinstance(parameters, dict):
        raise InvalidRequestError("parameters must be a JSON object")
    return parameters
