"""Messages into records: those of Penstock, and those that anybody may have written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from penstock.core.codecs.protobuf import parse_request
from penstock.core.contracts.transport import REMOVED
from penstock.core.engine.engine import NO_TENSORS
from penstock.core.errors import InvalidRequestError, PenstockError, UnsupportedError
from penstock.core.inference import InferenceRequest
from penstock.core.parameters import NO_PARAMETERS
from penstock.core.records import Absent, Body, Failed, Port, Record, Undecoded
from penstock.core.request_headers import IDENTITY_HEADER
from penstock.core.streams.headers import (
    CODE_HEADER,
    DEADLINE_HEADER,
    OMITTED_HEADER,
    REASON_HEADER,
    STEP_HEADER,
    deadline_of,
)
from penstock.transports.kafka.messages.headers import (
    CALL_ATTEMPTS_HEADER,
    CAUSE_HEADER,
    CONTENT_TYPE_HEADER,
    FORMAT,
    FORMAT_HEADER,
    JSON_LENGTH_HEADER,
    MARKER_HEADER,
    PARAMETERS_HEADER,
    PIPELINE_HEADER,
    PORT_HEADER,
    RETRIABLE_HEADER,
    ROUND_HEADER,
    VERSION_HEADER,
    header_text,
)
from penstock.transports.kafka.messages.message import MessageHeader
from penstock.transports.kafka.messages.topic_ports import port_named, port_of_topic
from penstock.transports.kafka.messages.values import Contents, read_contents

_NEVER: Final = float("inf")
_DIGITS: Final = 18
_FORMAT_TEXT: Final = str(FORMAT)


def decode(
    topic: str,
    key: bytes | None,
    value: bytes | None,
    headers: Sequence[MessageHeader] | None,
) -> Record:
    """The record of a message of ``topic``; never raises.

    One that cannot be decoded has the body ``Failed``, which says why, the headers that could be
    read, and all of what was written in ``undecoded``. Large tensors are views of ``value``.
    """
    given = headers or ()
    try:
        return _decoded(topic, key, value, given)
    except PenstockError as error:
        texts = _texts_of(given)
        return Record(
            texts.pop(IDENTITY_HEADER, ""),
            key or b"",
            texts.pop(PIPELINE_HEADER, ""),
            0,
            port_of_topic(topic),
            0,
            Failed(error.code, error.message),
            NO_PARAMETERS,
            texts,
            _NEVER,
            undecoded=Undecoded(value, tuple(given)),
        )


def _texts_of(headers: Iterable[MessageHeader]) -> dict[str, str]:
    return {name: header_text(content) for name, content in headers if content is not None}


def _decoded(
    topic: str, key: bytes | None, value: bytes | None, headers: Sequence[MessageHeader]
) -> Record:
    """The record; what is a field of it is no header of it."""
    texts = _texts_of(headers)
    take = texts.pop
    written = take(FORMAT_HEADER, _FORMAT_TEXT)
    if written != _FORMAT_TEXT:
        _check_format(written)
    named = take(PORT_HEADER, None)
    port = port_of_topic(topic) if named is None else port_named(named)
    version = take(VERSION_HEADER, None)
    round_number = take(ROUND_HEADER, None)
    deadline_ms = deadline_of(texts)
    if deadline_ms is None:
        deadline_ms = _NEVER
    else:
        del texts[DEADLINE_HEADER]
    if MARKER_HEADER in texts:
        body, contents = _marker(texts), _contents_of_marker(headers, texts)
    elif value is None:
        body, contents = REMOVED, _contents_of_marker(headers, texts)
    else:
        contents = _contents_of_value(value, port, texts)
        body = contents.tensors or NO_TENSORS
    return Record(
        take(IDENTITY_HEADER, ""),
        key or b"",
        take(PIPELINE_HEADER, ""),
        0 if version is None else _number(VERSION_HEADER, version),
        port,
        0 if round_number is None else _number(ROUND_HEADER, round_number),
        body,
        contents.parameters,
        texts,
        deadline_ms,
        contents.request_id,
    )


def _check_format(written: str) -> None:
    number = _number(FORMAT_HEADER, written)
    if number > FORMAT:
        raise UnsupportedError(
            f"the record is written in format {number}, and this Penstock reads formats up to "
            f"{FORMAT}; install a newer one"
        )


def _number(header: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS):
        raise InvalidRequestError(f"the header {header} is '{text[:100]}'; it must be a number")
    return int(text)


def _contents_of_value(value: bytes, port: Port, texts: dict[str, str]) -> Contents:
    json_length = texts.pop(JSON_LENGTH_HEADER, None)
    return read_contents(
        value,
        port.side,
        texts.pop(CONTENT_TYPE_HEADER, None),
        None if json_length is None else _number(JSON_LENGTH_HEADER, json_length),
        OMITTED_HEADER in texts,
    )


def _marker(texts: dict[str, str]) -> Body:
    """What a marker says."""
    take = texts.pop
    marker = take(MARKER_HEADER)
    if marker == "absent":
        return Absent(take(REASON_HEADER, ""), take(CAUSE_HEADER, "absent"))
    if marker == "failed":
        return Failed(
            take(CODE_HEADER, "internal"),
            take(REASON_HEADER, ""),
            take(STEP_HEADER, None),
            take(RETRIABLE_HEADER, "") == "true",
            _number(CALL_ATTEMPTS_HEADER, take(CALL_ATTEMPTS_HEADER, "1")),
        )
    raise InvalidRequestError(
        f"the header {MARKER_HEADER} is '{marker[:100]}'; it is absent or failed"
    )


def _contents_of_marker(headers: Iterable[MessageHeader], texts: dict[str, str]) -> Contents:
    """What a marker holds of its request."""
    request = InferenceRequest(None, ())
    if texts.pop(PARAMETERS_HEADER, None) is not None:
        # These are bytes, and no text.
        given = [content for name, content in headers if name == PARAMETERS_HEADER and content]
        request = parse_request(given[-1]) if given else request
    return Contents(request.id, (), request.parameters)
