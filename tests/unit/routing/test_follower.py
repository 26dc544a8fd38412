"""How a gateway follows: it connects again, says what it has to say, and goes on meanwhile."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator

import pytest

from harness.virtual_time import in_virtual_time
from penstock.core.clock import VirtualClock
from penstock.core.contracts.forwarder import Forwarded
from penstock.core.contracts.gateway import ServerMetadata
from penstock.core.control.background import Background
from penstock.core.dataflow import Dataflow
from penstock.core.errors import NotReadyError, PenstockError
from penstock.core.experiments import reports
from penstock.core.experiments.tally import Tallies
from penstock.core.metrics import Metrics
from penstock.core.model_gateway import ModelGateway
from penstock.core.pipeline_gateway import GatewayLimits, PipelineGateway
from penstock.core.routing.copy_servers import CopyServers
from penstock.core.routing.follower import LEAVING_S, SILENT_S, RouteFollower
from penstock.core.routing.route import Acknowledgement, NotReady, Route, RouteKey, Update
from penstock.core.routing.switchboard import Switchboard
from penstock.testing.joins import Joins

MODEL = Route(RouteKey("model", "m"), 1, NotReady(1, "it is being loaded"))


class Scheduler:
    """One that answers to what is said as the test has it."""

    def __init__(self) -> None:
        self.away: PenstockError | None = None
        self.tries_ms: list[float] = []
        self.said: list[Acknowledgement] = []
        self.updates: asyncio.Queue[Update | PenstockError | None] = asyncio.Queue()
        self.clock: VirtualClock | None = None

    async def connect(self, said: AsyncIterator[Acknowledgement]) -> AsyncGenerator[Update]:
        assert self.clock is not None
        self.tries_ms.append(self.clock.now_ms())
        if self.away is not None:
            raise self.away
        hearing = asyncio.create_task(self._hear(said))
        try:
            while (update := await self.updates.get()) is not None:
                if isinstance(update, PenstockError):
                    raise update
                yield update
        finally:
            hearing.cancel()

    async def _hear(self, said: AsyncIterator[Acknowledgement]) -> None:
        async for each in said:
            self.said.append(each)
            if each.leaving:
                self.updates.put_nowait(None)


def follower_of(
    scheduler: Scheduler, clock: VirtualClock, tallies: Tallies | None = None
) -> RouteFollower:
    scheduler.clock = clock
    background, metrics, models = Background(), Metrics(), ModelGateway()
    gateway = PipelineGateway(
        Dataflow(models, metrics, clock),
        metrics,
        clock,
        GatewayLimits(),
        ServerMetadata("", "", ()),
    )

    def make(options: object) -> None:
        raise AssertionError("no copies are told of here")

    servers = CopyServers(make, "grpc://scheduler:1")  # type: ignore[arg-type]  # it makes nothing
    switchboard = Switchboard(
        models, gateway, servers, Joins(), metrics, background, followed=False
    )
    return RouteFollower(
        scheduler.connect,
        switchboard,
        gateway="me",
        scheduler="scheduler:1",
        keep=lambda routes: None,
        tallies=tallies,
        jitter=lambda: 1.0,
    )


def whole(epoch: str, revision: int) -> Update:
    return Update(epoch, revision, (MODEL,), whole=True, settled=True)


def test_what_is_taken_up_is_said(caplog: pytest.LogCaptureFixture) -> None:
    async def main(clock: VirtualClock) -> None:
        scheduler = Scheduler()
        follower = follower_of(scheduler, clock)
        running = asyncio.create_task(follower.run())
        await asyncio.sleep(0.01)
        assert not follower.informed.is_set()
        scheduler.updates.put_nowait(whole("first", 7))
        await follower.informed.wait()
        await asyncio.sleep(0.01)
        assert scheduler.said == [Acknowledgement("me", "", 0), Acknowledgement("me", "first", 7)]
        await follower.leave()
        await running
        assert scheduler.said[-1] == Acknowledgement("me", "first", 7, leaving=True)

    with caplog.at_level(logging.INFO):
        in_virtual_time(main)
    assert [record.getMessage() for record in caplog.records] == [
        "following the scheduler at scheduler:1"
    ]


def test_a_scheduler_that_is_away_is_tried_again_with_pauses_that_grow(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main(clock: VirtualClock) -> None:
        scheduler = Scheduler()
        scheduler.away = NotReadyError("nobody answers there")
        follower = follower_of(scheduler, clock)
        running = asyncio.create_task(follower.run())
        await asyncio.sleep(10.0)
        pauses = [b - a for a, b in zip(scheduler.tries_ms, scheduler.tries_ms[1:], strict=False)]
        assert pauses[:6] == pytest.approx([200.0, 400.0, 800.0, 1600.0, 2000.0, 2000.0])
        scheduler.away = None
        scheduler.updates.put_nowait(whole("first", 7))
        await follower.informed.wait()
        scheduler.updates.put_nowait(None)
        await asyncio.sleep(0.25)
        assert scheduler.tries_ms[-1] - scheduler.tries_ms[-2] < 2_000.0 + 101.0
        running.cancel()

    in_virtual_time(main)
    assert [record.getMessage() for record in caplog.records] == [
        "the scheduler at scheduler:1 is away (nobody answers there); what is known is served, and "
        "it is tried again",
        "the scheduler at scheduler:1 is away (it has ended the connection); what is known is "
        "served, and it is tried again",
    ]


def test_a_scheduler_that_falls_silent_is_connected_to_anew() -> None:
    async def main(clock: VirtualClock) -> None:
        scheduler = Scheduler()
        follower = follower_of(scheduler, clock)
        running = asyncio.create_task(follower.run())
        scheduler.updates.put_nowait(whole("first", 7))
        await follower.informed.wait()
        await asyncio.sleep(SILENT_S + 0.5)
        assert scheduler.tries_ms == pytest.approx([0.0, SILENT_S * 1000.0 + 100.0])
        assert scheduler.said[-1] == Acknowledgement("me", "first", 7), "it says what it knows"
        running.cancel()

    in_virtual_time(main)


def test_what_was_counted_is_sent_once_and_waits_while_the_scheduler_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reports, "ARMS_PER_REPORT", 2)
    tallies = Tallies()

    def count(*arms: str) -> None:
        for arm in arms:
            tallies.count(Forwarded("e", 1, arm, False, 1.0))

    async def main(clock: VirtualClock) -> None:
        scheduler = Scheduler()
        scheduler.away = NotReadyError("nobody answers there")
        follower = follower_of(scheduler, clock, tallies)
        running = asyncio.create_task(follower.run())
        count("a", "b", "c", "a")
        await asyncio.sleep(5.0)
        assert tallies, "nothing is said to nobody"
        scheduler.away = None
        scheduler.updates.put_nowait(whole("first", 7))
        await asyncio.sleep(5.0)
        sent = [said.report.tallies for said in scheduler.said if said.report.number]
        assert [[key.arm for key, _ in each] for each in sent] == [["a", "b"], ["c"]]
        assert sent[0][0][1].requests == 2
        running.cancel()

    in_virtual_time(main)


def test_a_scheduler_that_comes_after_one_that_died_is_told_what_that_had_not_kept() -> None:
    tallies = Tallies()

    def count(arm: str) -> None:
        tallies.count(Forwarded("e", 1, arm, False, 1.0))

    async def main(clock: VirtualClock) -> None:
        scheduler = Scheduler()
        follower = follower_of(scheduler, clock, tallies)
        running = asyncio.create_task(follower.run())
        for number, arm in enumerate("abc"):
            count(arm)
            scheduler.updates.put_nowait(whole("first", 7 + number)._replace(kept=number // 2))
            await asyncio.sleep(0.5)
        scheduler.said.clear()
        scheduler.updates.put_nowait(NotReadyError("it has died"))
        scheduler.updates.put_nowait(whole("second", 1)._replace(kept=1))
        await asyncio.sleep(5.0)
        reports = [said.report for said in scheduler.said if said.report.number]
        assert [(each.number, each.tallies[0][0].arm) for each in reports] == [(2, "b"), (3, "c")]
        running.cancel()

    in_virtual_time(main)


def test_a_defect_is_logged_and_no_end(caplog: pytest.LogCaptureFixture) -> None:
    async def main(clock: VirtualClock) -> None:
        scheduler = Scheduler()
        follower = follower_of(scheduler, clock)
        running = asyncio.create_task(follower.run())
        broken = whole("first", 7)._replace(routes=None)  # type: ignore[arg-type]  # as a defect has it
        scheduler.updates.put_nowait(broken)
        scheduler.updates.put_nowait(whole("first", 8))
        await follower.informed.wait()
        running.cancel()

    in_virtual_time(main)
    assert "cannot be followed" in caplog.text
    assert "a defect of Penstock" in caplog.text


def test_leaving_does_not_wait_for_a_scheduler_that_is_away_or_deaf() -> None:
    async def main(clock: VirtualClock) -> None:
        scheduler = Scheduler()
        scheduler.away = NotReadyError("nobody answers there")
        follower = follower_of(scheduler, clock)
        running = asyncio.create_task(follower.run())
        await asyncio.sleep(0.05)
        await follower.leave()
        assert clock.now_ms() < 100.0
        await running

        scheduler = Scheduler()
        follower = follower_of(scheduler, clock)
        running = asyncio.create_task(follower.run())
        scheduler.updates.put_nowait(whole("first", 7))
        await follower.informed.wait()
        await asyncio.sleep(0.0)
        scheduler.updates = asyncio.Queue()
        began_ms = clock.now_ms()
        await follower.leave()
        assert clock.now_ms() - began_ms == pytest.approx(LEAVING_S * 1000.0)
        running.cancel()

    in_virtual_time(main)
