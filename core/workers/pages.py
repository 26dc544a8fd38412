"""Pages that show one process each, asked of every process and put together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from typing import Final

from penstock.core.client.http_connection import HttpConnection
from penstock.core.contracts.observer import Observer
from penstock.core.contracts.page import MergedPage, MergePages, Page, PageContent
from penstock.core.workers.doors import Door, Doors

PATIENCE_S: Final = 5.0
"""How long a process may take to answer; one that is away is left out."""

SCHEDULER: Final = "scheduler"
"""How pages call the scheduling process; workers are called by their numbers."""

_log = logging.getLogger(__name__)


def merged_pages(observers: Iterable[Observer], doors: Doors, own: int) -> dict[str, MergedPage]:
    """The pages that worker ``own`` puts together, by path."""
    return {
        path: _AllOf(path, observer.pages()[path], merge, doors, own).page
        for observer in observers
        for path, merge in observer.merges().items()
    }


class _AllOf:
    """One page of all processes."""

    def __init__(self, path: str, page: Page, merge: MergePages, doors: Doors, own: int) -> None:
        self._path = path
        self._page = page
        self._merge = merge
        self._own = own
        self._others = {SCHEDULER: doors.scheduler} | {
            str(number): doors.worker(number) for number in doors.numbers if number != own
        }

    async def page(self, path: Mapping[str, str]) -> PageContent:
        """The page as it is now."""
        asked = [self._of(door) for door in self._others.values()]
        found = dict(zip(self._others, await asyncio.gather(*asked), strict=True))
        pages = {name: page for name, page in found.items() if page is not None}
        pages[str(self._own)] = self._page(path)
        return self._merge(dict(sorted(pages.items())))

    async def _of(self, door: Door) -> PageContent | None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await fetched(door, self._path)
        except (OSError, TimeoutError) as error:
            _log.info("%s of %s is left out: %s", self._path, door.name, error)
            return None


async def fetched(door: Door, path: str) -> PageContent | None:
    """What a process shows at a path, None where that is nothing. Raises OSError where it is
    away."""
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_unix_connection(HttpConnection, str(door.rest))
    try:
        head = f"GET {path} HTTP/1.1\r\nhost: worker\r\nconnection: close\r\n\r\n"
        answer = await connection.ask([head.encode()])
    finally:
        connection.close()
    if answer.status != 200:
        return None
    return PageContent(answer.headers.get(b"content-type", b"").decode(), answer.body)
