"""The compose file of the broker, as far as one comes without containers: what is in the image is
run with what the file says.

Apache's image makes the broker's properties out of its environment, and formats the storage, with
a program that is among the jars that ``penstock kafka up`` fetches. It is the same version, which
``test_broker_properties`` sees to.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from acceptance.test_docs import REPOSITORY
from acceptance.test_roles_on_kafka import answers_in, write_config
from harness.kafka import need_kafka
from harness.program import program
from integration.gateways.rig import PORTS, chain, client_of, times, value_of, write
from penstock.core.free_ports import free_ports
from penstock.transports.kafka import KafkaOptions
from penstock.transports.kafka.broker.cluster import QUICK, quietly
from penstock.transports.kafka.broker.jars import kafka_jars, kafka_version
from penstock.transports.kafka.broker.java import find_java
from penstock.transports.kafka.broker.process import BrokerProcess

pytest.importorskip("confluent_kafka", reason="penstock[kafka] is not installed")

COMPOSE = REPOSITORY / "deploy/kafka/compose.yaml"
SETUP = "kafka.docker.KafkaDockerWrapper"
"""What the image runs before the broker."""

CLUSTER = "5L6g3nShT-eMCtK--X86sw"
"""The image's own default of CLUSTER_ID."""

PORT, CONTROLLER_PORT, RECORDS = "9092", "9093", "/var/lib/kafka/data"
"""What has to be others here: the ports, and the folder of the volume."""

SCRIPTS = {
    "/opt/kafka/bin/kafka-broker-api-versions.sh": "org.apache.kafka.tools.BrokerApiVersionsCommand"
}
"""What a script of the image runs."""

COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"
PATIENCE_S = 90.0


def service() -> Mapping[str, Any]:
    """The broker of the file."""
    described: Mapping[str, Any] = yaml.safe_load(COMPOSE.read_text())["services"]["kafka"]
    return described


def environment() -> dict[str, str]:
    """That of the container, which is text in the end."""
    return {name: str(value) for name, value in service()["environment"].items()}


class Container:
    """What the container would run, at other ports and in a folder."""

    def __init__(self, folder: Path) -> None:
        own, controller = map(str, free_ports(2))
        self._folder = folder
        self._here = {PORT: own, CONTROLLER_PORT: controller, RECORDS: str(folder / "records")}

    def here(self, text: str) -> str:
        """A text of the file, with the ports and the folder of here."""
        return re.sub("|".join(self._here), lambda found: self._here[found[0]], text)

    def has_kept(self, topic: str) -> bool:
        """Whether the volume has records of a topic."""
        return any(Path(self.here(RECORDS)).glob(f"{topic}-*"))

    def java(self, *words: str, jars: Sequence[Path] = ()) -> list[str]:
        """A command that runs something of Kafka's."""
        path = os.pathsep.join([f"{kafka_jars(quietly)}/*", *map(str, jars)])
        return [str(find_java()), *QUICK, *self._logging, "-cp", path, *words]

    @contextmanager
    def running(self, given: Mapping[str, str]) -> Iterator[None]:
        """The broker in this environment, as soon as it answers."""
        properties = self._set_up({name: self.here(text) for name, text in given.items()})
        with open(os.devnull) as nothing:
            words = self.java("kafka.Kafka", str(properties))
            broker = BrokerProcess(words, self._folder, 5.0, nothing.fileno())
        try:
            broker.started.result(PATIENCE_S)
            yield
        finally:
            broker.kill()
            broker.ended.result(PATIENCE_S)

    def _set_up(self, given: Mapping[str, str]) -> Path:
        """The broker's properties, made by the image's program, which formats the folder too."""
        folders = []
        for kind in ("default", "mounted", "final"):
            (self._folder / kind).mkdir()
            folders += [f"--{kind}-configs-dir", str(self._folder / kind)]
        done = subprocess.run(
            self.java(SETUP, "setup", *folders),
            env={"PATH": os.environ["PATH"], "CLUSTER_ID": CLUSTER, **given},
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return self._folder / "final" / "server.properties"

    @property
    def _logging(self) -> Sequence[str]:
        return (
            f"-Dlog4j2.configurationFile={REPOSITORY}/transports/kafka/broker/log4j2.properties",
            f"-Dpenstock.log={self._folder / 'log'}",
        )


@pytest.fixture
def container(tmp_path: Path) -> Container:
    need_kafka()
    return Container(tmp_path)


def tools(folder: Path) -> Sequence[Path]:
    """What is in the image, and is no part of a broker."""
    name = f"kafka-tools-{kafka_version()}.jar"
    if (kafka_jars(quietly) / name).exists():
        return ()
    artifact = f"-Dartifact=org.apache.kafka:kafka-tools:{kafka_version()}"
    subprocess.run(
        ["mvn", "-q", "-B", COPY, artifact, f"-DoutputDirectory={folder}"],
        check=True,
        timeout=PATIENCE_S,
    )
    return (folder / name,)


def is_healthy(container: Container, folder: Path) -> None:
    """Run what the file says about health."""
    script, *words = shlex.split(container.here(service()["healthcheck"]["test"]))
    done = subprocess.run(
        container.java(SCRIPTS[script], *words, jars=tools(folder)),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert container.here("127.0.0.1:9092 (id: 1") in done.stdout


async def test_a_broker_with_the_environment_of_the_file_serves(
    container: Container, tmp_path: Path
) -> None:
    options = KafkaOptions(bootstrap_servers=container.here("127.0.0.1:9092"))
    pipeline = chain("p", "a").replace("output:", "delivery: exactly-once, output:")
    with container.running(environment()):
        is_healthy(container, tmp_path / "tools")
        config = write_config(tmp_path / "up", options)
        manifests = write(tmp_path / "up", times("a", 2), pipeline)
        with program(tmp_path / "up", "up", *PORTS, "-c", config, manifests) as served:
            served.ready()
            async with client_of(served.grpc) as client:
                assert await value_of(client, "p") == 2.0
            served.stop()
        assert list((await answers_in(options, "p")).values()) == [1]
        assert container.has_kept(f"{options.root}.pipeline.p.outputs")


def test_compose_takes_the_file() -> None:
    if shutil.which("docker-compose") is None:
        pytest.skip("docker-compose is not installed")
    rendered = subprocess.run(
        ["docker-compose", "-f", str(COMPOSE), "config"],
        check=True,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    ).stdout
    found = yaml.safe_load(rendered)["services"]["kafka"]
    assert {name: str(value) for name, value in found["environment"].items()} == environment()
    assert found["image"] == service()["image"]
    assert found["healthcheck"]["test"] == service()["healthcheck"]["test"]
    [port] = found["ports"]
    published = "127.0.0.1:9092:9092"
    assert port in (published, f"{published}/tcp")
    assert found["volumes"] == [f"records:{RECORDS}:rw"]
