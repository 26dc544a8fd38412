"""The contract of what people may ask about requests, of one process or of several."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Sequence
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from penstock.core.errors import InvalidRequestError

Document: TypeAlias = dict[str, Any]


class Tapped(NamedTuple):
    """What a tap tells: that it is ``open``, a ``record``, or how many were ``lost``."""

    kind: Literal["open", "record", "lost"]
    document: Document


class Begin(NamedTuple):
    """With which records a tap begins that reads streams: from a time on, or from an offset on, in
    one ``partition`` or in all. With neither, those that come from now on."""

    since_ms: float | None = None
    offset: int | None = None
    partition: int | None = None


FROM_NOW_ON: Final = Begin()


def checked_begin(since_ms: float | None, offset: int | None, partition: int | None) -> Begin:
    """Where somebody asks a tap to begin. Raises InvalidRequestError for what is no such place."""
    if since_ms is not None and offset is not None:
        raise InvalidRequestError("a time and an offset are two places; name one of them")
    if any(number is not None and not 0 <= number < math.inf for number in (since_ms, offset)):
        raise InvalidRequestError("a tap begins with a time or an offset of 0 or more")
    if partition is not None and partition < 0:
        raise InvalidRequestError(f"there is no partition {partition}; they are counted from 0")
    return Begin(since_ms, offset, partition)


class Search(NamedTuple):
    """Which requests are looked for, and how many of the latest are told at most.

    ``pipeline`` and ``request_id`` (the caller's ``x-request-id``) are any where they are None, and
    so is ``outcome``: ``ok``, ``failed`` (any error), ``open`` (no answer yet) or a code. Times are
    in milliseconds since the epoch.
    """

    pipeline: str | None = None
    outcome: str | None = None
    since_ms: float = 0.0
    until_ms: float = math.inf
    request_id: str | None = None
    most: int = 20


EVERYTHING: Final = Search()
"""The latest requests, whatever they are."""


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
    async def find(self, search: Search) -> Sequence[Document]:
        """Requests, the latest first. Raises InvalidRequestError for no outcome."""

    @abstractmethod
    async def tap(
        self,
        port: str,
        *,
        everything: bool,
        state: str | None,
        most: int,
        begin: Begin = FROM_NOW_ON,
    ) -> AsyncGenerator[Tapped]:
        """The records of a port as they come, up to ``most`` of them if that is not 0. Raises
        InvalidRequestError for a ``begin`` where no stream keeps what was before."""

    @abstractmethod
    async def letters(self, *, pipeline: str | None = None, most: int = 20) -> Sequence[Document]:
        """Dead letters, the latest first."""

    @abstractmethod
    async def letter(self, number: int) -> Document:
        """One dead letter."""

    @abstractmethod
    async def send_again(self, number: int) -> str:
        """Send the request of a dead letter again; the identity of the new one."""
