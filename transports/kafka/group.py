"""What a process has of one group: what it reads in its name, and how far it has come."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from confluent_kafka import OFFSET_BEGINNING, Message

from penstock.core.contracts.transport import Delivery
from penstock.core.errors import PenstockError
from penstock.transports.kafka.assigned import TopicNumber
from penstock.transports.kafka.bell import Bell
from penstock.transports.kafka.echo import Echo
from penstock.transports.kafka.fetcher import Fetcher
from penstock.transports.kafka.inquirer import Inquirer
from penstock.transports.kafka.progress import Progress
from penstock.transports.kafka.source import Source

COMMIT_S: Final = 0.05
"""How long what is finished waits for more before it is committed: what a crash may repeat."""

_AGAIN_S: Final = 0.5
"""How long a commit that the broker did not take waits for the next."""

_log = logging.getLogger(__name__)


class Group:
    """Reads partitions that are owned, and commits what is finished. Methods are called on the
    event loop. ``config`` is that of a consumer of the group, whose fetches ``bell`` ends.
    ``before_arrivals`` is a fetcher's."""

    def __init__(
        self,
        config: Mapping[str, Any],
        deliver: Callable[[Message, int], Delivery],
        missing: Callable[[str], None],
        bell: Bell,
        before_arrivals: Callable[[], None],
    ) -> None:
        self._config = config
        self._bell = bell
        # A thousand partitions take the library long to tell of, and to keep what it would tell.
        self._fetcher = Fetcher(config, missing, before_arrivals, bell.ring_soon, tells=False)
        self._echo = Echo(bell.ring, self._fetcher, bell.numbers)
        self._missing = missing
        for number in bell.numbers:
            self._fetcher.hear((bell.topic, number), partial(self._echo.heard, number))
        bell.ring_soon()
        bell.ring_until(lambda: self._echo.hears)
        self._inquirer = Inquirer(config)
        self._peeking: Inquirer | None = None
        self._deliver = deliver
        self._dirty: dict[Source, None] = {}
        self._has_news = asyncio.Event()
        self._committing = asyncio.Lock()
        self._task = asyncio.get_running_loop().create_task(self._commit_for_ever())

    @property
    def metadata(self) -> Any:
        """What a transaction is told of the group."""
        return self._inquirer.group_metadata

    async def progress_in(self, partitions: Sequence[TopicNumber]) -> dict[TopicNumber, Progress]:
        """How far the group has come in partitions."""
        committed = await self._inquirer.committed(partitions)
        return {
            where: Progress.decode(0 if offset is None else offset, text)
            for where, (offset, text) in committed.items()
        }

    async def holders_of(self, partitions: Sequence[TopicNumber]) -> set[str]:
        """Who took partitions and has not given them back, transactions under way or not.

        :meth:`progress_in` waits for the end of those, which for one of a dead process comes only
        when somebody who knows its name ends it.
        """
        if self._peeking is None:
            self._peeking = Inquirer({**self._config, "isolation.level": "read_uncommitted"})
        committed = await self._peeking.committed(partitions)
        return {Progress.decode(0, text).holder for _, text in committed.values()} - {""}

    async def open(self, where: TopicNumber, progress: Progress) -> Source:
        """Begin to read a partition from what is not finished on."""
        # Nothing ends a fetch that does not ask about the bell, and what the library asks the
        # broker then, on the same connection, is answered after it.
        await self._echo.begun()
        start = progress.done_below or OFFSET_BEGINNING
        self._bell.ring_soon()
        inlets = await self._fetcher.open({where: start})
        source = Source(inlets[where], progress, self._deliver, self._missing)
        self._bell.ring_until(lambda: source.inlet.heard or source.closed)
        return source

    async def close_sources(self, sources: Iterable[Source]) -> None:
        """Read these no more, and commit nothing of them."""
        gone = list(sources)
        for source in gone:
            source.closed = True
        await self._fetcher.close_inlets([source.inlet for source in gone])

    def has_progressed(self, source: Source) -> None:
        """Something is finished, to be committed soon."""
        self._dirty[source] = None
        self._has_news.set()

    async def flush(self, sources: Iterable[Source]) -> None:
        """Commit how far these have come; returns when the broker has it."""
        await self.commit({source.inlet.where: source.progress for source in sources})

    async def commit(self, progress: Mapping[TopicNumber, Progress]) -> None:
        """Commit how far the group has come; returns when the broker has it."""
        if not progress:
            return
        async with self._committing:
            await self._inquirer.commit(
                [(where, each.done_below, each.encode()) for where, each in progress.items()]
            )

    async def close(self) -> None:
        """Read nothing more."""
        self._task.cancel()
        await asyncio.gather(self._task, self._echo.close(), return_exceptions=True)
        await self._fetcher.close()
        await self._inquirer.close()
        if self._peeking is not None:
            await self._peeking.close()

    async def _commit_for_ever(self) -> None:
        while True:
            await self._has_news.wait()
            await asyncio.sleep(COMMIT_S)
            self._has_news.clear()
            dirty = [source for source in self._dirty if not source.closed]
            self._dirty.clear()
            try:
                await self.flush(dirty)
            except PenstockError as error:
                _log.warning("what is finished could not be committed, and will be: %s", error)
                self._dirty.update(dict.fromkeys(dirty))
                await asyncio.sleep(_AGAIN_S)
                self._has_news.set()
