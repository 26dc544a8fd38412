"""A request whose steps are pipelines, as their requests see it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from penstock.core.contracts.gateway import Ticket
from penstock.core.contracts.transport import Output
from penstock.core.streams.names import StreamNames
from penstock.core.streams.readers import StreamReaders


class Parent(ABC):
    """Writes what its children write, with what it writes itself."""

    __slots__ = ()

    @abstractmethod
    def places(self) -> tuple[StreamNames, StreamReaders]:
        """What streams are called, and who reads what children put out."""

    @abstractmethod
    def child_began(self, child: Ticket) -> None:
        """A child is under way; it may be so for longer than its parent."""

    @abstractmethod
    def child_wrote(self, outputs: Sequence[Output]) -> None:
        """Have records of a child written."""

    @abstractmethod
    def child_ended(self, child: Ticket) -> None:
        """Nothing of a child is under way any more."""

    @abstractmethod
    def asked(self) -> None:
        """A child was left to the owner of its own partition, who may be in this process."""

    @abstractmethod
    def told(self) -> None:
        """What became of such a child is known, or nobody waits for it any more."""
