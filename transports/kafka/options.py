"""The options of the transport ``kafka``."""

from __future__ import annotations

import os
import re
import secrets
import socket
from collections.abc import Callable, Mapping
from typing import Annotated, Final, Self, TypeAlias

from pydantic import (
    AfterValidator,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from penstock.core.config import Section
from penstock.core.config.sections import Milliseconds
from penstock.transports.kafka.librdkafka import OptionValue, wrong_options
from penstock.transports.kafka.owned import CLIENT_OPTIONS, TOPIC_OPTIONS, reason_against
from penstock.transports.kafka.security import SecurityOptions

STOCK_RECORD_BYTES: Final = 1_048_588
"""The limit of a broker that nobody has set up otherwise."""

_NOT_IN_NAMES: Final = re.compile("[^A-Za-z0-9_-]+")

Options: TypeAlias = Mapping[str, StrictBool | StrictInt | StrictFloat | StrictStr]
Named: TypeAlias = Mapping[str, OptionValue]

Name: TypeAlias = Annotated[
    str, Field(max_length=40, pattern="^[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?$")
]


def _checked(find: Callable[[Named], Mapping[str, str]]) -> AfterValidator:
    """Refuses a mapping of options with what is wrong with each of them, at its own place."""

    def check(options: Named) -> Named:
        wrong = find(options)
        if wrong:
            raise ValidationError.from_exception_data(
                "options",
                [
                    InitErrorDetails(
                        type=PydanticCustomError("kafka_option", "{said}", {"said": said}),
                        loc=(name,),
                        input=options[name],
                    )
                    for name, said in wrong.items()
                ],
            )
        return options

    return AfterValidator(check)


def _owned(options: Named, owned: Mapping[str, str]) -> dict[str, str]:
    reasons = {name: reason_against(name, owned) for name in options}
    return {
        name: f"'{name}' cannot be set here: {reason}"
        for name, reason in reasons.items()
        if reason is not None
    }


def _wrong_for_clients(options: Named) -> Mapping[str, str]:
    owned = _owned(options, CLIENT_OPTIONS)
    others = {name: value for name, value in options.items() if name not in owned}
    return owned | wrong_options(others) if others else owned


def _wrong_for_topics(options: Named) -> Mapping[str, str]:
    return _owned(options, TOPIC_OPTIONS)


ClientOptions: TypeAlias = Annotated[Options, _checked(_wrong_for_clients)]
TopicOptions: TypeAlias = Annotated[Options, _checked(_wrong_for_topics)]


def unique_instance() -> str:
    """A name for this process that no other has."""
    host = _NOT_IN_NAMES.sub("-", socket.gethostname())[:20].strip("-_") or "host"
    return f"{host}-{os.getpid()}-{secrets.token_hex(3)}"


class KafkaOptions(Section):
    """Where Kafka is, and how it is used."""

    bootstrap_servers: str = Field(
        min_length=1,
        description="Brokers to begin with: HOST:PORT, several separated by commas.",
    )
    prefix: Annotated[
        str, Field(max_length=40, pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$")
    ] = Field(default="penstock", description="What the names of all topics and groups begin with.")
    namespace: Name = Field(
        default="default",
        description="The second part of these names: what has one namespace belongs together.",
    )
    instance: Name = Field(
        default_factory=unique_instance,
        description="The name of this process among those of its namespace; one that starts again "
        "under its name takes its place at once. Without it the name is new with every start.",
    )
    lease_ms: Milliseconds = Field(
        default=1_600,
        description="After how long a silence what a process works on goes to others.",
    )
    beat_ms: Milliseconds = Field(
        default=500, description="How often a process gives a sign of life."
    )
    replication: Annotated[int, Field(ge=1, le=32_767)] | None = Field(
        default=None,
        description="How many brokers hold each new topic; without it as the broker is set up.",
    )
    max_record_bytes: Annotated[int, Field(ge=1_000, le=1_000_000_000)] = Field(
        default=STOCK_RECORD_BYTES,
        description="The largest record, before compression: the max.message.bytes of topics that "
        "are made, and of those that take less. For more than the default the broker must allow "
        "more as well.",
    )
    security: SecurityOptions = Field(
        default=SecurityOptions(), description="How connections to brokers are secured."
    )
    client: ClientOptions = Field(
        default={}, description="Options of librdkafka for all of its clients, by their names."
    )
    producer: ClientOptions = Field(
        default={}, description="Options of librdkafka for what writes, before those of client."
    )
    consumer: ClientOptions = Field(
        default={}, description="Options of librdkafka for what reads, before those of client."
    )
    topic: TopicOptions = Field(
        default={}, description="Kafka's options for topics that are made, as retention.ms."
    )

    @model_validator(mode="after")
    def _beats_in_time(self) -> Self:
        if self.lease_ms < 2 * self.beat_ms:
            raise ValueError(
                f"leaseMs is {self.lease_ms}, and beatMs {self.beat_ms}; a lease must last for two "
                "beats at least, or one that is late would end it"
            )
        return self

    @property
    def root(self) -> str:
        """What the names of all streams and groups begin with."""
        return f"{self.prefix}.{self.namespace}"
