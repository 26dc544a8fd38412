"""What Envoy answers by itself, in the form that all our errors have."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Final, NamedTuple

from penstock.core.errors import PenstockError, error_of
from penstock.core.grpc_errors import DETAILS_KEY, status_message
from penstock.core.request_headers import TIMEOUT_HEADER
from penstock.core.statuses import grpc_status, http_status
from penstock.transports.envoy.clusters import Protocol
from penstock.transports.envoy.messages import Json


class Reply(NamedTuple):
    """An error in place of an answer of Envoy's that has one of these flags, or this status.

    ``{who}`` in the sentence is who was asked, as far as the protocol can say it. Source of the
    flags: Envoy's documentation of access logs, ``%RESPONSE_FLAGS%``.
    """

    code: str
    sentence: str
    flags: tuple[str, ...] = ()
    status: int = 0


REPLIES: Final = (
    Reply("too-large", "the request's body is larger than this address takes", status=413),
    Reply("too-large", "the request's headers are larger than this address takes", status=431),
    Reply("deadline", "{who} gave no answer in the time that there was", flags=("UT", "DT", "SI")),
    Reply(
        "overloaded",
        "all who could answer have as many requests as they may; try again a little later",
        flags=("UO",),
    ),
    Reply(
        "lost",
        "{who} was sent the request and did not answer it; whether it was carried out is not known",
        flags=("UC", "UR", "UPE"),
    ),
    Reply("lost", "{who} cannot be reached, and nobody else either", flags=("UF",)),
    Reply(
        "not-ready", "nobody is known who could answer at the moment; try again", flags=("UH", "NC")
    ),
    Reply("not-found", "there is nothing at this address", flags=("NR",)),
    Reply("invalid-request", "this is no proper HTTP request", flags=("DPE",)),
    Reply(
        "invalid-request",
        f"the header {TIMEOUT_HEADER} must be a number of milliseconds over 0",
        status=400,
    ),
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
        "error": reply.sentence.format(who="%UPSTREAM_HOST%"),
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
    # The details are written beforehand, and cannot say more than that.
    sentence = reply.sentence.format(who="the process")
    error: PenstockError = error_of(reply.code, sentence)
    details = status_message(error, None).SerializeToString()
    return {
        "filter": filter_,
        "status_code": http_status(reply.code),
        "body": {"inline_string": sentence},
        "headers_to_add": [
            _header("grpc-status", str(grpc_status(reply.code).value[0])),
            _header(DETAILS_KEY, base64.b64encode(details).decode().rstrip("=")),
        ],
    }


def _header(name: str, value: str) -> Json:
    return {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
