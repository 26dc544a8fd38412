"""The latest lines of a process's log, for those who ask for them from outside."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final, NamedTuple, Self, TypeAlias

import orjson

from penstock.core.errors import InvalidRequestError, NotFoundError
from penstock.core.nearest import did_you_mean

LogRecord: TypeAlias = dict[str, Any]
"""A line as JSON: ``at``, ``level``, ``logger``, ``message``, ``about`` (what it is about, by kind)
and ``exception`` where there is one."""

ABOUT: Final = ("model", "pipeline", "server", "request")
"""What lines can be asked for by."""

LEVELS: Final[Mapping[str, int]] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}

MOST_BYTES: Final = 8 * 1024 * 1024
"""Of all lines together."""

LONGEST_TEXT: Final = 16 * 1024
"""Characters of a message, and of an exception, that are kept."""

_AT_A_TIME: Final = 256
"""Lines that are taken before others have their turn."""


class _Line(NamedTuple):
    number: int
    at_ms: float
    level: int
    text: bytes


class Told(NamedTuple):
    """The next line; or how many are not there any more, ``record`` being None then."""

    record: LogRecord | None
    lost: int = 0


@dataclass(frozen=True, slots=True)
class LogQuery:
    """Which lines: about what, how old at most (milliseconds since the epoch), how weighty."""

    kind: str | None = None
    name: str | None = None
    since_ms: float = 0.0
    level: int = 0

    @classmethod
    def read(
        cls, kind: str | None, name: str | None, since_ms: float, level: str | None
    ) -> LogQuery:
        """What somebody asks for. Raises NotFoundError for kinds, and InvalidRequestError for
        levels that there are not."""
        if level is not None and level not in LEVELS:
            raise InvalidRequestError(f"the level is '{level}'; it is one of {', '.join(LEVELS)}")
        if kind is None and name is not None:
            raise InvalidRequestError("a name alone is not enough; say the kind as well")
        return cls(None if kind is None else _kind(kind), name, since_ms, LEVELS[level or "debug"])

    def wants(self, record: LogRecord) -> bool:
        """Whether a line is about what is asked for."""
        if self.kind is None:
            return True
        said = record["about"].get(self.kind)
        if said is None or self.name is None:
            return said is not None
        # Replicas of a server are server/0 and so on.
        return str(said) == self.name or str(said).startswith(f"{self.name}/")


class LogRing:
    """The latest lines, bounded by number and by bytes: the oldest go first. Safe for threads.

    Keeping a line costs the same however many read; who reads too slowly misses some, and is told
    how many.
    """

    def __init__(self, most_lines: int, most_bytes: int = MOST_BYTES) -> None:
        self._most_lines = most_lines
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._lines: deque[_Line] = deque()
        self._bytes = 0
        self._next = 0
        self._readers: set[_Reader] = set()

    def keep(self, record: LogRecord, at_ms: float, level: int) -> None:
        """Take in a line."""
        text = orjson.dumps(record, default=str, option=orjson.OPT_NON_STR_KEYS)
        with self._lock:
            self._lines.append(_Line(self._next, at_ms, level, text))
            self._next += 1
            self._bytes += len(text)
            while len(self._lines) > self._most_lines or self._bytes > self._most_bytes:
                self._bytes -= len(self._lines.popleft().text)
            for reader in self._readers:
                reader.wake()

    async def read(self, query: LogQuery, *, follow: bool) -> AsyncGenerator[Told]:
        """The lines that ``query`` asks for, the oldest first; with ``follow`` also those that
        come, without an end."""
        with _Reader(self._readers, self._lock) as reader:
            at = 0
            while True:
                reader.clear()
                lines, lost = self._after(at, query.since_ms)
                if lost:
                    yield Told(None, lost)
                for line in lines:
                    at = line.number + 1
                    if line.level >= query.level and line.at_ms >= query.since_ms:
                        record = orjson.loads(line.text)
                        if query.wants(record):
                            yield Told(record)
                if lines:
                    await asyncio.sleep(0)  # others have their turn
                elif follow:
                    await reader.news()
                else:
                    return

    def _after(self, at: int, since_ms: float) -> tuple[list[_Line], int]:
        """The next lines from a number on, and how many before them are lost that were young
        enough, as far as is known."""
        with self._lock:
            first = self._lines[0].number if self._lines else self._next
            lines = list(islice(self._lines, max(0, at - first), max(0, at - first) + _AT_A_TIME))
            old = bool(self._lines) and self._lines[0].at_ms < since_ms
            return lines, 0 if old else max(0, first - at)


class RingHandler(logging.Handler):
    """Has the lines of the log kept in a ring; its formatter gives the record as JSON."""

    def __init__(self, ring: LogRing) -> None:
        super().__init__()
        self._ring = ring

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        try:
            event: dict[str, Any] = orjson.loads(self.format(record))
            self._ring.keep(_written(event, record), record.created * 1000.0, record.levelno)
        except Exception:
            self.handleError(record)


class _Reader:
    """Who reads a ring on an event loop, while lines come in any thread."""

    def __init__(self, readers: set[_Reader], lock: threading.Lock) -> None:
        self._readers = readers
        self._lock = lock
        self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()
        self._told = False

    def __enter__(self) -> Self:
        with self._lock:
            self._readers.add(self)
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._readers.discard(self)

    def wake(self) -> None:
        """There is a new line; called with the lock held, and cheap while the last word of it has
        not been heard."""
        if not self._told and not self._loop.is_closed():
            self._told = True
            self._loop.call_soon_threadsafe(self._event.set)

    def clear(self) -> None:
        """What was said so far has been heard."""
        with self._lock:
            self._told = False
        self._event.clear()

    async def news(self) -> None:
        """Return when a line has come since :meth:`clear`."""
        await self._event.wait()


def _written(event: dict[str, Any], record: logging.LogRecord) -> LogRecord:
    """A line as it is kept, from what the formatter made of it."""
    level = event.pop("level", record.levelname.lower())
    written = {
        "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": level if level in LEVELS else "error",
        "logger": event.pop("logger", record.name),
        "message": str(event.pop("event", ""))[:LONGEST_TEXT],
    }
    event.pop("timestamp", None)
    exception = event.pop("exception", None)
    written["about"] = event
    if exception is not None:
        written["exception"] = str(exception)[-LONGEST_TEXT:]
    return written


def _kind(written: str) -> str:
    for kind in ABOUT:
        if written.casefold() in (kind, f"{kind}s"):
            return kind
    hint = did_you_mean(written, ABOUT) or f"the kinds are {', '.join(ABOUT)}"
    raise NotFoundError(f"lines of the log are not about kind '{written}'; {hint}")
