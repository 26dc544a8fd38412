"""A cache on a real disk: what is there, what goes, and what becomes of damage."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.core.artifacts import ArtifactCache
from penstock.core.artifacts.claim import Claim
from penstock.core.errors import NotReadyError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def cache(folder: Path) -> Iterator[ArtifactCache]:
    cache = ArtifactCache(folder, max_bytes=1000)
    yield cache
    cache.close()


def fetched(cache: ArtifactCache, address: str, size: int = 400) -> str:
    """An entry with a file of that size, which is in use; its key."""
    folder = cache.new_folder()
    path = folder / "files" / "model.bin"
    path.write_bytes(bytes(size))
    assert cache.add(folder, address, "1", path).stat().st_size == size
    return cache.key(address, "1")


def there(folder: Path) -> set[str]:
    """The keys of all entries."""
    return {each.name for each in (folder / "entries").iterdir()}


def test_nothing_is_made_before_it_is_needed(folder: Path) -> None:
    ArtifactCache(folder, 1000).close()
    assert not folder.exists()


def test_an_entry_is_taken_as_often_as_it_is_wanted(cache: ArtifactCache) -> None:
    key = fetched(cache, "a")
    path = cache.take(key)
    assert path is not None
    assert path.name == "model.bin"
    assert path.read_bytes() == bytes(400)
    assert cache.take(cache.key("a", "2")) is None
    assert cache.take(cache.key("b", "1")) is None


def test_what_is_shared_cannot_be_written_to(cache: ArtifactCache) -> None:
    path = cache.take(fetched(cache, "a"))
    assert path is not None
    assert not path.stat().st_mode & 0o222


def test_what_was_used_longest_ago_goes(cache: ArtifactCache, folder: Path) -> None:
    a, b = fetched(cache, "a"), fetched(cache, "b")
    cache.leave(a)
    cache.leave(b)
    assert cache.take(a) is not None
    cache.leave(a)
    c = fetched(cache, "c")
    assert there(folder) == {a, c}


def test_what_is_in_use_stays_and_goes_when_it_is_not(cache: ArtifactCache, folder: Path) -> None:
    keys = {fetched(cache, address) for address in ("a", "b", "c")}
    assert there(folder) == keys, "all are in use, whatever the bound is"
    cache.leave(cache.key("b", "1"))
    assert there(folder) == keys - {cache.key("b", "1")}


def test_what_another_process_uses_stays(cache: ArtifactCache, folder: Path) -> None:
    other = ArtifactCache(folder, max_bytes=1000)
    a = fetched(other, "a")
    for address in ("b", "c"):
        cache.leave(fetched(cache, address))
    assert there(folder) == {a, cache.key("c", "1")}
    other.close()
    cache.leave(fetched(cache, "d"))
    assert a not in there(folder)


KILLED = """
import os, signal, sys
from pathlib import Path
from penstock.core.artifacts import ArtifactCache
cache = ArtifactCache(Path(sys.argv[1]), 1000)
for address in ("a", "half"):
    folder = cache.new_folder()
    path = folder / "files" / "model.bin"
    path.write_bytes(bytes(400))
    if address == "a":
        cache.add(folder, address, "1", path)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_used_may_go(cache: ArtifactCache, folder: Path) -> None:
    died = subprocess.run([sys.executable, "-c", KILLED, str(folder)], check=False)
    assert died.returncode == -9
    a = cache.key("a", "1")
    assert there(folder) == {a}
    for address in ("b", "c"):
        cache.leave(fetched(cache, address))
    assert a not in there(folder)
    parts = [path for path in folder.rglob("model.bin") if "entries" not in path.parts]
    assert parts == [], "half of what it fetched is cleared away"


@pytest.mark.parametrize("damage", ["shorter", "gone", "more", "note"])
def test_what_is_damaged_is_thrown_away(cache: ArtifactCache, folder: Path, damage: str) -> None:
    key = fetched(cache, "a")
    file = folder / "entries" / key / "files" / "model.bin"
    if damage == "shorter":
        file.chmod(0o600)
        os.truncate(file, 399)
    elif damage == "gone":
        file.unlink()
    elif damage == "more":
        (file.parent / "more.bin").touch()
    else:
        (folder / "entries" / key / "entry.json").write_bytes(b"{")
    assert cache.take(key) is None
    assert there(folder) == set()
    fetched(cache, "a")
    assert cache.take(key) is not None


def test_room_is_made_of_what_nobody_uses(cache: ArtifactCache, folder: Path) -> None:
    a, b = fetched(cache, "a"), fetched(cache, "b")
    cache.leave(a)
    assert cache.make_room(None)
    assert there(folder) == {b}
    assert not cache.make_room(None)


def test_one_turn_after_the_other(cache: ArtifactCache, folder: Path) -> None:
    cache.new_folder()
    first, second, third = (cache.turn("k") for _ in range(3))
    first.wait()
    came = []

    def wait() -> None:
        second.wait()
        came.append("second")
        second.end()

    waiting = threading.Thread(target=wait)
    waiting.start()
    third.end()
    third.wait()  # was over before it came: waits for nobody's sake
    first.end()
    waiting.join(10.0)
    assert came == ["second"]
    assert list((folder / "turns").iterdir()) == []


def test_an_entry_that_comes_too_late_is_given_back(cache: ArtifactCache, folder: Path) -> None:
    key = fetched(cache, "a")
    cache.leave(key)
    claim = Claim(cache, key)
    claim.release()
    assert claim.take() is not None
    assert cache.make_room(None), "nobody uses it"
    assert there(folder) == set()


def test_a_folder_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    cache = ArtifactCache(tmp_path / "file" / "cache", 1000)
    with pytest.raises(NotReadyError, match=r"cannot be used: .*set agent\.cache\.folder"):
        cache.take("k")
