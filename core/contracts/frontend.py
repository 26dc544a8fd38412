"""The contract of a front end: how callers reach the gateway from outside the process."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from penstock.core.contracts.agents import AgentHost
from penstock.core.contracts.control import ControlPlane
from penstock.core.contracts.elsewhere import Elsewhere
from penstock.core.contracts.gateway import Gateway
from penstock.core.contracts.inquiries import Inquiries
from penstock.core.contracts.page import MergedPage, Page
from penstock.core.credentials import Access
from penstock.core.log_ring import LogRing

if TYPE_CHECKING:
    # These stand on the contracts themselves.
    from penstock.core.journal import InquiryDesk
    from penstock.core.routing.book import RouteBook


def _count_nowhere(code: str) -> None:
    """Where nothing is counted."""


@dataclass(frozen=True, slots=True)
class FrontEndContext:
    """What a front end serves.

    ``pages`` maps paths (``/metrics``) to what observers show; front ends that are not HTTP leave
    them out. ``passed_headers`` names the ``x-*`` headers of callers that travel with a request,
    beside ``x-request-id`` and ``traceparent``. ``count_refused`` is told the code of the error of
    each inference request that ends before a target has taken it in, since nobody else can count
    it: what cannot be read, and names that are not there. ``desk`` knows what is
    remembered of requests in this process; ``inquiries`` answers what people ask of that, None
    where the desk does. ``elsewhere`` says what other processes behind the address are to answer,
    and ``merged_pages`` are put together from theirs, where there are others. ``access`` says what
    callers must bring; None where it is nothing. ``logs`` has the latest lines of the log, where
    somebody keeps them. ``book`` is what gateways elsewhere follow, ``agents`` what agents do,
    where this is a scheduler.
    """

    gateway: Gateway
    control: ControlPlane | None = None
    pages: Mapping[str, Page] = field(default_factory=dict)
    max_request_bytes: int = 64 * 1024 * 1024
    max_header_bytes: int = 16 * 1024
    passed_headers: frozenset[str] = frozenset()
    count_refused: Callable[[str], None] = _count_nowhere
    desk: InquiryDesk | None = None
    inquiries: Inquiries | None = None
    elsewhere: Elsewhere | None = None
    merged_pages: Mapping[str, MergedPage] = field(default_factory=dict)
    agents: AgentHost | None = None
    access: Access | None = None
    logs: LogRing | None = None
    book: RouteBook | None = None


class FrontEnd(ABC):
    """One listening address. Started and stopped once, on the event loop.

    Made with the front end's options from the config file (its own schema).
    """

    @abstractmethod
    async def start(self, context: FrontEndContext) -> str:
        """Listen, and return the address as people write it: ``http://127.0.0.1:8900``.

        Raises PenstockError with what to do when the address is taken.
        """

    @abstractmethod
    async def drain(self) -> None:
        """Take in nothing new and return when what is under way has been answered."""

    @abstractmethod
    async def stop(self) -> None:
        """Close every connection. Called after :meth:`drain`, or in its place when forced."""
