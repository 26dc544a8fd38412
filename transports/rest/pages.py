"""Pages: what observers show, the OpenAPI document, and where to find everything."""

from __future__ import annotations

from collections.abc import Iterable

import orjson
from starlette.requests import Request
from starlette.responses import Response

from penstock.core.contracts.frontend import Page
from penstock.core.contracts.gateway import Gateway
from penstock.transports.rest.json_response import JsonAnswer
from penstock.transports.rest.openapi import openapi_document
from penstock.transports.rest.operation import Content, Operation, served_by
from penstock.transports.rest.schemas import ref

OPENAPI_PATH = "/openapi.json"


def page_operation(path: str, page: Page) -> Operation:
    """The page that an observer shows at ``path``, made anew for every reader."""

    async def show(request: Request) -> Response:
        content_type, body = page()
        return Response(body, headers={"content-type": content_type})

    name = "page" + "".join(part.capitalize() for part in path.strip("/").split("/"))
    return Operation(
        "GET",
        path,
        name,
        f"The page {path}",
        "Pages",
        served_by(show),
        Content("The page", {"*/*": {"type": "string"}}),
    )


def with_index(operations: Iterable[Operation], gateway: Gateway) -> list[Operation]:
    """``operations``, the OpenAPI document of them all, and the page at ``/``."""
    served = list(operations)
    server = gateway.server_metadata()
    links = {
        operation.name: operation.path
        for operation in served
        if operation.method == "GET" and "{" not in operation.path
    }

    async def document(request: Request) -> Response:
        return Response(content, media_type="application/json")

    async def index(request: Request) -> Response:
        return JsonAnswer(
            {
                "name": server.name,
                "version": server.version,
                "links": {"openapi": OPENAPI_PATH, **links},
            }
        )

    served += [
        Operation(
            "GET",
            OPENAPI_PATH,
            "openapi",
            "This document",
            "Pages",
            served_by(document),
            Content.json("The document", {"type": "object"}),
        ),
        Operation(
            "GET",
            "/",
            "index",
            "Where to find what",
            "Pages",
            served_by(index),
            Content.json("Name, version, and paths by the names of operations", ref("Links")),
        ),
    ]
    content = orjson.dumps(openapi_document(served, server.version), option=orjson.OPT_INDENT_2)
    return served
