"""What the how-to page on other Kafka clients shows, run as it stands there."""

from __future__ import annotations

import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from acceptance.test_docs import REPOSITORY, blocks
from acceptance.test_roles_on_kafka import streams_of, write_config
from harness.program import Program, program
from integration.gateways.rig import PORTS, chain, times, write
from penstock.transports.kafka import KafkaOptions
from penstock.transports.kafka.broker.cluster import LocalKafka

PAGE = REPOSITORY / "docs/how-to/any-kafka-client.md"
PATIENCE_S = 60


@pytest.fixture
def streams(kafka: LocalKafka) -> KafkaOptions:
    """Those of ``served``."""
    return streams_of(kafka)


@pytest.fixture(autouse=True)
def served(streams: KafkaOptions, tmp_path: Path) -> Iterator[Program]:
    """A process that serves the pipeline of the page."""
    config = write_config(tmp_path / "up", streams)
    manifests = write(tmp_path / "up", times("a", 2), chain("p", "a"))
    with program(tmp_path / "up", "up", *PORTS, "-c", config, manifests) as served:
        served.ready()
        yield served


def run(text: str, options: KafkaOptions, *command: str) -> str:
    """A block of the page at this broker, in these streams; what it prints."""
    here = text.replace("127.0.0.1:9092", options.bootstrap_servers)
    here = here.replace("penstock.default.", f"{options.root}.")
    result = subprocess.run(
        [*command, here], capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_requests_may_be_sent_with_kcat(streams: KafkaOptions) -> None:
    if shutil.which("kcat") is None:
        pytest.skip("kcat is not installed")
    send, read = blocks(PAGE, "sh")
    run(send, streams, "bash", "-euo", "pipefail", "-c")
    assert "penstock-request=mine-1" in run(read, streams, "bash", "-euo", "pipefail", "-c")


def test_requests_may_be_sent_with_a_few_lines_of_python(
    streams: KafkaOptions, served: Program
) -> None:
    [text] = blocks(PAGE, "python")
    printed = run(text, streams, sys.executable, "-c")
    assert 'name: "y"' in printed
    assert "raw_output_contents" in printed
    with urllib.request.urlopen(f"{served.addresses['rest']}/metrics", timeout=30) as page:
        # The answer is on its stream, so it is counted.
        counted = 'penstock_pipeline_requests_total{pipeline="p",code="ok"} 1\n'
        assert counted in page.read().decode()
