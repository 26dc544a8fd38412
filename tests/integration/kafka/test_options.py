"""Clients that are made of the section ``transport``, against the real broker."""

from __future__ import annotations

import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from harness.certificates import certificates
from harness.kafka import need_kafka
from harness.kafka_client import PATIENCE_S, read, written
from penstock.core.records import Port, Record
from penstock.core.tensors import Tensor
from penstock.transports.kafka import KafkaOptions
from penstock.transports.kafka.broker.cluster import ClusterOptions, LocalKafka
from penstock.transports.kafka.broker.listeners import Listener, oauthbearer, plain, scram
from penstock.transports.kafka.client_config import (
    admin_config,
    consumer_config,
    producer_config,
    topic_config,
)
from penstock.transports.kafka.messages import KafkaMessage, encode

USERS = {"alice": "secret"}
LIMIT = 5_000


def options(servers: str, **given: Any) -> KafkaOptions:
    return KafkaOptions.model_validate({"bootstrapServers": servers, **given})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = certificates(tmp_path_factory.mktemp("certificates"), "broker", "client")
    (made / "password").write_text("secret\n")
    (made / "token").write_text(a_token("alice"))
    return made


def a_token(user: str) -> str:
    """A JWT that nobody has signed."""
    parts = ({"alg": "none"}, {"sub": user, "iat": time.time(), "exp": time.time() + 3600})
    texts = (urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
    return ".".join([*texts, ""])


@pytest.fixture(scope="module")
def guarded(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalKafka]:
    need_kafka()
    key, certificate, authority = (folder / each for each in ("broker.key", "broker.pem", "ca.pem"))
    listeners = (
        Listener("TLS").over_tls(key, certificate),
        Listener("MUTUAL").over_tls(key, certificate, clients=authority),
        plain("PLAIN", USERS).over_tls(key, certificate),
        scram("SCRAM256", "SCRAM-SHA-256", USERS),
        scram("SCRAM512", "SCRAM-SHA-512", USERS),
        oauthbearer("OAUTH"),
    )
    place = tmp_path_factory.mktemp("kafka")
    with LocalKafka(place, ClusterOptions(listeners=listeners)) as running:
        yield running


def security(listener: str, folder: Path) -> dict[str, Any]:
    tls = {"protocol": "ssl", "caFile": str(folder / "ca.pem")}
    user = {"username": "alice", "password": {"file": str(folder / "password")}}
    sections: dict[str, dict[str, Any]] = {
        "TLS": tls,
        "MUTUAL": {
            **tls,
            "certificateFile": str(folder / "client.pem"),
            "keyFile": str(folder / "client.key"),
        },
        "PLAIN": {**tls, **user, "protocol": "sasl_ssl", "mechanism": "PLAIN"},
        "SCRAM256": {"protocol": "sasl_plaintext", "mechanism": "SCRAM-SHA-256", **user},
        "SCRAM512": {"protocol": "sasl_plaintext", "mechanism": "SCRAM-SHA-512", **user},
        "OAUTH": {
            "protocol": "sasl_plaintext",
            "mechanism": "OAUTHBEARER",
            "token": {"file": str(folder / "token")},
        },
    }
    return sections[listener]


@pytest.mark.parametrize("listener", ["TLS", "MUTUAL", "PLAIN", "SCRAM256", "SCRAM512", "OAUTH"])
def test_the_section_security_lets_every_client_in(
    guarded: LocalKafka, folder: Path, listener: str
) -> None:
    given = options(guarded.addresses(listener), security=security(listener, folder))
    topic = f"of-{listener}"
    make_topic(given, topic)
    assert written(producer_config(given), topic, b"hello")
    assert read(consumer_config(given), topic) == b"hello"


def make_topic(given: KafkaOptions, topic: str) -> None:
    wanted = NewTopic(topic, 1, config=topic_config(given))
    config: dict[str, Any] = {**admin_config(given)}
    client = AdminClient(config)  # ends what it is asked when nobody holds it
    for made in client.create_topics([wanted]).values():
        made.result(PATIENCE_S)


def a_message(topic: str, nbytes: int) -> KafkaMessage:
    """A message of exactly so many bytes."""

    def with_tensor(size: int) -> KafkaMessage:
        body = (Tensor("x", "UINT8", (size,), bytes(size)),)
        headers = {"x-ü": "ü"}
        return encode(
            topic, Record("r", b"k", "p", 1, Port(None, "inputs"), 0, body, {}, headers, 9.0)
        )

    return with_tensor(LIMIT // 2 + nbytes - with_tensor(LIMIT // 2).nbytes)


@pytest.mark.parametrize(("nbytes", "code"), [(LIMIT, None), (LIMIT + 1, "MSG_SIZE_TOO_LARGE")])
def test_a_size_is_what_the_broker_counts(kafka: LocalKafka, nbytes: int, code: str | None) -> None:
    topic = f"sized-{nbytes}"
    make_topic(options(kafka.bootstrap_servers, maxRecordBytes=LIMIT), topic)
    message = a_message(topic, nbytes)
    assert message.nbytes == nbytes
    # One that lets more through, so that the broker is asked.
    config = producer_config(options(kafka.bootstrap_servers))
    assert sent(Producer(config), topic, message) == code


def sent(producer: Producer, topic: str, message: KafkaMessage) -> str | None:
    """None when it was taken, else the error's name."""
    errors: list[KafkaError | None] = []
    producer.produce(
        topic,
        message.value,
        message.key,
        headers=list(message.headers),
        on_delivery=lambda error, _: errors.append(error),
    )
    producer.flush(PATIENCE_S)
    [error] = errors
    return None if error is None else error.name()
