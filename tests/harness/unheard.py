"""Errors that nobody heard of, in the log of a process: work that was begun and failed, and whoever
waits for what it was to do waits for ever."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

SIGNS: Final = ("exception was never retrieved", "Exception in callback", "Task was destroyed")
"""What asyncio says of them."""


def unheard(lines: Iterable[str]) -> list[str]:
    """The lines of a log that tell of such errors."""
    return [line.rstrip() for line in lines if any(sign in line for sign in SIGNS)]
