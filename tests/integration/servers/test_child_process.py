"""Programs as children under a guard: real processes."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from penstock.core.children.output import Output
from penstock.core.children.process import ChildProcess
from penstock.core.errors import NotReadyError

PATIENCE_S = 20.0

WITH_A_CHILD = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
child.wait()
"""

STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(600)
"""

LEFT_ALONE = """
import asyncio, os, signal, sys
from pathlib import Path
from penstock.core.children.output import Output
from penstock.core.children.process import ChildProcess

async def main():
    output = Output("s")
    command = [sys.executable, "-c", sys.argv[1]]
    options = dict(environment={}, folder=Path.cwd(), output=output, grace_s=0.1)
    child = await ChildProcess.start(command, **options)
    while not output.last:
        await asyncio.sleep(0.01)
    print(child.pid, *output.last, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


async def start(
    folder: Path, code: str, output: Output | None = None, *, grace_s: float = 10.0
) -> ChildProcess:
    return await ChildProcess.start(
        [sys.executable, "-c", code],
        environment={"PENSTOCK_TEST": "yes"},
        folder=folder,
        output=output or Output("s"),
        grace_s=grace_s,
    )


async def first_line(output: Output) -> str:
    async with asyncio.timeout(PATIENCE_S):
        while not output.last:  # noqa: ASYNC110 - another process prints it
            await asyncio.sleep(0.01)
    return output.last[0]


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def ends(pid: int) -> bool:
    """Whether a process ends soon."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        if is_over(pid):
            return True
        time.sleep(0.02)
    return False


def is_over(pid: int) -> bool:
    """Whether a process has ended; nobody may have asked how."""
    try:
        return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


async def test_what_it_prints_is_passed_on_and_how_it_ends_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PYTHONPATH", "/of/this/process")
    caplog.set_level("INFO")
    code = """
import os, sys
print(os.environ["PENSTOCK_TEST"], os.environ.get("PYTHONPATH"), os.getcwd())
print("to the other", file=sys.stderr)
sys.stdout.write("no end")
sys.exit(3)
"""
    output = Output("s")
    child = await start(tmp_path, code, output)
    assert await child.ended() == "ended with status 3"
    assert child.how == "ended with status 3"
    assert set(output.last) == {f"yes None {tmp_path}", "to the other", "no end"}
    said = [record for record in caplog.records if record.message == f"s: yes None {tmp_path}"]
    assert [record.server for record in said] == ["s"]  # type: ignore[attr-defined]  # an extra
    assert child.memory_bytes() is None


async def test_its_own_children_end_with_it(tmp_path: Path) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        output = Output("s")
        child = await start(tmp_path, WITH_A_CHILD, output)
        grandchild = int(await first_line(output))
        both = child.memory_bytes()
        assert both is not None
        assert both > 4e6
        os.kill(child.pid, number)
        assert await child.ended() == f"was ended by {number.name}"
        assert await asyncio.to_thread(ends, grandchild)


async def test_it_is_told_to_end_and_then_made_to(tmp_path: Path) -> None:
    output = Output("s")
    child = await start(tmp_path, STUBBORN, output, grace_s=0.2)
    await first_line(output)
    assert await child.ended(0.05) is None
    assert await child.terminate() == "was ended by SIGKILL"
    polite = await start(tmp_path, "import time; time.sleep(600)")
    assert await polite.terminate() == "was ended by SIGTERM"


async def test_it_can_be_killed_while_it_stands_still(tmp_path: Path) -> None:
    child = await start(tmp_path, "import time; time.sleep(600)")
    os.kill(child.pid, signal.SIGSTOP)
    child.kill()
    assert await child.ended() == "was ended by SIGKILL"


async def test_it_ends_with_its_guard(tmp_path: Path) -> None:
    output = Output("s")
    child = await start(tmp_path, WITH_A_CHILD, output)
    grandchild = int(await first_line(output))
    guard = await asyncio.to_thread(parent, child.pid)
    os.kill(guard, signal.SIGKILL)
    assert await child.ended() == "was ended with its guard"
    for pid in (child.pid, grandchild):
        assert await asyncio.to_thread(ends, pid)


@pytest.mark.parametrize("code", [WITH_A_CHILD, STUBBORN])
async def test_it_does_not_outlive_a_process_that_is_killed(tmp_path: Path, code: str) -> None:
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", LEFT_ALONE, code],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    pids = [int(word) for word in done.stdout.split() if word.isdigit()]
    assert pids
    for pid in pids:
        assert await asyncio.to_thread(ends, pid)


@pytest.mark.parametrize("command", [["/no/such/program"], ["/etc/passwd"]])
async def test_what_cannot_be_started_is_named(tmp_path: Path, command: Sequence[str]) -> None:
    with pytest.raises(NotReadyError, match=f"'{command[0]}' cannot be started: "):
        await ChildProcess.start(
            command, environment={}, folder=tmp_path, output=Output("s"), grace_s=1.0
        )
    with pytest.raises(NotReadyError, match="cannot be started: "):
        await start(tmp_path / "nowhere", "pass")


@pytest.mark.parametrize("after_s", [0.0, 0.002, 0.02])
async def test_a_start_that_is_given_up_leaves_nothing(tmp_path: Path, after_s: float) -> None:
    code = f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))"
    starting = asyncio.create_task(start(tmp_path, f"{code}; time.sleep(600)", grace_s=0.1))
    await asyncio.sleep(after_s)
    starting.cancel()
    await asyncio.wait([starting])
    if not starting.cancelled():
        # It was quicker.
        await starting.result().terminate()
    written = tmp_path / "pid"
    if written.exists() and written.read_text():
        assert await asyncio.to_thread(ends, int(written.read_text()))
