"""The contract of an observer: who looks at the runtime's counters."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING

from penstock.core.contracts.follower import Follower
from penstock.core.contracts.page import MergePages, Page

if TYPE_CHECKING:
    # Counters know plans, and plans know the contract of joins.
    from penstock.core.metrics import Metrics


class Observer(ABC):
    """Looks at counters when it likes to; it is not called per request, unless it follows some."""

    @abstractmethod
    def start(self, metrics: Metrics) -> None:
        """Called once on the event loop, before anything is served.

        ``metrics`` is alive: its numbers change between any two awaits. An error refuses start-up.
        """

    def pages(self) -> Mapping[str, Page]:
        """Pages for the REST front end by path, as ``/metrics``; asked for once, after the start.

        A path may have placeholders for one of its parts each, as ``/console/files/{file}``.
        """
        return {}

    def merges(self) -> Mapping[str, MergePages]:
        """Those of its pages that show one process, by path: where several processes stand behind
        one address, a reader is shown what this makes of the pages of all. Asked for like
        :meth:`pages`. Other pages are those of the process that schedules.
        """
        return {}

    def follower(self) -> Follower | None:
        """Who decides for each request whether to follow it; asked for once, after the start.

        None, the default, if this observer follows none. While no observer does, requests take a
        way without any of it.
        """
        return None

    async def stop(self) -> None:  # noqa: B027 - an optional hook
        """Called once, when nothing is served any more. An error is logged."""
