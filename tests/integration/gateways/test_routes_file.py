"""The file of routes: whole at any time, and left out where it is not."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from penstock.core.contracts.model import CopyPlace
from penstock.core.routing.route import Copies, Route, RouteKey, ServedModel
from penstock.core.routing.routes_file import RoutesFile
from penstock.core.signature import Signature

ROUTES = [
    Route(RouteKey("copies", "m"), 1, Copies(2, None, (CopyPlace("grpc://far:1", "m_2"),))),
    Route(RouteKey("model", "m"), 2, ServedModel(2, Signature((), None))),
]


async def kept(path: Path) -> None:
    file = RoutesFile(path)
    file.keep(ROUTES)
    await file.flush()


async def test_what_was_kept_is_read(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "routes"
    await kept(path)
    assert RoutesFile(path).read() == ROUTES
    assert [each.name for each in path.parent.iterdir()] == ["routes"]


async def test_the_latest_is_written_and_no_more_often_than_need_be(tmp_path: Path) -> None:
    naps: asyncio.Queue[asyncio.Event] = asyncio.Queue()

    async def sleep(length_s: float) -> None:
        nap = asyncio.Event()
        naps.put_nowait(nap)
        await nap.wait()

    path = tmp_path / "routes"
    file = RoutesFile(path, sleep=sleep)
    running = asyncio.create_task(file.run())
    file.keep(ROUTES[:1])
    nap = await naps.get()
    file.keep([])
    file.keep(ROUTES)
    await asyncio.sleep(0.05)
    assert RoutesFile(path).read() == ROUTES[:1]
    nap.set()
    await naps.get()
    assert RoutesFile(path).read() == ROUTES
    running.cancel()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda content: content[:-1] + b"?", "it is damaged"),
        (lambda content: content[:40], "it is damaged"),
        (lambda content: b"", "it is no file of routes, or one of another release"),
        (lambda content: b"penstock routes 9 0\n", "one of another release"),
    ],
)
async def test_a_damaged_one_is_left_out(
    tmp_path: Path, damage: object, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "routes"
    await kept(path)
    assert callable(damage)
    path.write_bytes(damage(path.read_bytes()))
    assert RoutesFile(path).read() == ()
    assert said in caplog.text


def test_none_is_none(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert RoutesFile(tmp_path / "routes").read() == ()
    assert caplog.text == ""
    assert RoutesFile(tmp_path).read() == ()
    assert "cannot be used" in caplog.text


async def test_a_disk_that_takes_nothing_is_told_and_no_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("no folder")
    await kept(tmp_path / "file" / "routes")
    assert "the routes cannot be kept" in caplog.text
