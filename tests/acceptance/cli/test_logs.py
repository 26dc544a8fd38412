"""``penstock logs`` against a running server."""

from __future__ import annotations

import json
import subprocess
import sys

from harness.command_line import Penstock

PROGRAM = "import sys; from penstock.core.cli import main; sys.exit(main())"
NOISY = """\
kind: Model
metadata: {name: noisy}
spec: {python: "models:nowhere"}
"""


def test_lines_about_one_model(penstock: Penstock) -> None:
    (penstock.folder / "noisy.yaml").write_text(NOISY)
    assert penstock("apply", "noisy.yaml").code == 0
    assert penstock("status", "--wait").code == 3
    done = penstock("logs", "model", "noisy", "--level", "warning")
    assert done.code == 0
    [line] = done.out.splitlines()
    assert "warning" in line
    assert "version 1 could not be loaded" in line
    assert "model=noisy" in line
    lines = [json.loads(each) for each in penstock("logs", "-o", "json").out.splitlines()]
    assert {"model 'one', version 1 serves", "pipeline 'pair', version 1 serves"} <= {
        each["message"] for each in lines
    }
    assert all(each["about"].get("model") != "one" for each in lines if each["level"] != "info")
    assert penstock("delete", "model", "noisy").code == 0


def test_lines_are_followed(penstock: Penstock) -> None:
    (penstock.folder / "noisy.yaml").write_text(NOISY)
    words = ["logs", "model", "noisy", "--follow", "--since", "1s", "-o", "json"]
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *words, "--server", penstock.grpc],
        stdout=subprocess.PIPE,
        text=True,
    ) as following:
        try:
            assert penstock("apply", "noisy.yaml").code == 0
            assert following.stdout is not None
            line = json.loads(following.stdout.readline())
            assert line["about"]["model"] == "noisy"
        finally:
            following.kill()
    assert penstock("delete", "model", "noisy").code == 0


def test_kinds_that_are_not_logged_about(penstock: Penstock) -> None:
    done = penstock("logs", "modle")
    assert done.code == 1
    assert "did you mean 'model'?" in done.err
    assert penstock("logs", "--since", "yesterday").code == 2
