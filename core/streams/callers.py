"""Those who wait for answers in the process that has them."""

from __future__ import annotations

from typing import Protocol

from penstock.core.records import Record


class Callers(Protocol):
    """A gateway beside a worker: its answers need not go through the reply stream."""

    def wait_for(self, identity: str) -> bool:
        """Whether somebody waits for the answer to a request."""

    def tell(self, answer: Record) -> None:
        """Give an answer to who waits for it, if somebody still does."""
