"""The plug-in ``kafka``: streams on Apache Kafka, for any number of processes and machines."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping

from penstock.core.contracts.transport import Transport
from penstock.core.errors import UnsupportedError
from penstock.core.plugins import hookimpl
from penstock.transports.kafka.options import KafkaOptions

__all__ = ["KafkaOptions"]

penstock_api = 1


def kafka_transport(options: KafkaOptions) -> Transport:
    """The transport. Its library is loaded here, and not with the plug-in, whose options are known
    without it."""
    if importlib.util.find_spec("confluent_kafka") is None:
        raise UnsupportedError(
            "the transport kafka needs the library confluent-kafka; pip install 'penstock[kafka]'"
        )
    from penstock.transports.kafka.transport import KafkaTransport

    return KafkaTransport(options)


@hookimpl
def penstock_register_config() -> type[KafkaOptions]:
    """The options beside ``transport.kind``."""
    return KafkaOptions


@hookimpl
def penstock_register_transports() -> Mapping[str, Callable[[KafkaOptions], Transport]]:
    """The transport ``kafka``."""
    return {"kafka": kafka_transport}
