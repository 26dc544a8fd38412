"""``penstock bench`` against a running server, over both protocols."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time

import pytest

from harness.command_line import Done, Penstock

SENT = ("--tensor", "x=[1,2]:FP32", "--warm-up", "0")
PROGRAM = "import sys; from penstock.core.cli import main; sys.exit(main())"


@pytest.fixture(params=["--rest", "--grpc"])
def protocol(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def bench(penstock: Penstock, protocol: str, *words: str) -> Done:
    server = penstock.grpc if protocol == "--grpc" else penstock.rest
    return penstock("bench", protocol, "--server", server, *words)


def test_figures_for_programs(penstock: Penstock, protocol: str) -> None:
    done = bench(penstock, protocol, "pair", *SENT, "--requests", "50", "-o", "json")
    assert done.code == 0, done.err
    told = done.document
    assert (told["requests"], told["answered"], told["failed"]) == (50, 50, 0)
    assert (told["mode"], told["protocol"]) == ("closed", protocol.removeprefix("--"))
    assert 0 < told["latency_ms"]["min"] <= told["latency_ms"]["p50"] <= told["latency_ms"]["max"]
    assert told["bytes"]["sent"] > 50 * 8
    assert told["bytes"]["received"] > 50 * 8


def test_a_rate_for_people(penstock: Penstock, protocol: str) -> None:
    done = bench(penstock, protocol, "one", *SENT, "--rate", "200", "--requests", "20")
    assert done.code == 0, done.err
    assert "200 per second, 8 in flight" in done.out
    assert "answers  20 in" in done.out
    assert "p99" in done.out
    assert "this client" in done.out


def test_all_requests_failed(penstock: Penstock, protocol: str) -> None:
    done = bench(penstock, protocol, "broken", *SENT, "--requests", "5")
    assert done.code == 1
    assert "step-failed" in done.out
    assert "RuntimeError: it is broken" in done.out


def test_nobody_is_there(alone: Penstock, protocol: str) -> None:
    done = bench(alone, protocol, "one", *SENT, "--requests", "2", "-o", "json")
    assert done.code == 1
    (error,) = done.document["errors"]
    assert error["code"] == "not-ready"
    assert "no server answers at 127.0.0.1:1" in error["error"]


def test_an_unknown_signature(penstock: Penstock, protocol: str) -> None:
    done = bench(penstock, protocol, "one", "--requests", "2")
    assert done.code == 1
    assert "so none can be made up; say what to send" in done.err


@pytest.mark.parametrize(
    "words", [("--in-flight", "0"), ("--rate", "0"), ("--duration", "-1"), ("--requests", "0")]
)
def test_wrong_use(penstock: Penstock, words: tuple[str, ...]) -> None:
    assert penstock("bench", "one", *words).code == 2


def test_interrupted_it_prints_what_was_measured(penstock: Penstock) -> None:
    words = ["bench", "one", *SENT, "--server", penstock.rest, "--duration", "600"]
    reader, writer = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *words],
        stdout=writer,
        stderr=subprocess.STDOUT,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "120"},
    )
    os.close(writer)
    shown = b""
    deadline_s = time.monotonic() + 30
    while b"of 600 s" not in shown and time.monotonic() < deadline_s:
        shown += os.read(reader, 4096)
    process.send_signal(signal.SIGINT)
    while True:
        try:
            read = os.read(reader, 4096)
        except OSError:  # the other end is closed
            break
        if not read:
            break
        shown += read
    os.close(reader)
    assert process.wait(30) == 130
    text = shown.decode()
    assert "p99" in text, "shown while it ran"
    assert "this client" in text, "printed when it was over"
