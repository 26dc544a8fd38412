"""What errors of Kafka are to whoever asked."""

from __future__ import annotations

from typing import Final

from confluent_kafka import KafkaError

from penstock.core.errors import (
    ConflictError,
    ForbiddenError,
    NotFoundError,
    NotReadyError,
    PenstockError,
    TooLargeError,
    UnauthenticatedError,
)

_UNKNOWN: Final = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._UNKNOWN_TOPIC,
        KafkaError._UNKNOWN_PARTITION,
    }
)
_FORBIDDEN: Final = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    }
)
_UNAUTHENTICATED: Final = frozenset(
    {KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED}
)
_UNWANTED: Final = frozenset({KafkaError.INVALID_CONFIG, KafkaError.POLICY_VIOLATION})
_TOO_LARGE: Final = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE})


def is_unknown(error: KafkaError) -> bool:
    """Whether the topic or partition is not there."""
    return error.code() in _UNKNOWN


def is_own(error: KafkaError) -> bool:
    """Whether the library says so by itself, and no broker has."""
    return error.code() < KafkaError.UNKNOWN


def refusal_of(error: KafkaError, topic: str | None = None) -> PenstockError:
    """The error of ours for one of Kafka's; all that may pass by itself is ``not-ready``."""
    code = error.code()
    what = "Kafka" if topic is None else f"Kafka, asked about the topic '{topic}'"
    if code in _UNKNOWN:
        return NotFoundError(f"{what}: the topic or partition is not there ({error.str()})")
    if code in _TOO_LARGE:
        return TooLargeError(
            f"{what}: the record is larger than the broker takes; raise max.message.bytes of the "
            "topic (message.max.bytes of the broker) and transport.maxRecordBytes together"
        )
    if code in _FORBIDDEN:
        return ForbiddenError(
            f"{what}: {error.str()}; the user of transport.security lacks a right"
        )
    if code in _UNAUTHENTICATED:
        return UnauthenticatedError(f"{what}: {error.str()}; look at transport.security")
    if code in _UNWANTED:
        return ConflictError(
            f"{what}: {error.str()}; look at transport.topic, and at what the broker allows"
        )
    return NotReadyError(f"{what}: {error.str()}")
