"""Pages: what observers show, the OpenAPI document, and where to find everything."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

import orjson
from starlette.requests import Request
from starlette.responses import Response

from penstock.core.contracts.gateway import Gateway
from penstock.core.contracts.page import MergedPage, Page, PageContent
from penstock.transports.rest.json_response import JsonAnswer
from penstock.transports.rest.openapi import openapi_document
from penstock.transports.rest.operation import Content, Operation, served_by
from penstock.transports.rest.schemas import ref

OPENAPI_PATH: Final = "/openapi.json"
NOT_MODIFIED: Final = 304
WORD: Final = re.compile(r"\w+")


def page_operation(path: str, page: Page) -> Operation:
    """The page that an observer shows at ``path``, made anew for every reader."""

    async def made(path: Mapping[str, str]) -> PageContent:
        return page(path)

    return merged_page_operation(path, made)


def merged_page_operation(path: str, page: MergedPage) -> Operation:
    """The same for a page that is put together from those of several processes."""

    async def show(request: Request) -> Response:
        content = await page(request.path_params)
        headers = {"content-type": content.media_type, **content.headers}
        etag = content.headers.get("etag")
        if etag is not None and etag in request.headers.get("if-none-match", ""):
            del headers["content-type"]
            return Response(status_code=NOT_MODIFIED, headers=headers)
        return Response(content.body, headers=headers)

    return Operation(
        "GET",
        path,
        "page" + "".join(map(str.capitalize, WORD.findall(path))),
        f"The page {path}",
        "Pages",
        served_by(show),
        Content("The page", {"*/*": {"type": "string"}}),
        ("not-found",) if "{" in path else (),
        also={NOT_MODIFIED: Content("The reader has it already", {})},
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
