"""Options of Kafka's clients and topics that Penstock sets, and why nobody else may."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_SHARES: Final = "Penstock shares partitions by leases of its own, and is in no group"
_COMMITS: Final = "Penstock commits what is finished, and nothing else"
_SECURITY: Final = "write it in transport.security"
_SECRET: Final = "name it in transport.security, secrets do not stand in the file"
_SERVERS: Final = "write it as transport.bootstrapServers"
_BOUNDS: Final = "Penstock bounds what is on its way, and refuses what is beyond"
_SIZE: Final = "write it as transport.maxRecordBytes"
_ONCE: Final = "Penstock writes with idempotence, for nothing to be written twice"
_KEYS: Final = "records of one key must meet in one partition, whoever writes them"
_EVENTS: Final = "Penstock listens to what the client tells"

CLIENT_OPTIONS: Final[Mapping[str, str]] = {
    "bootstrap.servers": _SERVERS,
    "metadata.broker.list": _SERVERS,
    "security.protocol": _SECURITY,
    "ssl.ca.location": _SECURITY,
    "ssl.certificate.location": _SECURITY,
    "ssl.key.location": _SECURITY,
    "sasl.mechanism": _SECURITY,
    "sasl.mechanisms": _SECURITY,
    "sasl.username": _SECURITY,
    "sasl.oauthbearer.method": _SECURITY,
    "sasl.oauthbearer.client.id": _SECURITY,
    "sasl.oauthbearer.token.endpoint.url": _SECURITY,
    "ssl.key.password": _SECRET,
    "ssl.key.pem": _SECRET,
    "ssl.keystore.password": _SECRET,
    "sasl.password": _SECRET,
    "sasl.oauthbearer.client.secret": _SECRET,
    "sasl.oauthbearer.config": _SECRET,
    "group.id": _SHARES,
    "group.instance.id": _SHARES,
    "group.protocol": _SHARES,
    "group.remote.assignor": _SHARES,
    "partition.assignment.strategy": _SHARES,
    "enable.auto.commit": _COMMITS,
    "auto.commit.enable": _COMMITS,
    "auto.commit.interval.ms": _COMMITS,
    "enable.auto.offset.store": _COMMITS,
    "auto.offset.reset": "Penstock says where it begins to read",
    "isolation.level": "what a transaction has undone must not be read",
    "enable.partition.eof": _EVENTS,
    "delivery.report.only.error": _EVENTS,
    "enabled_events": _EVENTS,
    "transactional.id": "Penstock names its transactions, to end those of a dead process",
    "enable.idempotence": _ONCE,
    "acks": _ONCE,
    "request.required.acks": _ONCE,
    "partitioner": _KEYS,
    "queue.buffering.max.messages": _BOUNDS,
    "queue.buffering.max.kbytes": _BOUNDS,
    "message.max.bytes": _SIZE,
    "default.topic.config": "write the options themselves",
}
"""What neither ``client`` nor ``producer`` nor ``consumer`` may hold."""

TOPIC_OPTIONS: Final[Mapping[str, str]] = {
    "cleanup.policy": "Penstock says which topics are compacted",
    "max.message.bytes": _SIZE,
    "message.timestamp.type": "time is the broker's, which every record is stamped with",
}
"""What ``topic`` may not hold."""


def reason_against(name: str, owned: Mapping[str, str]) -> str | None:
    """Why an option must not be written, None when it may."""
    if name.endswith(("_cb", ".cb")) or name in ("logger", "on_delivery"):
        return "it is code, which a file cannot hold"
    return owned.get(name)
