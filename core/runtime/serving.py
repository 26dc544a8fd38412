"""The main program of a process that serves: from the first line of the log to the last."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Protocol, TypeVar

from penstock.core.control import Shortfall
from penstock.core.manifests import ManifestSource
from penstock.core.runtime.memory import collect_less_often, keep_freed_memory
from penstock.core.runtime.runtime import Runtime
from penstock.core.runtime.unless import unless
from penstock.core.signals import StopSignals

S = TypeVar("S", covariant=True)


class Hosted(Protocol[S]):
    """What a process hosts, once it has started. ``S`` says what is not ready."""

    async def wait_ready(self, timeout_s: float) -> Sequence[S]:
        """Return when everything is ready, or the time is over, with what is not."""

    async def stop(self, *, grace_s: float | None = None, forced: asyncio.Event) -> None:
        """Take in nothing new, finish what is under way, and stop everything."""


async def serve(
    runtime: Runtime,
    manifests: Sequence[ManifestSource] = (),
    *,
    ready_timeout_s: float,
    on_started: Callable[[Mapping[str, str]], None],
    on_ready: Callable[[Sequence[Shortfall]], bool],
) -> StopSignals:
    """:func:`host` a runtime that begins with ``manifests``."""
    return await host(
        runtime,
        partial(runtime.start, manifests),
        ready_timeout_s=ready_timeout_s,
        on_started=on_started,
        on_ready=on_ready,
    )


async def host(
    hosted: Hosted[S],
    start: Callable[[], Awaitable[Mapping[str, str]]],
    *,
    ready_timeout_s: float,
    on_started: Callable[[Mapping[str, str]], None],
    on_ready: Callable[[Sequence[S]], bool],
) -> StopSignals:
    """``start``, and serve until a signal asks to stop; a second one forces.

    ``on_started`` is told the addresses. ``on_ready`` is told what is not ready when everything
    has been loaded, or after ``ready_timeout_s``; it answers whether to go on. Comes back with the
    signals that came. Raises what ``start`` raises.
    """
    keep_freed_memory()
    collect_less_often()
    with StopSignals() as signals:
        addresses = await unless(signals.asked, start())
        if addresses is None:
            return signals
        try:
            on_started(addresses)
            shortfalls = await unless(signals.asked, hosted.wait_ready(ready_timeout_s))
            if shortfalls is not None and on_ready(shortfalls):
                await signals.asked.wait()
        finally:
            await hosted.stop(forced=signals.forced)
    return signals
