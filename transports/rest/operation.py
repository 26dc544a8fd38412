"""One operation of the API: what answers it, and what the OpenAPI document says of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import request_response
from starlette.types import ASGIApp

Schema: TypeAlias = Mapping[str, Any]
"""A JSON Schema (2020-12), as OpenAPI 3.1 has them."""

Handler: TypeAlias = Callable[[Request], Awaitable[Response]]

JSON_TYPE = "application/json"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A query parameter or a header. Those in the path are known from the path."""

    name: str
    place: str
    description: str
    schema: Schema


@dataclass(frozen=True, slots=True)
class Content:
    """A body: what it is, and its schema by media type."""

    description: str
    media: Mapping[str, Schema]
    headers: Mapping[str, str] = field(default_factory=dict)
    required: bool = True

    @classmethod
    def json(cls, description: str, schema: Schema) -> Content:
        """A body of JSON."""
        return cls(description, {JSON_TYPE: schema})


@dataclass(frozen=True, slots=True)
class Operation:
    """``success`` comes with ``status``, ``also`` has answers with other statuses.

    ``takes_slashes`` says that the parameter at the path's end may hold some. ``errors`` are the
    codes that it may answer with, beside those of every operation.
    """

    method: str
    path: str
    name: str
    summary: str
    tag: str
    app: ASGIApp
    success: Content
    errors: tuple[str, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    body: Content | None = None
    media_checked: bool = False
    status: int = 200
    also: Mapping[int, Content] = field(default_factory=dict)
    takes_slashes: bool = False

    @property
    def route(self) -> str:
        """The path as the router takes it."""
        return self.path[:-1] + ":path}" if self.takes_slashes else self.path


def served_by(handler: Handler) -> ASGIApp:
    """The ASGI application that answers with what ``handler`` returns."""
    return request_response(handler)
