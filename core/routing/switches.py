"""The contract of who puts routes into force in a process that follows a scheduler."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from penstock.core.routing.route import InUse
from penstock.core.routing.table import Switch


class Switches(ABC):
    """What is in force here is what the routes say."""

    def __init__(self) -> None:
        self.on_done: Callable[[], None] = _nobody
        """Called when something that was replaced has nothing under way any more."""

    @abstractmethod
    async def switch(self, switches: Sequence[Switch]) -> None:
        """Put these routes into force, all at once for requests."""

    @abstractmethod
    def in_use(self, epoch: str) -> list[InUse]:
        """Routes of a scheduler's process that were replaced and have something under way."""

    def trouble(self) -> str:
        """Why not everything that was to be put into force is, a sentence; empty where it is."""
        return ""


def _nobody() -> None:
    """Where nobody waits."""
