"""Errors as REST carries them: a JSON body, a status, and what else goes into the headers."""

from __future__ import annotations

from math import ceil
from typing import Any, ClassVar, Final

import orjson
import structlog

from penstock.core.errors import (
    InternalError,
    InvalidRequestError,
    NotFoundError,
    OverloadedError,
    PenstockError,
    UnauthenticatedError,
    was_refused,
)
from penstock.core.statuses import http_status

DEFECT: Final = "the request failed by a defect of Penstock; the server's log has the cause"

_log = structlog.get_logger(__name__)


class HttpError(InvalidRequestError):
    """A request that is wrong in a way for which HTTP has a status of its own."""

    status: ClassVar[int] = 400


class MediaTypeError(HttpError):
    """A body of a kind that the endpoint does not take."""

    status = 415


class GoneError(NotFoundError):
    """A request that was there and is no longer kept."""

    status: ClassVar[int] = 410


class MethodError(HttpError):
    """A method that the path does not have."""

    status = 405


def status_of(error: PenstockError) -> int:
    """The HTTP status of ``error``."""
    return error.status if isinstance(error, HttpError | GoneError) else http_status(error.code)


def error_body(error: PenstockError, request_id: str | None = None) -> bytes:
    """The JSON of an error; the key ``error`` is what V2 asks for."""
    document: dict[str, Any] = {"error": _text(error.message), "code": error.code}
    if request_id:
        document["request_id"] = request_id
    if error.step:
        document["step"] = error.step
    if was_refused(error):
        document["taken"] = False
    if error.details:
        document["details"] = [_text(detail) for detail in error.details]
    return orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)


def _text(sentence: str) -> str:
    """A sentence as UTF-8 can hold it: what a model raised may quote names with stray bytes."""
    return sentence.encode("utf-8", "replace").decode()


def error_headers(error: PenstockError) -> list[tuple[bytes, bytes]]:
    """The headers that an error brings along."""
    if isinstance(error, OverloadedError):
        return [(b"retry-after", b"%d" % max(1, ceil(error.retry_after_s)))]
    if isinstance(error, UnauthenticatedError):
        return [(b"www-authenticate", b"Bearer")]
    return []


def defect(error: Exception, where: str) -> PenstockError:
    """What a caller is told of an exception that should not have come; it is logged whole."""
    _log.error("rest_request_failed", where=where, exc_info=error)
    return InternalError(DEFECT)
