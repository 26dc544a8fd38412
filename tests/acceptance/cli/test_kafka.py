"""``penstock kafka up``, as people use it."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest
import yaml

from harness.command_line import Penstock
from harness.kafka import need_kafka
from harness.kafka_client import new_topic, went_through, written
from harness.program import PROGRAM, Program, program

LINES = 7
"""What is printed before it serves."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    need_kafka()
    return tmp_path / "kafka"


def pids(up: Program) -> list[int]:
    found = up.started["pids"]
    assert isinstance(found, list)
    return found


def test_it_serves_until_it_is_stopped(folder: Path, tmp_path: Path) -> None:
    with program(tmp_path, "kafka", "up", "--port", "0", "--folder", folder) as up:
        assert went_through({"bootstrap.servers": up.addresses["kafka"]}, "topic")
        up.stop()
    assert (folder / "penstock-kafka.json").exists()


def test_three_go_on_when_one_has_ended(folder: Path, tmp_path: Path) -> None:
    words = ("kafka", "up", "--port", "0", "--brokers", "3", "--fresh", "--folder", folder)
    with program(tmp_path, *words) as up:
        first, *others = pids(up)
        client = {"bootstrap.servers": up.addresses["kafka"]}
        topic = new_topic(client, copies=3)
        os.kill(first, signal.SIGKILL)
        assert written(client, topic, b"meanwhile")
        for other in others:
            os.kill(other, signal.SIGKILL)
        assert up.ended() == 1
        assert "no broker runs any more: broker 1 was ended by SIGKILL" in up.logged()


def test_a_second_signal_forces(folder: Path, tmp_path: Path) -> None:
    with program(tmp_path, "kafka", "up", "--port", "0", "--folder", folder) as up:
        [pid] = pids(up)
        os.kill(pid, signal.SIGSTOP)  # it does not hear that it is to end
        up.signal(signal.SIGINT)
        up.signal(signal.SIGTERM)
        assert up.ended() == 130


def test_it_says_what_to_write_into_penstock_yaml(folder: Path) -> None:
    words = ["kafka", "up", "--port", "0", "--folder", str(folder)]
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *words],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as up:
        assert up.stdout is not None
        said = "".join(islice(up.stdout, LINES))
        up.send_signal(signal.SIGINT)
    assert up.returncode == 0
    assert str(folder) in said
    section = yaml.safe_load(said.partition("penstock.yaml:\n")[2])
    assert section["transport"]["kind"] == "kafka"
    assert f"Kafka is at {section['transport']['bootstrapServers']}, " in said


@pytest.mark.parametrize("words", [("--port", "65535", "--brokers", "3"), ("--brokers", "2")])
def test_what_cannot_be_is_refused(tmp_path: Path, words: tuple[str, ...]) -> None:
    done = Penstock(tmp_path)("kafka", "up", *words)
    assert done.code in (1, 2)
    assert "65535" in done.err or "'2' is not one of" in done.err


def test_without_java_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    done = Penstock(tmp_path)("kafka", "up", "-o", "json")
    assert done.code == 1
    assert done.error["code"] == "not-ready"
    assert "install Java 17 or newer" in done.error["error"]


def test_without_maven_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\necho 'openjdk version \"21.0.1\" 2023-10-17' >&2\n")
    java.chmod(java.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PENSTOCK_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    done = Penstock(tmp_path)("kafka", "up")
    assert done.code == 1
    assert "install Maven" in done.err
    assert "bootstrapServers" in done.err
