"""How loads of models go on: how many at a time, and when one that failed is tried again."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

FIRST_RETRY_S: Final = 1.0
LAST_RETRY_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class LoadPolicy:
    """How loads go on: ``parallel`` at a time; ``sleep`` waits for a retry (seconds), ``jitter``
    gives numbers from 0 to 1."""

    parallel: int = 4
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    jitter: Callable[[], float] = random.random

    def retry_s(self, attempt: int) -> float:
        """How long to wait after the failed attempt of that number (from 0), in seconds."""
        longest = min(FIRST_RETRY_S * 2.0 ** min(attempt, 30), LAST_RETRY_S)
        return longest * (0.5 + self.jitter() / 2.0)
