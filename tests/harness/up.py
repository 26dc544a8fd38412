"""``penstock up`` in a process of its own, as people start it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

STOP_S = 30.0
"""How long a stop may take; only one that hangs takes so long."""


@contextmanager
def penstock_up(
    folder: Path, *manifests: Path, config: str | None = None
) -> Iterator[dict[str, str]]:
    """The addresses (``rest``, ``grpc``) of a server in ``folder`` that has everything ready.

    ``config`` is the text of its config file. Fails when it does not get ready, or does not stop in
    peace at the end.
    """
    program = "import sys; from penstock.core.cli import main; sys.exit(main())"
    words = ["--rest-port", "0", "--grpc-port", "0"]
    if config is not None:
        (folder / "penstock.yaml").write_text(config)
        words += ["-c", "penstock.yaml"]
    with (folder / "log").open("w+") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", program, "up", "-o", "json", *words, *manifests],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        assert process.stdout is not None
        try:
            addresses = event(process.stdout, "started", log)["addresses"]
            assert isinstance(addresses, dict)
            ready = event(process.stdout, "ready", log)
            assert not ready["not_ready"], ready["not_ready"]
            yield addresses
            process.send_signal(signal.SIGTERM)
            code = process.wait(STOP_S)
            assert code == 0, shown(log)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


def event(lines: IO[str], name: str, log: IO[str]) -> dict[str, object]:
    """The next document of the output, which must be the event ``name``."""
    text = ""
    for line in lines:
        text += line
        try:
            document: dict[str, object] = json.loads(text)
        except ValueError:
            continue
        assert document["event"] == name, document
        return document
    raise AssertionError(f"the server ended before it was {name}: {text}{shown(log)}")


def shown(log: IO[str]) -> str:
    """What the server logged."""
    log.seek(0)
    return log.read()
