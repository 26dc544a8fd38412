"""The main program: serve until a signal says stop."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from typing import Any, cast

import pytest

from harness.events import PATIENCE_S, Events
from penstock.core.control import Shortfall
from penstock.core.runtime import Runtime, serve
from penstock.core.signals import StopSignals


class FakeRuntime:
    """Starts and gets ready when the test says so."""

    def __init__(self) -> None:
        self.events = Events()
        self.may_start = asyncio.Event()
        self.may_be_ready = asyncio.Event()
        self.may_stop = asyncio.Event()
        self.may_stop.set()

    async def start(self, manifests: Sequence[Any]) -> dict[str, str]:
        self.events.note("start")
        await self.may_start.wait()
        return {"rest": "http://here"}

    async def wait_ready(self, timeout_s: float) -> list[Shortfall]:
        self.events.note("wait")
        await self.may_be_ready.wait()
        return []

    async def stop(self, *, forced: asyncio.Event) -> None:
        self.events.note("stop")
        done = [asyncio.ensure_future(each.wait()) for each in (forced, self.may_stop)]
        await asyncio.wait(done, return_when=asyncio.FIRST_COMPLETED)
        for each in done:
            each.cancel()
        self.events.note("forced" if forced.is_set() else "stopped")


class Program:
    """``serve`` with what it tells."""

    def __init__(self, runtime: FakeRuntime, *, goes_on: bool = True) -> None:
        self.told: list[object] = []
        self.listening = asyncio.Event()
        self.ready = asyncio.Event()
        self._goes_on = goes_on
        self.task = asyncio.ensure_future(
            serve(
                cast(Runtime, runtime),
                [],
                ready_timeout_s=1.0,
                on_started=self._started,
                on_ready=self._ready,
            )
        )

    def _started(self, addresses: Mapping[str, str]) -> None:
        self.told.append(dict(addresses))
        self.listening.set()

    def _ready(self, shortfalls: Sequence[Shortfall]) -> bool:
        self.told.append(list(shortfalls))
        self.ready.set()
        return self._goes_on

    async def end(self) -> StopSignals:
        return await asyncio.wait_for(self.task, PATIENCE_S)


@pytest.fixture
async def runtime() -> FakeRuntime:
    return FakeRuntime()


def send(number: signal.Signals = signal.SIGTERM) -> None:
    os.kill(os.getpid(), number)


async def test_it_serves_until_a_signal_comes(runtime: FakeRuntime) -> None:
    program = Program(runtime)
    runtime.may_start.set()
    runtime.may_be_ready.set()
    await asyncio.wait_for(program.ready.wait(), PATIENCE_S)
    send(signal.SIGINT)

    signals = await program.end()

    assert program.told == [{"rest": "http://here"}, []]
    assert runtime.events == ["start", "wait", "stop", "stopped"]
    assert signals.first == signal.SIGINT


async def test_a_second_signal_forces(runtime: FakeRuntime) -> None:
    program = Program(runtime)
    runtime.may_start.set()
    runtime.may_stop.clear()
    await asyncio.wait_for(program.listening.wait(), PATIENCE_S)
    send()
    await runtime.events.came("stop")
    send()

    signals = await program.end()

    assert signals.forced.is_set()
    assert runtime.events == ["start", "wait", "stop", "forced"]


async def test_a_signal_during_the_start_cancels_it(runtime: FakeRuntime) -> None:
    program = Program(runtime)
    await runtime.events.came("start")
    send()

    await program.end()

    assert program.told == []
    assert runtime.events == ["start"]


async def test_it_stops_when_what_is_not_ready_is_not_accepted(runtime: FakeRuntime) -> None:
    program = Program(runtime, goes_on=False)
    runtime.may_start.set()
    runtime.may_be_ready.set()

    signals = await program.end()

    assert signals.first is None
    assert runtime.events == ["start", "wait", "stop", "stopped"]


async def test_a_start_that_fails_is_told(runtime: FakeRuntime) -> None:
    async def fail(manifests: Sequence[Any]) -> dict[str, str]:
        raise OSError("the port is taken")

    runtime.start = fail  # type: ignore[method-assign]  # this one fails
    with pytest.raises(OSError, match="the port is taken"):
        await Program(runtime).end()
    assert runtime.events == []
