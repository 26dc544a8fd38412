"""Errors that nobody heard of, in the log of a process: work that was begun and failed, and whoever
waits for what it was to do waits for ever."""

from __future__ import annotations

from typing import Final

SIGNS: Final = ("exception was never retrieved", "Exception in callback", "Task was destroyed")
"""What asyncio says of them."""


def unheard(log: str) -> list[str]:
    """The lines of a log that tell of such errors."""
    return [line for line in log.splitlines() if any(sign in line for sign in SIGNS)]
