"""Keeping a server running, in virtual time and without processes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from harness.virtual_time import in_virtual_time
from penstock.core.children.output import Output
from penstock.core.children.supervisor import Charge, Process, Supervisor, Watching
from penstock.core.clock import VirtualClock
from penstock.core.errors import NotReadyError


class FakeProcess(Process):
    def __init__(self) -> None:
        self._how: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.was_killed = False

    @property
    def how(self) -> str | None:
        return self._how.result() if self._how.done() else None

    def end(self, how: str = "ended with status 1") -> None:
        if not self._how.done():
            self._how.set_result(how)

    async def ended(self, timeout_s: float | None = None) -> str | None:
        await asyncio.wait([self._how], timeout=timeout_s)
        return self.how

    async def terminate(self) -> str:
        self.end("was ended by SIGTERM")
        return self._how.result()

    def kill(self) -> None:
        self.was_killed = True
        self.end("was ended by SIGKILL")


class FakeCharge(Charge):
    """A server that is up ``up_after_s`` after its start, and then answers while it may."""

    def __init__(self, clock: VirtualClock, up_after_s: float = 1.0) -> None:
        self._clock = clock
        self.up_after_s = up_after_s
        self.answers = True
        self.refused: str | None = None
        self.events: list[tuple[float, str]] = []
        self.processes: list[FakeProcess] = []
        self._up_at_ms = 0.0

    async def launch(self) -> Process:
        self.note("launched")
        if self.refused is not None:
            raise NotReadyError(self.refused)
        self.processes.append(FakeProcess())
        self._up_at_ms = self._clock.now_ms() + 1000.0 * self.up_after_s
        return self.processes[-1]

    async def lives(self, timeout_s: float) -> bool:
        if not self.answers:
            await asyncio.sleep(timeout_s)
            return False
        return self._clock.now_ms() >= self._up_at_ms

    async def came_up(self) -> None:
        self.note("up")

    async def went_down(self) -> None:
        self.note("down")

    def note(self, event: str) -> None:
        self.events.append((round(self._clock.now_ms() / 1000.0, 1), event))


def supervised(test: Callable[[Supervisor, FakeCharge], Awaitable[None]]) -> None:
    async def main(clock: VirtualClock) -> None:
        charge = FakeCharge(clock)
        watching = Watching(start_s=10.0, look_s=1.0, hang_s=5.0)
        output = Output("s")
        output.feed(b"one\ntwo\n\nthree\nfour\n")
        await test(Supervisor("server 's'", charge, output, watching, clock), charge)
        await no_tasks_left()

    in_virtual_time(main)


def standing(supervisor: Supervisor) -> str:
    return supervisor.life.standing


async def no_tasks_left() -> None:
    [_] = asyncio.all_tasks()


def test_it_is_up_when_it_answers_and_down_when_it_is_stopped() -> None:
    async def test(supervisor: Supervisor, charge: FakeCharge) -> None:
        await supervisor.start()
        assert standing(supervisor) == "up"
        await asyncio.sleep(100.0)
        await supervisor.stop()
        assert standing(supervisor) == "stopped"
        assert [event for _, event in charge.events] == ["launched", "up", "down"]
        assert charge.processes[0].how == "was ended by SIGTERM"

    supervised(test)


def test_it_is_started_again_at_once_and_then_after_pauses() -> None:
    async def test(supervisor: Supervisor, charge: FakeCharge) -> None:
        await supervisor.start()
        pauses = []
        for _ in range(4):
            charge.events.clear()
            charge.processes[-1].end()
            await asyncio.sleep(8.0)
            [(down_s, _), (launched_s, _), _] = charge.events
            pauses.append(round(launched_s - down_s, 1))
        assert pauses == [0.0, 0.5, 1.0, 2.0]
        assert standing(supervisor) == "up"
        await supervisor.stop()

    supervised(test)


def test_one_that_does_not_come_up_is_an_error_with_its_last_words() -> None:
    async def ends(supervisor: Supervisor, charge: FakeCharge) -> None:
        charge.up_after_s = 100.0
        start = asyncio.create_task(supervisor.start())
        await asyncio.sleep(1.0)
        charge.processes[-1].end()
        sentence = (
            r"'s' ended with status 1 before it was up \(its last words: two / three / four\)"
        )
        with pytest.raises(NotReadyError, match=sentence):
            await start

    async def is_slow(supervisor: Supervisor, charge: FakeCharge) -> None:
        charge.up_after_s = 100.0
        with pytest.raises(NotReadyError, match="server 's' was not up within 10 s"):
            await supervisor.start()
        assert charge.processes[-1].was_killed

    async def is_refused(supervisor: Supervisor, charge: FakeCharge) -> None:
        charge.refused = "it is not installed"
        with pytest.raises(NotReadyError, match=r"^it is not installed$"):
            await supervisor.start()
        charge.refused = None

    for test in (ends, is_slow, is_refused):
        supervised(test)


def test_one_that_cannot_be_started_again_is_tried_again() -> None:
    async def test(supervisor: Supervisor, charge: FakeCharge) -> None:
        await supervisor.start()
        charge.refused = "no room"
        charge.processes[-1].end()
        await asyncio.sleep(2.5)
        assert standing(supervisor) == "waiting"
        assert "could not be started: no room" in (supervisor.life.why_not(0.0) or "")
        charge.refused = None
        await asyncio.sleep(10.0)
        assert standing(supervisor) == "up"
        await supervisor.stop()

    supervised(test)


def test_one_that_hangs_is_killed_and_one_that_is_slow_for_a_moment_is_not() -> None:
    async def test(supervisor: Supervisor, charge: FakeCharge) -> None:
        await supervisor.start()
        charge.answers = False
        await asyncio.sleep(4.0)
        charge.answers = True
        await asyncio.sleep(100.0)
        assert len(charge.processes) == 1
        charge.answers = False
        await asyncio.sleep(7.0)
        charge.answers = True
        assert charge.processes[0].was_killed
        assert supervisor.life.how.startswith("gave no sign of life for ")
        await asyncio.sleep(5.0)
        assert standing(supervisor) == "up"
        await supervisor.stop()

    supervised(test)


def test_it_can_be_stopped_at_any_time() -> None:
    async def early(supervisor: Supervisor, charge: FakeCharge) -> None:
        start = asyncio.create_task(supervisor.start())
        await asyncio.sleep(0.5)
        start.cancel()
        await asyncio.wait([start])
        assert charge.processes[0].how == "was ended by SIGTERM"

    async def between(supervisor: Supervisor, charge: FakeCharge) -> None:
        await supervisor.start()
        for _ in range(2):
            charge.processes[-1].end()
            await asyncio.sleep(1.2)
        await supervisor.stop()
        await supervisor.stop()
        assert [event for _, event in charge.events][-1] == "down"

    async def never_started(supervisor: Supervisor, charge: FakeCharge) -> None:
        await supervisor.stop()

    for test in (early, between, never_started):
        supervised(test)


def test_a_defect_ends_the_looking_after_and_is_told() -> None:
    async def test(supervisor: Supervisor, charge: FakeCharge) -> None:
        async def launch() -> Process:
            raise ZeroDivisionError

        charge.launch = launch  # type: ignore[method-assign]  # a defect of the charge
        with pytest.raises(ZeroDivisionError):
            await supervisor.start()
        assert standing(supervisor) == "stopped"

    supervised(test)
