"""How a process that starts waits for its transport, and what it says meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from harness.virtual_time import in_virtual_time
from penstock.core.clock import VirtualClock
from penstock.core.config import Config
from penstock.core.errors import ConflictError, NotFoundError, NotReadyError, PenstockError
from penstock.core.runtime.stream_roles import NO_STREAM_ROLES, StreamRoles
from penstock.core.streams.patience import PATIENCE_S, Patience
from penstock.testing.joins import Joins
from penstock.transports.memory import MemoryOptions, MemoryTransport

ASK_S = 10.0


class Slow(MemoryTransport):
    """Is away when it is asked first: when it is started, and for its time."""

    def __init__(self, *errors: PenstockError) -> None:
        super().__init__(MemoryOptions())
        self.starting = list(errors)
        self.telling = list(errors)

    async def start(self) -> None:
        await asyncio.sleep(ASK_S)
        if self.starting:
            raise self.starting.pop()
        await super().start()

    async def time_ms(self) -> float:
        if self.telling:
            raise self.telling.pop()
        return await super().time_ms()


def story(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def run(clock: VirtualClock) -> None:
        await main()

    in_virtual_time(run)


async def start(transport: MemoryTransport) -> None:
    roles = StreamRoles(transport, VirtualClock(), Config(), NO_STREAM_ROLES, Joins())
    await roles.start()
    await roles.stop()


def test_a_process_waits_for_a_transport_that_is_away_and_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    away = [NotReadyError("Kafka: Timed out"), NotFoundError("no stream yet")]

    async def main() -> None:
        began_s = asyncio.get_running_loop().time()
        await start(Slow(*away))
        assert asyncio.get_running_loop().time() - began_s > 3 * ASK_S

    story(main)
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(said) == 2 * len(away)
    assert "waits for the streams of 'penstock.default', for another 290 s at most: no" in said[0]
    assert said[1].endswith("Kafka: Timed out")


def test_it_does_not_wait_for_what_is_wrong() -> None:
    async def main() -> None:
        with pytest.raises(ConflictError):
            await start(Slow(ConflictError("it is compacted")))

    story(main)


def test_its_patience_has_an_end() -> None:
    async def step() -> None:
        await asyncio.sleep(ASK_S)
        raise NotReadyError("it is away")

    async def main() -> None:
        began_s = asyncio.get_running_loop().time()
        with pytest.raises(NotReadyError, match=r"within 300 s, at last: it is away"):
            await Patience("r").see_through(step)
        waited_s = asyncio.get_running_loop().time() - began_s
        assert PATIENCE_S <= waited_s < PATIENCE_S + 2 * ASK_S

    story(main)


def test_its_patience_is_one_for_all_steps() -> None:
    async def step() -> None:
        await asyncio.sleep(PATIENCE_S)

    async def fails() -> None:
        raise NotReadyError("it is away")

    async def main() -> None:
        patience = Patience("r")
        await patience.see_through(step)
        with pytest.raises(NotReadyError, match="at last"):
            await patience.see_through(fails)

    story(main)
