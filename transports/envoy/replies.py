"""What Envoy answers by itself, in the form that all our errors have."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Final, NamedTuple

from penstock.core.errors import PenstockError, error_of
from penstock.core.grpc_errors import DETAILS_KEY, status_message
from penstock.core.statuses import grpc_status, http_status
from penstock.transports.envoy.clusters import Protocol
from penstock.transports.envoy.messages import Json


class Reply(NamedTuple):
    """An error in place of an answer of Envoy's that has one of these flags, or this status.

    Source of the flags: Envoy's documentation of access logs, ``%RESPONSE_FLAGS%``.
    """

    code: str
    sentence: str
    flags: tuple[str, ...] = ()
    status: int = 0


REPLIES: Final = (
    Reply("too-large", "the request's body is larger than this address takes", status=413),
    Reply("too-large", "the request's headers are larger than this address takes", status=431),
    Reply("deadline", "no answer came in the time that there was", flags=("UT", "DT", "SI")),
    Reply(
        "overloaded",
        "too many requests wait for those who could answer; try again a little later",
        flags=("UO",),
    ),
    Reply(
        "lost",
        "the connection to who was to answer broke before the answer was there; it may have been "
        "at work on the request",
        flags=("UC", "UR", "UPE"),
    ),
    Reply(
        "not-ready",
        "nobody who could answer can be reached now; try again a little later",
        flags=("UF", "UH", "NC"),
    ),
    Reply("not-found", "there is nothing at this address", flags=("NR",)),
    Reply("invalid-request", "the request is no proper HTTP", flags=("DPE",)),
)
"""The first one that fits is the answer."""

RETRY_AFTER_S: Final = 1


def local_replies(protocol: Protocol) -> Json:
    """The configuration of a listener's own answers."""
    mapper = _rest_mapper if protocol == "rest" else _grpc_mapper
    return {"mappers": [mapper(each, filter_) for each in REPLIES for filter_ in _filters(each)]}


def _filters(reply: Reply) -> Iterator[Json]:
    if reply.flags:
        yield {"response_flag_filter": {"flags": list(reply.flags)}}
    if reply.status:
        value = {"default_value": reply.status, "runtime_key": "penstock.none"}
        yield {"status_code_filter": {"comparison": {"op": "EQ", "value": value}}}


def _rest_mapper(reply: Reply, filter_: Json) -> Json:
    body = {
        "error": reply.sentence,
        "code": reply.code,
        "request_id": "%REQ(X-REQUEST-ID)%",
    }
    headers = []
    if reply.code == "overloaded":
        headers.append(_header("retry-after", str(RETRY_AFTER_S)))
    return {
        "filter": filter_,
        "status_code": http_status(reply.code),
        "body_format_override": {
            "json_format": body,
            "omit_empty_values": True,
            "content_type": "application/json",
        },
        "headers_to_add": headers,
    }


def _grpc_mapper(reply: Reply, filter_: Json) -> Json:
    error: PenstockError = error_of(reply.code, reply.sentence)
    details = status_message(error, None).SerializeToString()
    return {
        "filter": filter_,
        "status_code": http_status(reply.code),
        "body": {"inline_string": reply.sentence},
        "headers_to_add": [
            _header("grpc-status", str(grpc_status(reply.code).value[0])),
            _header(DETAILS_KEY, base64.b64encode(details).decode().rstrip("=")),
        ],
    }


def _header(name: str, value: str) -> Json:
    return {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
