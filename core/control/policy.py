"""How loads of models go on: how many at a time, and when one that failed is tried again."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple

from penstock.core.resources.model import ModelDeclaration

FIRST_RETRY_S: Final = 1.0
LAST_RETRY_S: Final = 60.0


class WantedCopies(NamedTuple):
    """So many copies, on replicas of one server, or of any where that is None."""

    copies: int
    server: str | None


@dataclass(frozen=True, slots=True)
class LoadPolicy:
    """How loads go on: ``parallel`` at a time; ``sleep`` waits for a retry (seconds), ``jitter``
    gives numbers from 0 to 1. ``unsaid`` says how many copies a model has whose manifest does not
    say ``replicas``, and where."""

    parallel: int = 4
    unsaid: Callable[[ModelDeclaration], WantedCopies] = lambda spec: WantedCopies(1, spec.server)
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    jitter: Callable[[], float] = random.random

    def retry_s(self, attempt: int) -> float:
        """How long to wait after the failed attempt of that number (from 0), in seconds."""
        longest = min(FIRST_RETRY_S * 2.0 ** min(attempt, 30), LAST_RETRY_S)
        return longest * (0.5 + self.jitter() / 2.0)


def tried_again(now_ms: float, pause_s: float) -> str:
    """When what failed is tried again, for the end of a sentence that says why it failed."""
    at = datetime.fromtimestamp(now_ms / 1000.0 + pause_s, UTC)
    return f"it is tried again at {at:%H:%M:%S} UTC"
