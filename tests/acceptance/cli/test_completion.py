"""What shells complete, by click's protocol and in the shells that are installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.command_line import Penstock

PROGRAM = "import sys; from penstock.core.cli import main; sys.exit(main())"


def completed(penstock: Penstock, *words: str) -> list[str]:
    """What fits the last word, as bash would be told."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={
            **os.environ,
            "PENSTOCK_SERVER": penstock.grpc,
            "_PENSTOCK_COMPLETE": "bash_complete",
            "COMP_WORDS": " ".join(("penstock", *words)),
            "COMP_CWORD": str(len(words)),
        },
    )
    assert done.stderr == ""
    return [line.partition(",")[2] for line in done.stdout.split()]


def test_commands_and_options(penstock: Penstock) -> None:
    assert completed(penstock, "inf") == ["infer"]
    assert "--in-flight" in completed(penstock, "bench", "--in")


@pytest.mark.parametrize("command", ["infer", "bench"])
def test_names_of_targets(penstock: Penstock, command: str) -> None:
    assert completed(penstock, command, "--server", penstock.rest, "p") == ["pair"]
    over_grpc = completed(penstock, command, "--grpc", "--server", penstock.grpc, "o")
    assert over_grpc == ["one"]


@pytest.mark.parametrize("command", ["get", "delete"])
def test_kinds_and_their_names(penstock: Penstock, command: str) -> None:
    assert completed(penstock, command, "pi") == ["pipeline"]
    assert completed(penstock, command, "pipeline", "p") == ["pair"]
    assert completed(penstock, command, "model", "p") == []


@pytest.mark.parametrize("command", ["inspect", "deadletters"])
def test_pipelines_of_an_option(penstock: Penstock, command: str) -> None:
    assert completed(penstock, command, "--pipeline", "p") == ["pair"]


@pytest.mark.parametrize(
    "words", [("infer", "--server", "127.0.0.1:1", "p"), ("get", "model", "o")]
)
def test_without_a_server_there_is_nothing_and_no_word_of_it(
    alone: Penstock, words: tuple[str, ...]
) -> None:
    began_s = time.monotonic()
    assert completed(alone, *words) == []
    assert time.monotonic() - began_s < 20.0


def test_a_shell_that_is_not_known(alone: Penstock) -> None:
    done = alone("completion", "csh")
    assert done.code == 2
    assert "'csh' is not one of 'bash', 'zsh', 'fish'" in done.err


@pytest.fixture
def command(tmp_path: Path) -> Path:
    """``penstock`` as a program on a path of its own."""
    program = tmp_path / "bin" / "penstock"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\n{PROGRAM}\n")
    program.chmod(0o755)
    return program


SCRIPTS = {
    "bash": 'eval "$(penstock completion bash)"; COMP_WORDS=(penstock get pipeline p); '
    "COMP_CWORD=3; _penstock_completion penstock; echo ${COMPREPLY[@]}",
    "zsh": 'eval "$(penstock completion zsh)"; '
    "env COMP_WORDS='penstock get pipeline p' COMP_CWORD=3 _PENSTOCK_COMPLETE=zsh_complete "
    "penstock",
    "fish": "penstock completion fish | source; complete -C'penstock get pipeline p'",
}


@pytest.mark.parametrize("shell", SCRIPTS)
def test_in_a_real_shell(penstock: Penstock, command: Path, shell: str) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    done = subprocess.run(
        [program, "-c", SCRIPTS[shell]],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={
            **os.environ,
            "PATH": f"{command.parent}{os.pathsep}{os.environ['PATH']}",
            "PENSTOCK_SERVER": penstock.grpc,
        },
    )
    assert "pair" in done.stdout.split(), done.stderr


@pytest.mark.parametrize("shell", SCRIPTS)
def test_a_script_for_each_shell(alone: Penstock, shell: str) -> None:
    done = alone("completion", shell)
    assert done.code == 0
    assert "_PENSTOCK_COMPLETE" in done.out
