"""Records into messages."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from penstock.core.codecs.protobuf import serialize_request, serialize_response
from penstock.core.contracts.transport import REMOVED
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.records import Absent, Failed, Port, Record, Tensors, Undecoded
from penstock.core.request_headers import IDENTITY_HEADER
from penstock.core.streams.headers import (
    CODE_HEADER,
    DEADLINE_HEADER,
    REASON_HEADER,
    STEP_HEADER,
)
from penstock.transports.kafka.messages.headers import (
    CALL_ATTEMPTS_HEADER,
    CAUSE_HEADER,
    FORMAT,
    FORMAT_HEADER,
    MARKER_HEADER,
    PARAMETERS_HEADER,
    PIPELINE_HEADER,
    PORT_HEADER,
    RETRIABLE_HEADER,
    ROUND_HEADER,
    VERSION_HEADER,
    header_bytes,
    header_text,
)
from penstock.transports.kafka.messages.message import KafkaMessage, MessageHeader
from penstock.transports.kafka.messages.topic_ports import port_of_topic

_NEVER: Final = float("inf")

KEPT_HEADS: Final = 4_096
"""Beginnings of header lists that are kept: they are the same for most records of a port."""


def encode(topic: str, record: Record, other: KafkaMessage | None = None) -> KafkaMessage:
    """The message of a record that goes to ``topic``.

    ``other`` is its message to another topic, if there is one: it has the same value, which is not
    made again. Raises InvalidRequestError for a parameter that V2 cannot hold.
    """
    if record.undecoded is not None:
        return _as_it_was(record, record.undecoded)
    port = record.port
    body = record.body
    headers = _head_of(record, None if port == port_of_topic(topic) else port)
    value: bytes | None
    if isinstance(body, Absent | Failed):
        value = None if body == REMOVED else b""
        headers += _marker_headers(record, body)
    else:
        value = _value_of(record, body) if other is None else other.value
    given = record.headers
    if given:
        headers += [(name, header_bytes(text)) for name, text in given.items()]
    return KafkaMessage(record.key or None, value, headers)


def _head_of(record: Record, port: Port | None) -> list[MessageHeader]:
    """The headers of every record."""
    headers = [*_standing(record.pipeline, record.version, record.round, port)]
    if record.identity:
        headers.append((IDENTITY_HEADER, record.identity.encode()))
    if record.deadline_ms != _NEVER:
        headers.append((DEADLINE_HEADER, repr(record.deadline_ms).removesuffix(".0").encode()))
    return headers


@lru_cache(maxsize=KEPT_HEADS)
def _standing(
    pipeline: str, version: int, round_number: int, port: Port | None
) -> tuple[MessageHeader, ...]:
    """Those that do not change from request to request."""
    texts = (
        (FORMAT_HEADER, str(FORMAT)),
        (PIPELINE_HEADER, pipeline),
        (VERSION_HEADER, str(version) if version else ""),
        (ROUND_HEADER, str(round_number) if round_number else ""),
        (PORT_HEADER, "" if port is None else str(port)),
    )
    return tuple([(name, header_bytes(text)) for name, text in texts if text])


def _value_of(record: Record, tensors: Tensors) -> bytes:
    """The value as V2's message for the side of the port."""
    name = record.port.step or record.pipeline
    version = str(record.version) if record.version else ""
    if record.port.side == "inputs":
        return serialize_request(
            InferenceRequest(
                record.request_id, tensors, record.parameters, None, False, name, version
            )
        )
    return serialize_response(
        InferenceResponse(name, version, record.request_id, tensors, record.parameters)
    )


def _marker_headers(record: Record, body: Absent | Failed) -> list[MessageHeader]:
    """What a marker says, for its value holds nothing."""
    texts = _absent_texts(body) if isinstance(body, Absent) else _failed_texts(body)
    headers: list[MessageHeader] = [(name, header_bytes(text)) for name, text in texts]
    if record.parameters or record.request_id:
        request = InferenceRequest(record.request_id, (), record.parameters)
        headers.append((PARAMETERS_HEADER, serialize_request(request)))
    return headers


def _absent_texts(absent: Absent) -> list[tuple[str, str]]:
    if absent == REMOVED:
        return []  # that there is no value says it
    return [
        (MARKER_HEADER, "absent"),
        (REASON_HEADER, absent.reason),
        (CAUSE_HEADER, absent.cause),
    ]


def _failed_texts(failed: Failed) -> list[tuple[str, str]]:
    texts = [
        (MARKER_HEADER, "failed"),
        (CODE_HEADER, failed.code),
        (REASON_HEADER, failed.reason),
    ]
    if failed.step is not None:
        texts.append((STEP_HEADER, failed.step))
    if failed.retriable:
        texts.append((RETRIABLE_HEADER, "true"))
    if failed.attempts != 1:
        texts.append((CALL_ATTEMPTS_HEADER, str(failed.attempts)))
    return texts


def _as_it_was(record: Record, undecoded: Undecoded) -> KafkaMessage:
    """The message that could not be decoded, with the headers that have come since."""
    headers = list(undecoded.headers)
    last = {name: content for name, content in headers if content is not None}
    since = dict(record.headers)
    if record.identity:
        since[IDENTITY_HEADER] = record.identity
    for name, text in since.items():
        if name not in last or header_text(last[name]) != text:
            headers.append((name, header_bytes(text)))
    return KafkaMessage(record.key or None, undecoded.value, headers)
