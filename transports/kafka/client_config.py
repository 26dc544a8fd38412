"""The options as librdkafka takes them: for what writes, what reads, and what makes topics."""

from __future__ import annotations

from pathlib import Path
from typing import Final, TypeAlias

from penstock.core.credentials.tls import unusable
from penstock.transports.kafka.librdkafka import ClientOptions, option_text
from penstock.transports.kafka.oauth import OauthSource, oauth_source
from penstock.transports.kafka.options import STOCK_RECORD_BYTES, KafkaOptions
from penstock.transports.kafka.security import OidcOptions, SecurityOptions

ClientConfig: TypeAlias = dict[str, str | OauthSource]

_SECTION: Final = "transport.security"

_STRATEGY: Final = "metadata.recovery.strategy"
_TRIGGER: Final = "metadata.recovery.rebootstrap.trigger.ms"
_TRIGGER_MS: Final = 1_000
_WAIT: Final = "fetch.wait.max.ms"

_SHARED_AT_ONCE: Final = 64

_NOT_OF_SHARES: Final = frozenset({"session.timeout.ms", "heartbeat.interval.ms"})
"""Options of consumers that one of a share group refuses: they are the broker's."""

_TRANSACTIONS: Final = {
    # A transaction that waits for a coordinator which the library has forgotten may wait for ever
    # (librdkafka 5511). One that stands still is given up, with its client.
    _STRATEGY: "none",
}


def producer_config(options: KafkaOptions, transactional_id: str | None = None) -> ClientConfig:
    """For what writes: nothing twice, and nothing late for the sake of larger batches. With a
    ``transactional_id``, in transactions."""
    return {
        **_client_config(options),
        **({} if transactional_id is None else _TRANSACTIONS),
        "linger.ms": "0",
        **_texts(options.client),
        **_texts(options.producer),
        "acks": "all",
        "enable.idempotence": "true",
        "message.max.bytes": str(options.max_record_bytes),
        **({} if transactional_id is None else {"transactional.id": transactional_id}),
    }


def consumer_config(options: KafkaOptions, *, fetch_wait_ms: int = 100) -> ClientConfig:
    """For what reads partitions that are assigned by hand. ``group.id`` is the group in whose name
    offsets are committed; the consumer is no member of it. ``fetch_wait_ms`` is how long a fetch
    waits for messages where no option says so: a partition that is added waits for its end."""
    given = {_WAIT: str(fetch_wait_ms), **_texts(options.client), **_texts(options.consumer)}
    return {
        **_client_config(options),
        "fetch.message.max.bytes": str(max(options.max_record_bytes, STOCK_RECORD_BYTES)),
        # A broker answers what is asked after a fetch when that has ended, and not before.
        _TRIGGER: str(_TRIGGER_MS + int(given[_WAIT])),
        **given,
        "group.id": f"{options.root}.dataflow",
        "enable.auto.commit": "false",
        "enable.auto.offset.store": "false",
        # Ends tell of marks of transactions, which are no messages and have offsets.
        "enable.partition.eof": "true",
        "auto.offset.reset": "earliest",
        "isolation.level": "read_committed",
        "message.max.bytes": str(options.max_record_bytes),
    }


def share_config(options: KafkaOptions, group: str) -> ClientConfig:
    """For what is handed out records by a share group, which the broker tells when and from where.

    What is asked for at once is few, so that others get some; the broker hands out whole batches of
    producers all the same.
    """
    config: ClientConfig = {
        **_client_config(options),
        "fetch.message.max.bytes": str(max(options.max_record_bytes, STOCK_RECORD_BYTES)),
        **_texts(options.client),
        **_texts(options.consumer),
        "group.id": group,
        "share.acknowledgement.mode": "explicit",
        "max.poll.records": str(_SHARED_AT_ONCE),
        "message.max.bytes": str(options.max_record_bytes),
    }
    return {name: value for name, value in config.items() if name not in _NOT_OF_SHARES}


def admin_config(options: KafkaOptions) -> ClientConfig:
    """For what makes, changes and deletes topics."""
    return {**_client_config(options), **_texts(options.client)}


def topic_config(options: KafkaOptions, *, compacted: bool = False) -> dict[str, str]:
    """What a topic is made with."""
    return {
        **_texts(options.topic),
        "cleanup.policy": "compact" if compacted else "delete",
        "message.timestamp.type": "LogAppendTime",
        "max.message.bytes": str(options.max_record_bytes),
    }


def _texts(options: ClientOptions) -> dict[str, str]:
    return {name: option_text(value) for name, value in options.items()}


def _client_config(options: KafkaOptions) -> ClientConfig:
    return {
        # Small requests are not to wait for the acknowledgement of those before them.
        "socket.nagle.disable": "true",
        # A broker that is back is to be found at once, and not after up to ten seconds.
        "reconnect.backoff.max.ms": "500",
        # A broker that has just been started says that there are none, and the library believes it:
        # it is to begin at the bootstrap servers then, again if that brings nothing.
        _STRATEGY: "rebootstrap",
        _TRIGGER: str(_TRIGGER_MS),
        "bootstrap.servers": options.bootstrap_servers,
        "client.id": f"penstock-{options.instance}",
        **_security_config(options.security),
    }


def _security_config(security: SecurityOptions) -> ClientConfig:
    """Raises InvalidRequestError for files and secrets that cannot be read."""
    config: ClientConfig = {"security.protocol": security.protocol}
    files = {
        "ssl.ca.location": security.ca_file,
        "ssl.certificate.location": security.certificate_file,
        "ssl.key.location": security.key_file,
    }
    config |= {name: _readable(path) for name, path in files.items() if path is not None}
    if security.key_password is not None:
        config["ssl.key.password"] = security.key_password.secret(f"{_SECTION}.keyPassword")()
    if security.mechanism is not None:
        config["sasl.mechanism"] = security.mechanism
    if security.username is not None and security.password is not None:
        config["sasl.username"] = security.username
        config["sasl.password"] = security.password.secret(f"{_SECTION}.password")()
    if security.token is not None:
        config["oauth_cb"] = oauth_source(security.token.secret(f"{_SECTION}.token"))
    if security.oidc is not None:
        config |= _oidc_config(security.oidc)
    return config


def _oidc_config(oidc: OidcOptions) -> ClientConfig:
    config: ClientConfig = {
        "sasl.oauthbearer.method": "oidc",
        "sasl.oauthbearer.token.endpoint.url": oidc.token_endpoint,
        "sasl.oauthbearer.client.id": oidc.client_id,
        "sasl.oauthbearer.client.secret": oidc.client_secret.secret(
            f"{_SECTION}.oidc.clientSecret"
        )(),
    }
    if oidc.scope is not None:
        config["sasl.oauthbearer.scope"] = oidc.scope
    if oidc.extensions is not None:
        config["sasl.oauthbearer.extensions"] = oidc.extensions
    return config


def _readable(path: Path) -> str:
    """The path of a file of TLS that can be read."""
    try:
        with path.open("rb"):
            return str(path)
    except OSError as error:
        raise unusable(error) from error
