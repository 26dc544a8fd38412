"""Processes that are kept running: real ones, as small as can be."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from penstock.core.errors import NotReadyError
from penstock.core.workers.supervisor import Wires, Workers

WORKER = """\
import os, signal, sys
folder, number, lifeline, say = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
with open(os.path.join(folder, number), "a") as log:
    log.write(f"{os.getpid()}\\n")
signals = []
def asked(*_):
    signals.append(1)
    os.write(say, b"d")
    if len(signals) > 1:
        os._exit(3)
signal.signal(signal.SIGTERM, asked)
os.write(say, b"u")
os.read(lifeline, 1)
"""
DEAF = """\
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.write(int(sys.argv[4]), b"u")
time.sleep(60)
"""


class Rig:
    """Workers, and what they left in a folder."""

    def __init__(self, folder: Path, program: str = WORKER, *, long_pauses: bool = False) -> None:
        self.folder = folder
        self._long_pauses = long_pauses
        self._program = program
        self.pauses: list[float] = []
        self.paused = asyncio.Event()
        self.workers = Workers(2, self._command, sleep=self._sleep)

    def _command(self, number: int, wires: Wires) -> Sequence[str]:
        words = (str(self.folder), str(number), *map(str, wires))
        return [sys.executable, "-c", self._program, *words]

    async def _sleep(self, pause_s: float) -> None:
        self.pauses.append(pause_s)
        self.paused.set()
        if self._long_pauses:
            await asyncio.Event().wait()

    def pids(self, number: int) -> list[int]:
        """Those of all processes of a worker, the first first."""
        return [int(line) for line in (self.folder / str(number)).read_text().split()]


async def test_one_that_ends_is_started_again_and_the_other_goes_on(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.workers.start()
    async with asyncio.timeout(20.0):
        await rig.workers.all_up()
        os.kill(rig.pids(1)[0], signal.SIGKILL)
        await rig.paused.wait()
    await rig.workers.stop(asyncio.Event())
    assert rig.pauses == [0.0]
    assert len(rig.pids(2)) == 1


async def test_none_ends_before_all_have_finished(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.workers.start()
    async with asyncio.timeout(20.0):
        await rig.workers.all_up()
        await rig.workers.stop(asyncio.Event())
    for number in (1, 2):
        [pid] = rig.pids(number)
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


async def test_a_second_signal_ends_those_that_do_not_listen(tmp_path: Path) -> None:
    rig = Rig(tmp_path, DEAF)
    rig.workers.start()
    forced = asyncio.Event()
    async with asyncio.timeout(20.0):
        await rig.workers.all_up()
        stopping = asyncio.ensure_future(rig.workers.stop(forced))
        await asyncio.sleep(0.2)
        assert not stopping.done()
        forced.set()
        await stopping


async def test_one_that_never_gets_up_is_not_waited_for(tmp_path: Path) -> None:
    rig = Rig(tmp_path, "import sys; sys.exit(4)")
    rig.workers.start()
    async with asyncio.timeout(20.0):
        with pytest.raises(NotReadyError, match=r"worker [12] ended with status 4 3 times"):
            await rig.workers.all_up()
        await rig.workers.stop(asyncio.Event())
    assert 0.5 in rig.pauses


async def test_who_pauses_before_its_next_start_keeps_nobody_waiting(tmp_path: Path) -> None:
    rig = Rig(tmp_path, "import sys; sys.exit(4)", long_pauses=True)
    rig.workers.start()
    async with asyncio.timeout(20.0):
        await rig.paused.wait()
        await rig.workers.stop(asyncio.Event())
