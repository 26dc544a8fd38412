"""Artifacts from a web server through a cache: once, whole, or not at all."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.web import Web, serving
from penstock.core.artifacts import ArtifactCache, ArtifactFetcher, FetchedArtifacts
from penstock.core.artifacts.fetcher import Wanted
from penstock.core.contracts.storage import ArtifactStorage
from penstock.core.errors import InvalidRequestError, NotFoundError, NotReadyError
from penstock.plugins.files import FileStorage
from penstock.plugins.http_files import HttpOptions, HttpStorage

CONTENT = bytes(range(256)) * 100
DIGEST = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"

OTHER_PROCESS = """
import asyncio, sys
from pathlib import Path
from penstock.core.artifacts import ArtifactCache, ArtifactFetcher
from penstock.core.artifacts.fetcher import Wanted
from penstock.plugins.http_files import HttpStorage

cache = ArtifactCache(Path(sys.argv[1]), 1 << 30)
fetcher = ArtifactFetcher(Path(sys.argv[1]), cache)
fetched = asyncio.run(fetcher.fetch(Wanted(HttpStorage(), sys.argv[2], None)))
print(fetched.path.stat().st_size)
cache.close()
"""


@pytest.fixture
def web() -> Iterator[Web]:
    with serving() as web:
        web.files = dict.fromkeys(("/model.bin", "/held", "/broken", "/silent"), CONTENT)
        yield web


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def cache(folder: Path) -> Iterator[ArtifactCache]:
    cache = ArtifactCache(folder, 1 << 30)
    yield cache
    cache.close()


@pytest.fixture
def fetcher(tmp_path: Path, cache: ArtifactCache) -> ArtifactFetcher:
    work_folder = tmp_path / "work"
    work_folder.mkdir()
    return ArtifactFetcher(work_folder, cache)


def at(web: Web, path: str = "/model.bin", digest: str | None = None) -> Wanted:
    """What is wanted from the web server."""
    return Wanted(
        HttpStorage(HttpOptions(timeout_s=0.5 if path == "/silent" else 30.0)),
        web.address + path,
        digest,
    )


def whole(fetched: FetchedArtifacts) -> bool:
    """Whether what was fetched is what was put there."""
    return fetched.path is not None and fetched.path.read_bytes() == CONTENT


def kept(folder: Path) -> list[Path]:
    """All files of entries, and all that are on their way."""
    return [each for each in folder.rglob("*") if each.name in ("model.bin", "held", "broken")]


async def test_copies_and_versions_share_what_was_fetched_once(
    fetcher: ArtifactFetcher, web: Web
) -> None:
    at_once = await asyncio.gather(*(fetcher.fetch(at(web)) for _ in range(4)))
    later = await fetcher.fetch(at(web))
    assert all(whole(each) for each in (*at_once, later))
    assert len({each.path for each in (*at_once, later)}) == 1
    assert web.got == {"/model.bin": 1}
    await later.release()
    assert whole(at_once[0])


async def test_what_has_changed_there_is_fetched_beside_it(
    fetcher: ArtifactFetcher, web: Web
) -> None:
    before = await fetcher.fetch(at(web))
    web.files["/model.bin"] = b"another"
    after = await fetcher.fetch(at(web))
    assert whole(before)
    assert after.path is not None
    assert after.path.read_bytes() == b"another"


async def test_a_declared_digest_needs_no_network_the_second_time(
    fetcher: ArtifactFetcher, web: Web
) -> None:
    await fetcher.fetch(at(web, digest=DIGEST))
    del web.files["/model.bin"]
    assert whole(await fetcher.fetch(at(web, digest=DIGEST)))
    with pytest.raises(NotFoundError):
        await fetcher.fetch(at(web))


async def test_what_says_nothing_of_its_contents_is_fetched_for_each(
    fetcher: ArtifactFetcher, web: Web, folder: Path
) -> None:
    web.untold.add("/model.bin")
    one, other = await fetcher.fetch(at(web)), await fetcher.fetch(at(web))
    assert whole(one)
    assert whole(other)
    assert one.path != other.path
    await one.release()
    assert one.path is not None
    assert not one.path.exists()
    assert whole(other)
    assert not kept(folder)


async def test_corrupt_artifacts_are_not_kept(
    fetcher: ArtifactFetcher, web: Web, folder: Path
) -> None:
    meant = f"sha256:{'0' * 64}"
    with pytest.raises(InvalidRequestError, match=f"has the digest {DIGEST}, not {meant} as"):
        await fetcher.fetch(at(web, digest=meant))
    assert not kept(folder)


async def test_files_of_this_machine_are_used_where_they_are_and_checked(
    fetcher: ArtifactFetcher, tmp_path: Path, folder: Path
) -> None:
    path = tmp_path / "own.bin"
    path.write_bytes(CONTENT)
    for address in (str(path), path.as_uri()):
        fetched = await fetcher.fetch(Wanted(FileStorage(), address, DIGEST))
        await fetched.release()
        assert fetched.path == path
        assert whole(fetched)
    path.write_bytes(CONTENT + b"x")
    with pytest.raises(InvalidRequestError, match="has the digest"):
        await fetcher.fetch(Wanted(FileStorage(), str(path), DIGEST))
    assert not kept(folder)


@pytest.mark.parametrize(
    ("path", "error", "sentence"),
    [
        ("/broken", NotReadyError, "broke off after 25600 of 25601 bytes"),
        ("/silent", NotReadyError, "cannot be fetched: timed out"),
        ("/missing", NotFoundError, "answers 404"),
        ("/circle", InvalidRequestError, "redirected in circles"),
    ],
)
async def test_what_cannot_be_fetched_leaves_nothing(
    fetcher: ArtifactFetcher,
    web: Web,
    folder: Path,
    path: str,
    error: type[Exception],
    sentence: str,
) -> None:
    with pytest.raises(error, match=sentence):
        await fetcher.fetch(at(web, path))
    assert not kept(folder)


class Changing(HttpStorage):
    """A storage whose contents change with every fetch."""

    def __init__(self, web: Web) -> None:
        super().__init__()
        self._web = web

    async def fetch(self, uri: str, into: Path) -> Path:
        path = await super().fetch(uri, into)
        self._web.files["/model.bin"] += b"x"
        return path


async def test_what_changes_meanwhile_is_not_kept(
    fetcher: ArtifactFetcher, web: Web, folder: Path
) -> None:
    with pytest.raises(NotReadyError, match="was changed while it was being fetched"):
        await fetcher.fetch(Wanted(Changing(web), f"{web.address}/model.bin", None))
    assert not kept(folder)


class SmallDisk(ArtifactStorage):
    """Fetches onto a disk that is full while any entry is kept."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def handles(self, uri: str) -> bool:
        return True

    async def identity(self, uri: str) -> str | None:
        return uri

    async def fetch(self, uri: str, into: Path) -> Path:
        if any((self._folder / "entries").iterdir()):
            raise OSError(errno.ENOSPC, "No space left on device")
        (into / "model.bin").write_bytes(CONTENT)
        return into / "model.bin"


async def test_a_full_disk_is_cleared_of_what_nobody_uses(
    fetcher: ArtifactFetcher, folder: Path
) -> None:
    storage = SmallDisk(folder)
    first = await fetcher.fetch(Wanted(storage, "a", None))
    with pytest.raises(NotReadyError, match=rf"b does not fit on the disk of {folder}.*takes more"):
        await fetcher.fetch(Wanted(storage, "b", None))
    await first.release()
    assert whole(await fetcher.fetch(Wanted(storage, "b", None)))


async def test_who_gives_up_leaves_nothing_and_lets_the_next_one(
    fetcher: ArtifactFetcher, cache: ArtifactCache, web: Web, folder: Path
) -> None:
    first = asyncio.create_task(fetcher.fetch(at(web, "/held")))
    await asyncio.to_thread(web.begun.wait, 10.0)
    waiting = asyncio.create_task(fetcher.fetch(at(web, "/held")))
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    web.release.set()
    fetched = await waiting
    assert whole(fetched)
    assert web.got == {"/held": 2}
    await fetched.release()
    assert cache.make_room(None)
    assert not kept(folder), "what was given up is in use by nobody"


async def test_a_damaged_entry_is_fetched_again(fetcher: ArtifactFetcher, web: Web) -> None:
    fetched = await fetcher.fetch(at(web))
    assert fetched.path is not None
    fetched.path.unlink()
    assert whole(await fetcher.fetch(at(web)))
    assert web.got == {"/model.bin": 2}


async def other_process(folder: Path, web: Web) -> asyncio.subprocess.Process:
    """Another process that fetches what comes in two halves."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        OTHER_PROCESS,
        str(folder),
        f"{web.address}/held",
        stdout=asyncio.subprocess.PIPE,
    )


async def test_two_processes_fetch_once(fetcher: ArtifactFetcher, web: Web, folder: Path) -> None:
    other = await other_process(folder, web)
    await asyncio.to_thread(web.begun.wait, 20.0)
    mine = asyncio.create_task(fetcher.fetch(at(web, "/held")))
    web.release.set()
    out, _ = await other.communicate()
    assert int(out) == len(CONTENT)
    assert whole(await mine)
    assert web.got == {"/held": 1}


async def test_half_of_a_killed_process_is_not_used(
    fetcher: ArtifactFetcher, cache: ArtifactCache, web: Web, folder: Path
) -> None:
    other = await other_process(folder, web)
    await asyncio.to_thread(web.begun.wait, 20.0)
    mine = asyncio.create_task(fetcher.fetch(at(web, "/held")))
    other.send_signal(signal.SIGKILL)
    await other.communicate()
    web.release.set()
    fetched = await mine
    assert whole(fetched)
    assert web.got == {"/held": 2}
    await fetched.release()
    assert cache.make_room(None)
    assert not kept(folder), "the half that was left is cleared away"


async def test_the_cache_is_found_by_the_next_process(
    fetcher: ArtifactFetcher, web: Web, folder: Path, tmp_path: Path
) -> None:
    await fetcher.fetch(at(web))
    next_one = ArtifactCache(folder, 1 << 30)
    assert whole(await ArtifactFetcher(tmp_path, next_one).fetch(at(web)))
    assert web.got == {"/model.bin": 1}
    next_one.close()
    shutil.rmtree(folder / "entries")
    (folder / "entries").mkdir()
    assert whole(await fetcher.fetch(at(web)))
