"""Where answers go: to the caller's connection, or nowhere."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Final


class Answered(ABC):
    """Who has sent a request, and is answered in its turn."""

    __slots__ = ()

    @abstractmethod
    def write(self, data: bytes) -> None:
        """Send a piece of the answer. Hot."""

    @abstractmethod
    def answered(self, *, keep_alive: bool) -> None:
        """The answer is complete."""

    @abstractmethod
    def cut_off(self) -> None:
        """The answer cannot be completed: end so that nobody takes it for whole."""

    @abstractmethod
    def pause(self) -> None:
        """Take no more of the request for now."""

    @abstractmethod
    def resume(self) -> None:
        """Take more of it again."""


class Nowhere(Answered):
    """Where the answers to copies go."""

    __slots__ = ()

    def write(self, data: bytes) -> None:
        """Drop it."""

    def answered(self, *, keep_alive: bool) -> None:
        """Wait for nothing more."""

    def cut_off(self) -> None:
        """Miss nothing."""

    def pause(self) -> None:
        """The whole request is there."""

    def resume(self) -> None:
        """The whole request is there."""


NOWHERE: Final = Nowhere()
