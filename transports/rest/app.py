"""The ASGI application: every operation at its path, and errors as JSON."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from penstock.core.errors import InternalError, NotFoundError, PenstockError
from penstock.core.target_names import ANY_KIND, impossible, without_suffix
from penstock.transports.rest.body import CallerGoneError
from penstock.transports.rest.errors import (
    DEFECT,
    MethodError,
    error_body,
    error_headers,
    status_of,
)
from penstock.transports.rest.operation import JSON_TYPE, Operation

ANY_NAME: Final = re.compile(r"/v2/(models|pipelines)/(.*?)(?:/versions/[^/]+)?/infer", re.DOTALL)
"""The path of an inference, whatever stands where the name should; percent-encoding is gone."""


def build_app(operations: Iterable[Operation], others: ASGIApp | None = None) -> Starlette:
    """The application that serves ``operations``, under uvicorn or any other ASGI server.

    ``others`` answers at all other paths; without it nothing is there.
    """
    methods: dict[str, dict[str, ASGIApp]] = {}
    for operation in operations:
        methods.setdefault(operation.route, {})[operation.method] = operation.app
    app = Starlette(
        routes=[Route(path, ByMethod(apps), methods=list(apps)) for path, apps in methods.items()],
        exception_handlers={
            HTTPException: _http_failure,
            PenstockError: _failure,
            CallerGoneError: _gone,
            Exception: _defect,
        },
    )
    # A path with a slash too many is a wrong path; nobody is sent elsewhere.
    app.router.redirect_slashes = False
    if others is not None:
        app.router.default = others
    return app


class ByMethod:
    """The operations of one path; the route before it lets no other method through."""

    def __init__(self, apps: dict[str, ASGIApp]) -> None:
        self._apps = apps

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request; HEAD is answered as GET, and the server leaves the body out."""
        method = scope["method"]
        await self._apps["GET" if method == "HEAD" else method](scope, receive, send)


def _answer(error: PenstockError, more: dict[str, str] | None = None) -> Response:
    headers = {name.decode(): value.decode() for name, value in error_headers(error)}
    headers |= more or {}
    return Response(error_body(error), status_of(error), headers, JSON_TYPE)


async def _failure(request: Request, error: Exception) -> Response:
    assert isinstance(error, PenstockError), "that is what it is registered for"
    return _answer(error)


async def _http_failure(request: Request, error: Exception) -> Response:
    """Paths and methods that the router does not have."""
    assert isinstance(error, HTTPException), "that is what it is registered for"
    path = request.url.path[:200]
    if error.status_code == MethodError.status:
        allowed = ", ".join(sorted((error.headers or {}).get("Allow", "").split(", ")))
        sentence = f"{path} does not take {request.method[:20]}; it takes {allowed}"
        return _answer(MethodError(sentence), {"Allow": allowed})
    inference = ANY_NAME.fullmatch(request.url.path)
    if inference is not None:
        refused = impossible(*_named(inference))
        if refused is not None:
            return _answer(refused)
    return _answer(NotFoundError(f"there is nothing at {path}; /openapi.json lists what there is"))


def _named(inference: re.Match[str]) -> tuple[str, str]:
    """The name in a path of inference, without its suffix, and what has such names."""
    bare, suffix = without_suffix(inference[2])
    return bare, "pipeline" if inference[1] == "pipelines" else suffix or ANY_KIND


async def _gone(request: Request, error: Exception) -> Response:
    """Nobody reads this."""
    return Response(status_code=499)


async def _defect(request: Request, error: Exception) -> Response:
    """Whoever runs the application gets the exception as well, and logs it."""
    return _answer(InternalError(DEFECT))
