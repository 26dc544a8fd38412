"""The options as librdkafka takes them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstock.core.errors import InvalidRequestError, UnsupportedError
from penstock.transports.kafka import KafkaOptions, kafka_transport
from penstock.transports.kafka.client_config import (
    ClientConfig,
    admin_config,
    consumer_config,
    producer_config,
    topic_config,
)
from penstock.transports.kafka.librdkafka import refused_options

Make = Callable[[KafkaOptions], ClientConfig]
ALL = pytest.mark.parametrize("make", [producer_config, consumer_config, admin_config])


def options(**given: Any) -> KafkaOptions:
    given = {"bootstrapServers": "127.0.0.1:9092", "instance": "one", **given}
    return KafkaOptions.model_validate(given)


@ALL
def test_every_client_has_what_is_common(make: Make) -> None:
    config = make(options(client={"socket.keepalive.enable": True}))
    assert config["bootstrap.servers"] == "127.0.0.1:9092"
    assert config["client.id"] == "penstock-one"
    assert config["security.protocol"] == "plaintext"
    assert config["socket.keepalive.enable"] == "true"


STRATEGY = "metadata.recovery.strategy"


@ALL
def test_who_has_lost_all_brokers_begins_at_the_bootstrap_servers(make: Make) -> None:
    assert make(options())[STRATEGY] == "rebootstrap"
    assert make(options(client={STRATEGY: "none"}))[STRATEGY] == "none"


def test_no_consumer_begins_anew_for_what_is_asked_behind_a_fetch() -> None:
    trigger = "metadata.recovery.rebootstrap.trigger.ms"
    assert producer_config(options())[trigger] == "1000"
    assert consumer_config(options(), fetch_wait_ms=3000)[trigger] == "4000"
    longer = options(client={"fetch.wait.max.ms": 5000})
    assert consumer_config(longer, fetch_wait_ms=3000)[trigger] == "6000"
    given = options(consumer={trigger: 700})
    assert consumer_config(given, fetch_wait_ms=3000)[trigger] == "700"


def test_a_transaction_does_not_wait_for_a_coordinator_that_is_forgotten() -> None:
    config = producer_config(options(), "me")
    assert config["transactional.id"] == "me"
    assert config[STRATEGY] == "none"
    other = producer_config(options(producer={STRATEGY: "rebootstrap"}), "me")
    assert other[STRATEGY] == "rebootstrap"


def test_a_producer_writes_nothing_twice_and_nothing_late() -> None:
    config = producer_config(options(maxRecordBytes=5_000_000))
    assert config["enable.idempotence"] == "true"
    assert config["acks"] == "all"
    assert config["linger.ms"] == "0"
    assert config["message.max.bytes"] == "5000000"


def test_a_consumer_commits_nothing_by_itself() -> None:
    config = consumer_config(options(maxRecordBytes=5_000_000))
    assert config["group.id"] == "penstock.default.dataflow"
    assert config["enable.auto.commit"] == config["enable.auto.offset.store"] == "false"
    assert config["isolation.level"] == "read_committed"
    assert config["fetch.message.max.bytes"] == "5000000"


def test_own_options_count_before_those_of_all() -> None:
    given = options(
        client={"linger.ms": 2, "client.id": "c"},
        producer={"linger.ms": 7},
        consumer={"fetch.min.bytes": 9},
    )
    assert producer_config(given)["linger.ms"] == "7"
    assert producer_config(given)["client.id"] == "c"
    assert "fetch.min.bytes" not in producer_config(given)
    assert consumer_config(given)["fetch.min.bytes"] == "9"
    assert "fetch.min.bytes" not in admin_config(given)


@pytest.mark.parametrize(("compacted", "policy"), [(False, "delete"), (True, "compact")])
def test_topics_have_the_broker_s_time_and_our_limit(compacted: bool, policy: str) -> None:
    given = options(topic={"retention.ms": 1_000, "preallocate": False})
    assert topic_config(given, compacted=compacted) == {
        "retention.ms": "1000",
        "preallocate": "false",
        "cleanup.policy": policy,
        "message.timestamp.type": "LogAppendTime",
        "max.message.bytes": "1048588",
    }


# Security -----------------------------------------------------------------------------------------


@ALL
def test_tls_with_a_certificate_of_its_own(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = {name: tmp_path / f"{name}.pem" for name in ("ca", "certificate", "key")}
    for path in paths.values():
        path.touch()
    monkeypatch.setenv("KEY_PASSWORD", "open")
    security = {
        "protocol": "ssl",
        **{f"{name}File": str(path) for name, path in paths.items()},
        "keyPassword": {"env": "KEY_PASSWORD"},
    }
    config = make(options(security=security))
    assert config["ssl.ca.location"] == str(paths["ca"])
    assert config["ssl.certificate.location"] == str(paths["certificate"])
    assert config["ssl.key.location"] == str(paths["key"])
    assert config["ssl.key.password"] == "open"


@ALL
@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_a_user_with_a_password_in_a_file(make: Make, mechanism: str, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("secret\n")
    security = {
        "protocol": "sasl_plaintext",
        "mechanism": mechanism,
        "username": "me",
        "password": {"file": str(tmp_path / "password")},
    }
    config = make(options(security=security))
    assert config["security.protocol"] == "sasl_plaintext"
    assert config["sasl.mechanism"] == mechanism
    assert (config["sasl.username"], config["sasl.password"]) == ("me", "secret")


def with_token(**token: str) -> KafkaOptions:
    security = {"protocol": "sasl_ssl", "mechanism": "OAUTHBEARER", "token": token}
    return options(security=security)


@ALL
def test_a_bearer_token(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_TOKEN", "opaque")
    source = make(with_token(env="KAFKA_TOKEN"))["oauth_cb"]
    assert callable(source)
    assert source("")[0] == "opaque"


@ALL
def test_a_server_that_gives_tokens(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIENT_SECRET", "secret")
    oidc = {
        "tokenEndpoint": "https://login.example.org/token",
        "clientId": "penstock",
        "clientSecret": {"env": "CLIENT_SECRET"},
        "scope": "kafka",
        "extensions": "a=b",
    }
    security = {"protocol": "sasl_ssl", "mechanism": "OAUTHBEARER", "oidc": oidc}
    config = make(options(security=security))
    found = {name: value for name, value in config.items() if "oauthbearer" in name}
    assert found == {
        "sasl.oauthbearer.method": "oidc",
        "sasl.oauthbearer.token.endpoint.url": "https://login.example.org/token",
        "sasl.oauthbearer.client.id": "penstock",
        "sasl.oauthbearer.client.secret": "secret",
        "sasl.oauthbearer.scope": "kafka",
        "sasl.oauthbearer.extensions": "a=b",
    }


def test_a_secret_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KAFKA_PASSWORD", raising=False)
    security = {
        "protocol": "sasl_ssl",
        "mechanism": "PLAIN",
        "username": "me",
        "password": {"env": "KAFKA_PASSWORD"},
    }
    with pytest.raises(
        InvalidRequestError,
        match=r"KAFKA_PASSWORD, which transport\.security\.password\.env names, is not set; set it "
        "to the password",
    ):
        admin_config(options(security=security))


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    missing = str(tmp_path / "ca.pem")
    with pytest.raises(InvalidRequestError, match=r"files of tls cannot be used.*ca\.pem"):
        admin_config(options(security={"protocol": "ssl", "caFile": missing}))


# With librdkafka ----------------------------------------------------------------------------------


@ALL
@pytest.mark.parametrize("limit", [1_000, 1_048_588, 1_000_000_000])
def test_librdkafka_takes_them(make: Make, limit: int, caplog: pytest.LogCaptureFixture) -> None:
    kafka = pytest.importorskip("confluent_kafka")
    admin = pytest.importorskip("confluent_kafka.admin")
    config: dict[str, Any] = {**make(options(maxRecordBytes=limit))}
    # Without the address of a broker it connects to none.
    del config["bootstrap.servers"]
    config["logger"] = logging.getLogger("librdkafka")
    kinds: dict[Make, Callable[[dict[str, Any]], Any]] = {
        producer_config: kafka.Producer,
        consumer_config: kafka.Consumer,
        admin_config: admin.AdminClient,
    }
    client = kinds[make](config)
    client.poll(0)
    if make is consumer_config:
        client.close()
    assert caplog.records == []


def test_options_that_do_not_go_together_are_refused_with_librdkafka_s_words() -> None:
    kafka = pytest.importorskip("confluent_kafka")
    config: dict[str, Any] = {
        **producer_config(options(producer={"max.in.flight": 9})),
        "logger": logging.Logger("silent", logging.CRITICAL),
    }
    with pytest.raises(kafka.KafkaException) as caught:
        kafka.Producer(config)
    refused = refused_options(caught.value)
    assert refused.code == "invalid-request"
    assert "max.in.flight" in refused.message
    assert "\n" not in refused.message


def test_without_the_library_the_transport_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UnsupportedError, match=r"pip install 'penstock\[kafka\]'"):
        kafka_transport(options())
