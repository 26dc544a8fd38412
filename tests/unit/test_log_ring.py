"""The latest lines of a log: bounded, asked for by what they are about, followed."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Any

import pytest

from penstock.core.errors import InvalidRequestError, NotFoundError
from penstock.core.log_ring import LogQuery, LogRing

EVERYTHING = LogQuery()


def line(text: str, **about: str) -> dict[str, Any]:
    return {"at": "", "level": "info", "logger": "", "message": text, "about": about}


def keep(ring: LogRing, text: str, at_ms: float = 1.0, level: str = "info", **about: str) -> None:
    ring.keep(line(text, **about), at_ms, logging.getLevelName(level.upper()))


async def read(ring: LogRing, query: LogQuery = EVERYTHING) -> list[str | int]:
    """The sentences, and how many were lost between them."""
    return [
        told.lost if told.record is None else told.record["message"]
        async for told in ring.read(query, follow=False)
    ]


async def test_the_oldest_go_first_and_are_counted() -> None:
    ring = LogRing(3)
    for number in range(5):
        keep(ring, str(number))
    assert await read(ring) == [2, "2", "3", "4"]


async def test_bytes_are_bounded_as_well() -> None:
    ring = LogRing(1000, most_bytes=1000)
    for _ in range(10):
        keep(ring, "x" * 300)
    lost, *kept = await read(ring)
    assert (lost, len(kept)) == (8, 2)


async def test_one_line_that_is_too_big_is_kept_by_nobody() -> None:
    ring = LogRing(10, most_bytes=100)
    keep(ring, "x" * 300)
    assert await read(ring) == [1]


@pytest.mark.parametrize(
    ("kind", "name", "found"),
    [
        (None, None, ["a", "b", "c", "d"]),
        ("model", None, ["a", "b"]),
        ("Models", "scale", ["a"]),
        ("server", "big", ["c"]),
        ("server", "big/0", ["c"]),
        ("server", "bi", []),
        ("pipeline", None, []),
    ],
)
async def test_lines_about_something(kind: str | None, name: str | None, found: list[str]) -> None:
    ring = LogRing(10)
    keep(ring, "a", model="scale")
    keep(ring, "b", model="scales")
    keep(ring, "c", server="big/0")
    keep(ring, "d")
    assert await read(ring, LogQuery.read(kind, name, 0.0, None)) == found


async def test_young_and_weighty_lines() -> None:
    ring = LogRing(10)
    keep(ring, "old", 1000.0, "error")
    keep(ring, "young", 2000.0, "info")
    keep(ring, "bad", 3000.0, "warning")
    assert await read(ring, LogQuery.read(None, None, 2000.0, None)) == ["young", "bad"]
    assert await read(ring, LogQuery.read(None, None, 0.0, "warning")) == ["old", "bad"]


async def test_what_is_older_than_wanted_is_not_missed() -> None:
    ring = LogRing(2)
    for at_s in range(4):
        keep(ring, str(at_s), at_s * 1000.0)
    assert await read(ring, LogQuery.read(None, None, 3000.0, None)) == ["3"]
    assert await read(ring, LogQuery.read(None, None, 1000.0, None)) == [2, "2", "3"]


def test_what_cannot_be_asked_for() -> None:
    with pytest.raises(NotFoundError, match="did you mean 'model'"):
        LogQuery.read("modle", None, 0.0, None)
    with pytest.raises(InvalidRequestError, match="debug, info, warning, error"):
        LogQuery.read(None, None, 0.0, "loud")
    with pytest.raises(InvalidRequestError, match="say the kind"):
        LogQuery.read(None, "scale", 0.0, None)


async def test_lines_are_followed_from_any_thread() -> None:
    ring = LogRing(10)
    keep(ring, "before")
    lines = ring.read(EVERYTHING, follow=True)
    assert (await anext(lines)).record == line("before")
    following = asyncio.ensure_future(anext(lines))
    await asyncio.sleep(0)
    thread = threading.Thread(target=keep, args=(ring, "after"))
    thread.start()
    assert (await following).record == line("after")
    thread.join()
    await lines.aclose()
    keep(ring, "nobody reads this")


async def test_who_reads_too_slowly_is_told_what_is_lost() -> None:
    ring = LogRing(3)
    keep(ring, "first")
    lines = ring.read(EVERYTHING, follow=True)
    assert (await anext(lines)).record == line("first")
    for number in range(10):
        keep(ring, str(number))
    assert await anext(lines) == (None, 7)
    assert (await anext(lines)).record == line("7")
    await lines.aclose()


async def test_many_lines_at_once_are_read_to_the_end() -> None:
    ring = LogRing(2000)
    for number in range(1000):
        keep(ring, str(number))
    assert await read(ring) == [str(number) for number in range(1000)]
