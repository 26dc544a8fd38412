"""The properties of a broker that we start, and of the one in a container."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from penstock.transports.kafka.broker.jars import kafka_version
from penstock.transports.kafka.broker.listeners import Listener, plain
from penstock.transports.kafka.broker.properties import Place, escaped, server_properties

COMPOSE = Path(__file__).parents[3] / "deploy" / "kafka" / "compose.yaml"


def place(node_id: int) -> Place:
    ports = {"PLAINTEXT": 9091 + node_id, "USERS": 9190 + node_id}
    return Place(node_id, 9290 + node_id, ports, Path(f"/kept/broker-{node_id}"))


def read(text: str) -> dict[str, str]:
    """A properties file as Java reads it, but for what is escaped; the last line of a key wins."""
    lines = (line for line in text.splitlines() if line and not line.startswith("#"))
    return {key: value for key, _, value in (line.partition("=") for line in lines)}


def test_one_of_three_names_them_all_and_keeps_copies_as_a_stock_broker_does() -> None:
    cluster = [place(1), place(2), place(3)]
    properties = read(server_properties(cluster[1], cluster, [Listener("USERS")], {}))
    assert properties["node.id"] == "2"
    assert properties["controller.quorum.voters"] == (
        "1@127.0.0.1:9291,2@127.0.0.1:9292,3@127.0.0.1:9293"
    )
    listeners = "PLAINTEXT://127.0.0.1:9093,USERS://127.0.0.1:9192"
    assert properties["advertised.listeners"] == listeners
    assert properties["listeners"] == f"{listeners},CONTROLLER://127.0.0.1:9292"
    assert properties["log.dirs"] == "/kept/broker-2/records"
    assert not [key for key in properties if "replication" in key]


def test_one_alone_keeps_one_copy() -> None:
    properties = read(server_properties(place(1), [place(1)], [], {}))
    copies = {key: value for key, value in properties.items() if "replication" in key}
    assert len(copies) == 3
    assert set(copies.values()) == {"1"}


def test_what_is_asked_for_wins() -> None:
    asked = {"group.initial.rebalance.delay.ms": "3000", "message.max.bytes": "3000000"}
    properties = read(server_properties(place(1), [place(1)], [], asked))
    assert asked.items() <= properties.items()


def test_a_listener_has_settings_of_its_own() -> None:
    users = plain("USERS", {"alice": 'so "quoted"'})
    properties = read(server_properties(place(1), [place(1)], [users], {}))
    assert "USERS:SASL_PLAINTEXT" in properties["listener.security.protocol.map"]
    assert properties["listener.name.users.sasl.enabled.mechanisms"] == "PLAIN"
    jaas = properties["listener.name.users.plain.sasl.jaas.config"]
    assert jaas.endswith(r'required user_alice="so \\"quoted\\"";')


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("plain text", "plain text"),
        ("a\\b", r"a\\b"),
        ("two\nlines\r", r"two\nlines\r"),
        ("é€", r"\u00e9\u20ac"),
        ("\U0001f600", r"\ud83d\ude00"),
    ],
)
def test_values_are_written_as_java_reads_them(value: str, expected: str) -> None:
    assert escaped(value) == expected


def test_the_container_is_the_same_broker() -> None:
    service = yaml.safe_load(COMPOSE.read_text())["services"]["kafka"]
    assert service["image"] == f"apache/kafka:{kafka_version()}"
    named = {
        key.removeprefix("KAFKA_").replace("_", ".").lower(): str(value)
        for key, value in service["environment"].items()
    }
    ours = read(server_properties(place(1), [place(1)], [], {}))
    assert named.keys() == ours.keys()
    placed = {key for key in named if named[key] != ours[key]}
    assert placed == {
        "advertised.listeners",
        "controller.quorum.voters",
        "listeners",
        "log.dirs",
    }
