"""What a thread calls a model through."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from penstock.core.contracts.model import ModelCall
from penstock.core.records import Tensors


class Worker(ABC):
    """Calls a model and blocks until it has answered. Used by one thread at a time."""

    __slots__ = ()

    waits_on_close: ClassVar[bool] = False
    """Whether :meth:`close` waits for something, and must not be called on an event loop."""

    @abstractmethod
    def call(self, call: ModelCall) -> Tensors:
        """The model's answer. Raises PenstockError and nothing else."""

    def close(self) -> None:  # noqa: B027 - an optional hook
        """Give back what the worker holds. Called once, by the thread that used it."""

    def abort(self) -> None:  # noqa: B027 - an optional hook
        """Make a call that hangs end, where that is possible. Called by another thread."""
