"""What librdkafka thinks of options, before a client is made for work."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, TypeAlias

from penstock.core.errors import InvalidRequestError

if TYPE_CHECKING:
    from confluent_kafka import KafkaError, KafkaException

OptionValue: TypeAlias = bool | int | float | str
ClientOptions: TypeAlias = Mapping[str, OptionValue]

_FAILED_TO_CREATE: Final = "Failed to create"
"""How it begins to speak of options that do not go together; of one alone it speaks otherwise."""

_silent: Final = logging.Logger("penstock.kafka.options", logging.CRITICAL)


def option_text(value: OptionValue) -> str:
    """A value as Kafka's clients and topics take it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _said_in(error: KafkaException) -> str:
    reason: KafkaError = error.args[0]
    return " ".join(reason.str().split())


def refused_options(error: KafkaException) -> InvalidRequestError:
    """What is said when a client cannot be made, for options that do not go together or files of
    TLS that cannot be used."""
    return InvalidRequestError(
        f"the section transport cannot be used: {_said_in(error)}; look at its security, client, "
        "producer and consumer"
    )


def wrong_options(options: ClientOptions) -> dict[str, str]:
    """The options that are unknown or have a value that cannot be, each with a sentence.

    Empty where the library is not installed: it is asked again when the client is made.
    """
    try:
        from confluent_kafka import KafkaException, Producer
    except ModuleNotFoundError:
        return {}

    def said_of(chosen: ClientOptions) -> str | None:
        # Without the address of a broker it connects to none.
        texts = {name: option_text(value) for name, value in chosen.items()}
        try:
            Producer({**texts, "logger": _silent})
        except KafkaException as error:
            said = _said_in(error)
            return None if said.startswith(_FAILED_TO_CREATE) else said
        return None

    if said_of(options) is None:
        return {}
    said = {name: said_of({name: value}) for name, value in options.items()}
    return {name: sentence for name, sentence in said.items() if sentence is not None}
