"""The contract of what people may ask about requests, of one process or of several."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

Document: TypeAlias = dict[str, Any]


class Tapped(NamedTuple):
    """What a tap tells: that it is ``open``, a ``record``, or how many were ``lost``."""

    kind: Literal["open", "record", "lost"]
    document: Document


class Inquiries(ABC):
    """Answers with documents of plain values (see :mod:`penstock.core.journal.documents`).

    Every method raises the PenstockErrors of :class:`penstock.core.journal.InquiryDesk`.
    """

    @abstractmethod
    async def inspect(self, identity: str) -> Document:
        """Everything that is known of a request, by its identity or its ``x-request-id``."""

    @abstractmethod
    async def export(self, identity: str) -> bytes:
        """The same request as a file."""

    @abstractmethod
    async def find(
        self,
        *,
        pipeline: str | None = None,
        outcome: str | None = None,
        since_ms: float = 0.0,
        until_ms: float = math.inf,
        request_id: str | None = None,
        most: int = 20,
    ) -> Sequence[Document]:
        """Requests, the latest first."""

    @abstractmethod
    async def tap(
        self, port: str, *, everything: bool, state: str | None, most: int
    ) -> AsyncGenerator[Tapped]:
        """The records of a port as they come, up to ``most`` of them if that is not 0."""

    @abstractmethod
    async def letters(self, *, pipeline: str | None = None, most: int = 20) -> Sequence[Document]:
        """Dead letters, the latest first."""

    @abstractmethod
    async def letter(self, number: int) -> Document:
        """One dead letter."""

    @abstractmethod
    async def send_again(self, number: int) -> str:
        """Send the request of a dead letter again; the identity of the new one."""
