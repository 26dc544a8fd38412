"""Listeners that ask for something answer clients that have it, and no others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from confluent_kafka import KafkaException, Producer

from harness.certificates import certificates
from harness.kafka import need_kafka
from harness.kafka_client import PATIENCE_S, went_through
from penstock.transports.kafka.broker.cluster import ClusterOptions, LocalKafka
from penstock.transports.kafka.broker.listeners import Listener, oauthbearer, plain, scram

USERS = {"alice": 'a "word" \\ of hers', "bob": "bob's"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificates(tmp_path_factory.mktemp("certificates"), "broker", "client")


@pytest.fixture(scope="module")
def guarded(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalKafka]:
    """A broker with a listener of each kind."""
    need_kafka()
    key, certificate, authority = (folder / each for each in ("broker.key", "broker.pem", "ca.pem"))
    listeners = (
        Listener("TLS").over_tls(key, certificate),
        Listener("MUTUAL").over_tls(key, certificate, clients=authority),
        plain("PLAIN", USERS),
        plain("PLAIN_TLS", USERS).over_tls(key, certificate),
        scram("SCRAM256", "SCRAM-SHA-256", {"alice": "secret"}),
        scram("SCRAM512", "SCRAM-SHA-512", {"alice": "other"}),
        oauthbearer("OAUTH"),
    )
    place = tmp_path_factory.mktemp("kafka") / "ungewöhnlich"
    with LocalKafka(place, ClusterOptions(listeners=listeners)) as running:
        yield running


def sasl(mechanism: str, **more: str) -> dict[str, str]:
    named = {f"sasl.{key}": value for key, value in more.items()}
    return {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": mechanism, **named}


def client_of(listener: str, folder: Path) -> dict[str, str]:
    """What a client needs to be let in."""
    tls = {"security.protocol": "SSL", "ssl.ca.location": str(folder / "ca.pem")}
    alice = {"username": "alice", "password": USERS["alice"]}
    return {
        "TLS": tls,
        "MUTUAL": {
            **tls,
            "ssl.key.location": str(folder / "client.key"),
            "ssl.certificate.location": str(folder / "client.pem"),
        },
        "PLAIN": sasl("PLAIN", **alice),
        "PLAIN_TLS": {**tls, **sasl("PLAIN", **alice), "security.protocol": "SASL_SSL"},
        "SCRAM256": sasl("SCRAM-SHA-256", username="alice", password="secret"),
        "SCRAM512": sasl("SCRAM-SHA-512", username="alice", password="other"),
        "OAUTH": {
            **sasl("OAUTHBEARER"),
            "enable.sasl.oauthbearer.unsecure.jwt": "true",
            "sasl.oauthbearer.config": "principal=alice",
        },
    }[listener]


LISTENERS = ("TLS", "MUTUAL", "PLAIN", "PLAIN_TLS", "SCRAM256", "SCRAM512", "OAUTH")


@pytest.mark.parametrize("listener", LISTENERS)
def test_who_has_what_is_asked_for_is_let_in(
    guarded: LocalKafka, folder: Path, listener: str
) -> None:
    client = {"bootstrap.servers": guarded.addresses(listener), **client_of(listener, folder)}
    assert went_through(client, f"of-{listener}")


def wrong_clients(folder: Path) -> Mapping[str, dict[str, str]]:
    """For each listener, one that comes close."""
    return {
        "TLS": {},
        "MUTUAL": client_of("TLS", folder),
        "PLAIN": sasl("PLAIN", username="alice", password=USERS["bob"]),
        "PLAIN_TLS": client_of("PLAIN", folder),
        "SCRAM256": sasl("SCRAM-SHA-256", username="alice", password="other"),
        "SCRAM512": sasl("SCRAM-SHA-512", username="bob", password="other"),
        "OAUTH": sasl("PLAIN", username="alice", password=USERS["alice"]),
    }


@pytest.mark.parametrize("listener", LISTENERS)
def test_who_comes_close_is_not(guarded: LocalKafka, folder: Path, listener: str) -> None:
    errors: list[object] = []
    settings = wrong_clients(folder)[listener]
    address = guarded.addresses(listener)
    client = Producer({"bootstrap.servers": address, "error_cb": errors.append, **settings})
    client.poll(PATIENCE_S)
    assert errors
    with pytest.raises(KafkaException):
        client.list_topics(timeout=0.2)
