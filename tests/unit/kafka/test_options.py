"""What the section ``transport`` may hold, and what is said of what it may not."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from penstock.core.config import Config
from penstock.core.config.load import load_config
from penstock.core.plugins.errors import PluginsError
from penstock.core.plugins.manager import assemble
from penstock.transports.kafka import KafkaOptions
from penstock.transports.kafka.options import unique_instance
from penstock.transports.kafka.owned import CLIENT_OPTIONS, TOPIC_OPTIONS

PAGE = Path(__file__).parents[3] / "docs/how-to/connect-to-kafka.md"
BROKER = "bootstrapServers: 127.0.0.1:9092"
SASL = "protocol: sasl_ssl"
PASSWORD = "password: {env: KAFKA_PASSWORD}"


def options(**given: Any) -> KafkaOptions:
    return KafkaOptions.model_validate({"bootstrapServers": "127.0.0.1:9092", **given})


def test_the_defaults() -> None:
    made = options()
    assert (made.prefix, made.namespace, made.root) == ("penstock", "default", "penstock.default")
    assert (made.lease_ms, made.beat_ms) == (1_600, 500)
    assert made.max_record_bytes == 1_048_588
    assert made.replication is None
    assert made.security.protocol == "plaintext"


def test_each_process_has_a_name_of_its_own() -> None:
    assert unique_instance() != unique_instance()
    assert options().instance != options().instance
    assert options(instance="one").instance == "one"


def problems_of(tmp_path: Path, *lines: str) -> list[str]:
    """What is wrong with a config file whose section transport has these lines."""
    path = tmp_path / "penstock.yaml"
    path.write_text("\n".join(["transport:", *(f"  {x}" for x in ("kind: kafka", *lines)), ""]))
    with pytest.raises(PluginsError) as caught:
        assemble(load_config(path))
    return [str(each).removeprefix(str(path)) for each in caught.value.problems]


def test_the_plug_in_takes_the_section(tmp_path: Path) -> None:
    path = tmp_path / "penstock.yaml"
    path.write_text(f"transport:\n  kind: kafka\n  {BROKER}\n  prefix: acme.ml\n")
    made = assemble(load_config(path)).options("kafka")
    assert isinstance(made, KafkaOptions)
    assert made.root == "acme.ml.default"


def test_nothing_is_asked_of_who_does_not_use_it() -> None:
    assemble(Config())


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ((), ":2:3: transport.bootstrapServers: this key is required"),
        ((BROKER, "prefix: .x"), ":4:11: transport.prefix: must be of the form"),
        ((BROKER, "replication: 0"), ":4:16: transport.replication: must be at least 1, not 0"),
        ((BROKER, "maxRecordBytes: 10"), ":4:19: transport.maxRecordBytes: must be at least 1000"),
        ((BROKER, "leaseMs: 900"), "leaseMs is 900, and beatMs 500; a lease must last for two"),
        (
            (BROKER, "client:", "  group.id: x"),
            ":5:15: transport.client[\"group.id\"]: 'group.id' cannot be set here: Penstock shares",
        ),
        (
            (BROKER, "producer: {transactional.id: x}"),
            "Penstock names its transactions, to end those of a dead process",
        ),
        ((BROKER, "client: {error_cb: x}"), "it is code, which a file cannot hold"),
        (
            (BROKER, "topic: {cleanup.policy: compact}"),
            "Penstock says which topics are compacted",
        ),
        ((BROKER, "topic: {retention.ms: [1]}"), 'transport.topic["retention.ms"]: must be'),
        (
            (BROKER, "security:", f"  {SASL}"),
            ":5:5: transport.security: sasl_ssl needs a mechanism; write one",
        ),
        (
            (BROKER, "security:", f"  {SASL}", "  mechanism: PLAIN", "  username: u"),
            "PLAIN takes username and password; write both",
        ),
        (
            (BROKER, f"security: {{{SASL}, mechanism: OAUTHBEARER, username: u, {PASSWORD}}}"),
            "OAUTHBEARER takes token or oidc; write one of them",
        ),
        (
            (BROKER, "security: {protocol: ssl, certificateFile: a.pem}"),
            "certificateFile and keyFile belong together; write both, or none",
        ),
        (
            (BROKER, "security: {protocol: ssl, keyPassword: {env: X}}"),
            "keyPassword is for keyFile; write that as well",
        ),
        (
            (BROKER, "security: {protocol: sasl_plaintext, caFile: a.pem}"),
            "caFile has no effect with sasl_plaintext; write ssl or sasl_ssl",
        ),
        (
            (BROKER, "security: {username: u}"),
            "username has no effect with plaintext; write sasl_plaintext or sasl_ssl",
        ),
        ((BROKER, "security: {password: secret}"), "transport.security.password: must be a"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(
    tmp_path: Path, lines: tuple[str, ...], problem: str
) -> None:
    [said] = problems_of(tmp_path, *lines)
    assert problem in said


def test_librdkafka_is_asked_about_every_option(tmp_path: Path) -> None:
    pytest.importorskip("confluent_kafka")
    said = problems_of(
        tmp_path,
        BROKER,
        "client: {socket.keepalive.enable: true, bogus.option: 1}",
        "producer: {linger.ms: -4, compression.type: lz4}",
        "consumer: {fetch.min.bytes: many}",
    )
    assert len(said) == 3
    assert ':4:57: transport.client["bogus.option"]: no such configuration property' in said[0]
    assert 'transport.producer["linger.ms"]: configuration property' in said[1]
    assert "outside allowed range" in said[1]
    assert 'transport.consumer["fetch.min.bytes"]: invalid value' in said[2]


def documented() -> list[str]:
    """The YAML on the page about connecting, each with what the section begins with."""
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    begin = f"transport:\n  kind: kafka\n  {BROKER}\n"
    return [text if text.startswith("transport:") else begin + text for text in blocks]


@pytest.mark.parametrize("text", documented())
def test_what_is_documented_is_taken(tmp_path: Path, text: str) -> None:
    path = tmp_path / "penstock.yaml"
    path.write_text(text)
    assert isinstance(assemble(load_config(path)).options("kafka"), KafkaOptions)


@pytest.mark.parametrize("section", ["client", "producer", "consumer"])
@pytest.mark.parametrize("name", CLIENT_OPTIONS)
def test_what_penstock_sets_is_refused(section: str, name: str) -> None:
    with pytest.raises(ValidationError, match="cannot be set here"):
        options(**{section: {name: "1"}})


@pytest.mark.parametrize("name", TOPIC_OPTIONS)
def test_what_penstock_sets_of_topics_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="cannot be set here"):
        options(topic={name: "1"})
