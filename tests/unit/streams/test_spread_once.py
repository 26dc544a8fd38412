"""Layout spread, exactly once: calls go by themselves, all else of a request goes with its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from random import Random

import pytest

from contract.layouts import InProcess
from contract.scripted_pipelines import random_workload
from contract.streamed_layouts import LIMITS, Connect, Opened, Running, opened_as
from harness.virtual_time import in_virtual_time
from penstock.core.clock import Clock
from penstock.core.contracts.transport import Delivery, Output, Ownership, Written
from penstock.core.errors import NotReadyError, OverloadedError
from penstock.core.streams.headers import CALL_HEADER
from penstock.transports.memory import MemoryOptions, MemoryTransport
from unit.streams.test_spread import (
    CHAIN,
    ONE,
    PATIENT,
    Asked,
    after_100_ms,
    in_spread,
    send_all,
    send_while_killed,
    send_while_others_come,
    sent,
    value,
    workload,
)


class Noting(MemoryTransport):
    """Notes what is finished together, and has what is published wait, or fail, first."""

    def __init__(self, clock: Clock, *, late_s: float = 0.0) -> None:
        super().__init__(MemoryOptions(), clock=clock)
        self._late_s = late_s
        self.troubles: list[Exception] = []
        self.batches: list[tuple[Sequence[Delivery], Sequence[Output]]] = []
        self.published: list[Output] = []

    async def publish(self, outputs: Sequence[Output]) -> Sequence[Written]:
        calls = [each for each in outputs if CALL_HEADER in each.record.headers]
        if calls:
            if self.troubles:
                raise self.troubles.pop(0)
            self.published += calls
            await asyncio.sleep(self._late_s)
        return await super().publish(outputs)

    async def finish(
        self,
        ownership: Ownership,
        deliveries: Sequence[Delivery],
        outputs: Sequence[Output],
        handed: Callable[[], None] | None = None,
    ) -> Sequence[Written]:
        if ownership.stream.endswith("pipeline.p.inputs"):
            self.batches.append((deliveries, outputs))
        return await super().finish(ownership, deliveries, outputs, handed)


def noting(transports: list[Noting], *, late_s: float = 0.0) -> Opened:
    def made(clock: Clock) -> Noting:
        transports.append(Noting(clock, late_s=late_s))
        return transports[-1]

    return opened_as(made)


once = partial(in_spread, exactly_once=True)


# Crashes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("killed", ["owner", "model gateway", "both"])
def test_what_is_no_call_is_written_once_whoever_is_killed(killed: str) -> None:
    for seed in range(20):
        load = random_workload(seed, unhurried=True)
        random = Random(seed)
        wanted = in_virtual_time(partial(InProcess().run, load))

        story = partial(send_while_killed, load=load, killed=killed, random=random)

        got = once(load, story)
        for name, want in wanted.items():
            assert got[name].answers == want.answers, f"seed {seed}"
            assert got[name].letters == want.letters, f"seed {seed}"
            # The streams of steps have a call that was made again, and what came of it.
            assert set(got[name].ports) == set(want.ports), f"seed {seed}"


def test_who_leaves_in_peace_repeats_nothing() -> None:
    for seed in range(15):
        load = random_workload(seed, unhurried=True)
        wanted = in_virtual_time(partial(InProcess().run, load))

        story = partial(send_while_others_come, load=load)

        assert once(load, story, limits=PATIENT) == wanted, f"seed {seed}"


# What goes when ---------------------------------------------------------------------------------


def test_calls_go_by_themselves_and_all_else_in_one_batch() -> None:
    transports: list[Noting] = []
    load = workload(CHAIN, Asked(after_100_ms), sent("r"))
    seen = once(load, partial(send_all, load=load), opened=noting(transports))
    [transport] = transports
    assert seen["r"].answers == [value("b.y")]
    assert [str(each.record.port) for each in transport.published] == ["a.inputs", "b.inputs"]
    [(deliveries, outputs)] = transport.batches
    assert len(deliveries) == 1
    assert [str(each.record.port) for each in outputs] == ["outputs"]


def test_nothing_is_finished_before_its_calls_are_written() -> None:
    transports: list[Noting] = []
    model = Asked(after_100_ms)
    load = workload(ONE, model, sent("r", deadline_ms=500.0))
    seen = once(load, partial(send_all, load=load), opened=noting(transports, late_s=2.0))["r"]
    [transport] = transports
    assert [answer[:2] for answer in seen.answers] == [("failed", "deadline")]
    # The call came too late to be made: who has it says so.
    assert model.calls == []
    assert sorted(port for port, _, _ in seen.ports) == ["a.inputs", "a.outputs", "outputs"]
    assert len(transport.batches) == 1


def test_an_order_waits_for_calls_that_are_not_written() -> None:
    transports: list[Noting] = []
    spec = {**CHAIN, "output": {"steps": ["a"], "order": "partition"}}
    load = workload(spec, Asked(after_100_ms), *[sent(f"r{number}") for number in range(4)])
    wanted = in_virtual_time(partial(InProcess().run, load))
    opened = noting(transports, late_s=0.5)
    assert once(load, partial(send_all, load=load), opened=opened, partitions=1) == wanted
    answered = [
        each.record.identity
        for _, outputs in transports[0].batches
        for each in outputs
        if str(each.record.port) == "outputs"
    ]
    assert answered == sorted(answered)


def test_calls_of_who_was_fenced_are_nobodys() -> None:
    transports: list[Noting] = []
    model = Asked(after_100_ms)
    load = workload(CHAIN, model, sent("r"))

    async def story(running: Running) -> None:
        await running.send(0)
        await asyncio.sleep(0.05)
        await running.kill(running.workers[0])
        await running.add_worker()

    seen = once(load, story, opened=noting(transports))["r"]
    assert seen.answers == [value("b.y")]
    assert [call.step for call in model.calls] == ["a", "a", "b"]
    names = [each.record.headers[CALL_HEADER] for each in transports[0].published]
    assert len(set(names)) == 3
    assert [len(deliveries) for deliveries, _ in transports[0].batches] == [1]


# What the transport will not have ----------------------------------------------------------------


def troubled(*troubles: Exception) -> Opened:
    @asynccontextmanager
    async def opened(clock: Clock) -> AsyncIterator[Connect]:
        async with noting([])(clock) as connect:
            transport = await connect()
            assert isinstance(transport, Noting), "as opened"
            transport.troubles = list(troubles)
            yield connect

    return opened


def test_a_call_waits_for_a_transport_that_has_no_room() -> None:
    model = Asked(after_100_ms)
    load = workload(ONE, model, sent("r"))
    full = OverloadedError("it is full", retry_after_s=3.0)
    seen = once(load, partial(send_all, load=load), opened=troubled(full, full))["r"]
    assert seen.answers == [value("a.y")]
    assert len(model.calls) == 1


def test_the_work_begins_anew_where_it_is_not_known_whether_a_call_is_written(
    caplog: pytest.LogCaptureFixture,
) -> None:
    model = Asked(after_100_ms)
    load = workload(ONE, model, *[sent(f"r{number}") for number in range(4)])
    away = NotReadyError("nobody acknowledges it")
    seen = once(
        load, partial(send_all, load=load), opened=troubled(away), partitions=1, limits=LIMITS
    )
    assert [each.answers for each in seen.values()] == [[value("a.y")]] * 4
    assert "whoever wins it next goes on" in caplog.text
