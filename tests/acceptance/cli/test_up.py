"""``penstock up``: how it starts, how it is stopped, and what it says when it cannot."""

from __future__ import annotations

import contextlib
import http.client
import json
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from harness.command_line import Done, Penstock
from harness.program import event
from penstock.core.free_ports import free_ports

PROGRAM = "import sys; from penstock.core.cli import main; sys.exit(main())"
SLOW = """\
kind: Model
metadata: {name: slow}
spec: {python: "models:slow"}
"""
BODY = {"inputs": [{"name": "x", "datatype": "INT32", "shape": [1], "data": [1]}]}


class Served:
    """A server that is up, which the test stops."""

    def __init__(self, process: subprocess.Popen[str], addresses: dict[str, str]) -> None:
        self.process = process
        self.addresses = addresses

    def ask(self, name: str) -> tuple[int, Any]:
        request = urllib.request.Request(
            f"{self.addresses['rest']}/v2/models/{name}/infer",
            json.dumps(BODY).encode(),
            {"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)


@contextmanager
def up(folder: Path, manifest: str, *, grpc_port: str = "0") -> Iterator[Served]:
    (folder / "up.yaml").write_text(manifest)
    with (folder / "log").open("w+") as log:
        words = ["up", "-o", "json", "--rest-port", "0", "--grpc-port", grpc_port, "up.yaml"]
        process = subprocess.Popen(
            [sys.executable, "-uc", PROGRAM, *words],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        assert process.stdout is not None
        try:
            addresses: Any = event(process.stdout, "started", log)["addresses"]
            event(process.stdout, "ready", log)
            yield Served(process, addresses)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_answers_what_is_under_way(alone: Penstock, how: signal.Signals) -> None:
    with up(alone.folder, SLOW) as served:
        answers: list[tuple[int, Any]] = []
        caller = threading.Thread(target=lambda: answers.append(served.ask("slow")))
        caller.start()
        until_in_flight(served, "slow")
        served.process.send_signal(how)
        assert served.process.wait(30) == 0
        caller.join()
        assert answers[0][0] == 200
        assert answers[0][1]["outputs"][0]["data"] == [1]


def test_who_waits_for_a_server_may_come_before_it(alone: Penstock) -> None:
    [port] = map(str, free_ports(1))
    words = ["status", "--wait", "-o", "json", "--server", f"127.0.0.1:{port}"]
    waiting = subprocess.Popen([sys.executable, "-c", PROGRAM, *words], stdout=subprocess.PIPE)
    with up(alone.folder, SLOW, grpc_port=port):
        shown, _ = waiting.communicate(timeout=60)
    assert waiting.returncode == 0
    assert json.loads(shown)["ready"]


def test_a_second_signal_does_not_wait(alone: Penstock) -> None:
    with up(alone.folder, SLOW.replace("slow", "endless")) as served:
        caller = threading.Thread(target=lambda: ended(served, "endless"))
        caller.start()
        until_in_flight(served, "endless")
        served.process.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            served.process.wait(0.3)
        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait(10) == 130
        caller.join()
    assert "error" not in (alone.folder / "log").read_text()


def test_the_configuration_that_lies_there_is_used_and_named(alone: Penstock) -> None:
    (alone.folder / "penstock.yaml").write_text("defaults: {deadlineMs: 100}\n")
    with up(alone.folder, SLOW) as served:
        status, answer = served.ask("slow")
    assert (status, answer["code"]) == (504, "deadline")
    (alone.folder / "penstock.yaml").write_text("rest: {prot: 1}\n")
    done = refused(alone, "up.yaml")
    assert done.code == 1
    assert "penstock.yaml:1:" in done.err
    assert refused(alone, "-c", "nowhere.yaml", "up.yaml").code == 1
    (alone.folder / "penstock.yaml").write_text("{}\n")
    wrong = SLOW.replace("models:slow", "models:slwo")
    (alone.folder / "up.yaml").write_text(wrong)
    assert refused(alone, "up.yaml").out.startswith("config penstock.yaml\n")


def ended(served: Served, name: str) -> None:
    with contextlib.suppress(OSError, http.client.HTTPException):
        served.ask(name)


def until_in_flight(served: Served, name: str) -> None:
    """Wait until a request to a model is under way."""
    line = f'penstock_model_requests_in_flight{{model="{name}"}} 1'
    end_s = time.monotonic() + 30
    while time.monotonic() < end_s:
        with urllib.request.urlopen(f"{served.addresses['rest']}/metrics", timeout=30) as page:
            if line in page.read().decode().splitlines():
                return
    raise AssertionError(f"no request to {name} got under way")


def refused(penstock: Penstock, *words: str) -> Done:
    return penstock("up", "--rest-port", "0", "--grpc-port", "0", *words)


def test_a_model_that_cannot_be_loaded_ends_it_with_3(alone: Penstock) -> None:
    (alone.folder / "wrong.yaml").write_text(SLOW.replace("models:slow", "models:slwo"))
    done = refused(alone, "wrong.yaml")
    assert done.code == 3
    assert "not ready:" in done.out
    assert "did you mean 'slow'?" in done.out + done.err
    done = refused(alone, "wrong.yaml", "-o", "json")
    assert done.code == 3


def test_a_manifest_with_a_mistake_is_refused_before_anything_starts(alone: Penstock) -> None:
    (alone.folder / "wrong.yaml").write_text(SLOW.replace("python", "pyton"))
    done = refused(alone, "wrong.yaml")
    assert done.code == 1
    assert "wrong.yaml:3:" in done.err
    assert "did you mean 'python'?" in done.err
    assert refused(alone, "nowhere.yaml").code == 1


def test_a_port_that_is_taken_is_named(alone: Penstock) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for option in ("--rest-port", "--grpc-port"):
            done = alone("up", "--rest-port", "0", "--grpc-port", "0", option, port, "served.yaml")
            assert done.code == 1
            assert port in done.err
            assert option in done.err


def test_what_grpc_says_of_its_own_accord_is_not_shown(alone: Penstock) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = alone("up", "--rest-port", "0", "--grpc-port", port, "-o", "json")
    assert done.code == 1
    assert done.error["code"] == "conflict"
    assert len(done.err.splitlines()) == 1


def test_a_broken_configuration_is_refused(alone: Penstock) -> None:
    (alone.folder / "mine.yaml").write_text("rest: {prot: 1}\n")
    done = refused(alone, "-c", "mine.yaml", "served.yaml")
    assert done.code == 1
    assert "mine.yaml:1:" in done.err
    assert "did you mean 'port'?" in done.err
