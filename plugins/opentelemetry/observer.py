"""The observer that has requests traced."""

from __future__ import annotations

import asyncio

from penstock.core.contracts.follower import Follower
from penstock.core.contracts.observer import Observer
from penstock.core.metrics import Metrics
from penstock.plugins.opentelemetry.provider import Tracing
from penstock.plugins.opentelemetry.spans import SpanFollower


class TracingObserver(Observer):
    """Exports spans from when it is made until it is stopped."""

    def __init__(self, tracing: Tracing) -> None:
        self._tracing = tracing

    def start(self, metrics: Metrics) -> None:
        """Counters are no concern of traces."""

    def follower(self) -> Follower | None:
        return SpanFollower(self._tracing)

    async def stop(self) -> None:
        # It exports what is left, which blocks.
        await asyncio.to_thread(self._tracing.provider.shutdown)
