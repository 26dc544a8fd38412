"""The first signal asks, the second one forces."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from penstock.core.signals import StopSignals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_signals_of_either_kind(number: signal.Signals) -> None:
    with StopSignals() as signals:
        assert not signals.asked.is_set()
        os.kill(os.getpid(), number)
        await asyncio.wait_for(signals.asked.wait(), 10)
        assert signals.first == number
        assert not signals.forced.is_set()
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(signals.forced.wait(), 10)
        assert signals.first == number


async def test_afterwards_signals_do_what_they_did_before() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with StopSignals():
        pass
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
