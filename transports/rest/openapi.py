"""The OpenAPI 3.1 document, made from the operations that are served."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from penstock.core.statuses import http_status
from penstock.transports.rest.errors import MediaTypeError
from penstock.transports.rest.operation import JSON_TYPE, Content, Operation
from penstock.transports.rest.schemas import SCHEMAS, ref

EVERYWHERE: Final = ("too-large", "internal")
"""Codes that any operation may answer with."""

PATH_PARAMETER: Final = re.compile(r"\{(\w+)\}")

BEARER: Final = {"type": "http", "scheme": "bearer"}

DESCRIPTIONS: Final[Mapping[int, str]] = {
    400: "The request is wrong",
    401: "The call brings no bearer token, or a wrong one",
    403: "This caller may not",
    404: "Nothing has that name or version",
    409: "The change would break what others use",
    413: "The request or its headers are over the limit",
    415: "The body is of a type that is not taken here",
    422: "The pipeline ended without an output; details say why",
    429: "Too much is under way; Retry-After says when to try again",
    499: "The request was cancelled",
    500: "A step failed, or the server made a mistake",
    501: "A feature that is not there",
    503: "Not ready, now or any more",
    504: "The time for the request was over",
}


def openapi_document(operations: Iterable[Operation], version: str) -> dict[str, Any]:
    """The document for ``operations``, all of which are served."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _described(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Penstock",
            "version": version,
            "description": "Open Inference Protocol (V2), and the control plane of Penstock.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {"schemas": SCHEMAS, "securitySchemes": {"bearer": BEARER}},
    }


def _described(operation: Operation) -> dict[str, Any]:
    parameters: list[dict[str, Any]] = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "minLength": 1},
        }
        for name in PATH_PARAMETER.findall(operation.path)
    ]
    parameters += [
        {
            "name": parameter.name,
            "in": parameter.place,
            "description": parameter.description,
            "schema": parameter.schema,
        }
        for parameter in operation.parameters
    ]
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "tags": [operation.tag],
        "parameters": parameters,
        "responses": _responses(operation),
    }
    if "unauthenticated" in operation.errors:
        described["security"] = [{"bearer": []}]
    if operation.body is not None:
        described["requestBody"] = {
            "description": operation.body.description,
            "required": operation.body.required,
            "content": _media(operation.body),
        }
    return described


def _responses(operation: Operation) -> dict[str, Any]:
    success = operation.success
    answer: dict[str, Any] = {"description": success.description, "content": _media(success)}
    if success.headers:
        answer["headers"] = {
            name: {"description": text, "schema": {"type": "string"}}
            for name, text in success.headers.items()
        }
    statuses = {http_status(code) for code in (*operation.errors, *EVERYWHERE)}
    if operation.media_checked:
        statuses.add(MediaTypeError.status)
    responses = {str(operation.status): answer}
    for status, content in operation.also.items():
        responses[str(status)] = {"description": content.description, "content": _media(content)}
    for status in sorted(statuses):
        responses[str(status)] = {
            "description": DESCRIPTIONS[status],
            "content": {JSON_TYPE: {"schema": ref("Error")}},
        }
    return responses


def _media(content: Content) -> dict[str, Any]:
    return {media: {"schema": schema} for media, schema in content.media.items()}
