"""The database on a real disk: what it holds outlives its process, and damage is noticed."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from penstock.core.database import Database, SavedResource, back_up, examine, read, restore
from penstock.core.database.file import DatabaseError
from penstock.core.errors import ConflictError, NotFoundError, NotReadyError, UnsupportedError
from penstock.core.resources import Model, Origin


def saved(name: str, version: int = 1, **spec: Any) -> SavedResource:
    manifest = Model.model_validate(
        {"metadata": {"name": name}, "spec": spec or {"python": "models:Any"}}
    )
    return SavedResource(manifest, Origin("test.yaml", Path("/manifests")), version)


def test_what_was_written_is_there_after_it_was_closed(tmp_path: Path) -> None:
    path = tmp_path / "new" / "penstock.db"
    database = Database(path)
    assert (database.saved().resources, database.saved().starts) == ((), 1)
    idle = SavedResource(saved("b").manifest, Origin("<request>"), 3, ("'logger' does nothing",))
    database.write([saved("a"), idle], namespace="team")
    database.write([saved("a", 2, python="models:Other", memory="1Mi")])
    database.write([saved("c")])
    database.write(deleted=[saved("c")])
    database.close()

    database = Database(path)
    held = database.saved()
    assert held.resources == (saved("a", 2, python="models:Other", memory="1Mi"), idle)
    assert held.deleted == {("Model", "c"): 1}
    assert (held.namespace, held.starts) == ("team", 2)
    database.close()


def test_what_is_known_of_experiments_is_there_until_it_is_gone(tmp_path: Path) -> None:
    database = Database(tmp_path / "db")
    assert database.saved().trials == {}
    database.write(trials={"a": {"version": 1}, "b": {"version": 2}})
    database.write(trials={"a": {"version": 3}, "b": None, "c": None})
    database.close()
    database = Database(tmp_path / "db")
    assert database.saved().trials == {"a": {"version": 3}}
    assert database.saved().starts == 2
    database.close()


def test_a_name_that_comes_back_is_no_longer_deleted(tmp_path: Path) -> None:
    database = Database(tmp_path / "db")
    database.write([saved("a", 4)])
    database.write(deleted=[saved("a", 4)])
    database.write([saved("a", 5)])
    database.close()
    database = Database(tmp_path / "db")
    assert database.saved().deleted == {}
    assert database.saved().resources == (saved("a", 5),)
    database.close()


def test_only_one_process_has_it(tmp_path: Path) -> None:
    database = Database(tmp_path / "db")
    with pytest.raises(ConflictError, match="in use by another scheduler"):
        Database(tmp_path / "db")
    with pytest.raises(ConflictError, match="in use by another scheduler"):
        restore(tmp_path / "db", tmp_path / "db")
    database.close()
    Database(tmp_path / "db").close()


@pytest.mark.parametrize("place", [0.0, 0.3, 0.6])
def test_broken_pages_are_refused_with_a_way_back(tmp_path: Path, place: float) -> None:
    path = filled(tmp_path)
    content = bytearray(path.read_bytes())
    at = int(len(content) * place)
    content[at : at + 3000] = b"\xaa" * 3000
    path.write_bytes(content)

    with pytest.raises(DatabaseError, match=r"is damaged: .*penstock store restore"):
        Database(path)
    with pytest.raises(DatabaseError, match="is damaged"):
        back_up(path, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    assert path.read_bytes() == content  # nothing tries to mend it


def test_a_text_that_has_changed_is_noticed_and_the_rest_can_be_read(tmp_path: Path) -> None:
    path = filled(tmp_path)
    content = path.read_bytes()
    assert content.count(b"models:Model17") == 1
    path.write_bytes(content.replace(b"models:Model17", b"models:Model71"))

    with pytest.raises(DatabaseError, match="model 'm17' is not what was written"):
        Database(path)
    with pytest.raises(DatabaseError, match="model 'm17' is not what was written"):
        examine(path)
    resources, broken = read(path)
    assert len(resources) == 99
    assert broken == ["model 'm17' is not what was written"]


def test_a_cut_off_file_is_refused(tmp_path: Path) -> None:
    path = filled(tmp_path)
    path.write_bytes(path.read_bytes()[:-10_000])
    with pytest.raises(DatabaseError, match="is damaged"):
        Database(path)


def test_what_is_no_database_of_ours_is_left_alone(tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE things (name TEXT)")
    connection.close()
    text = tmp_path / "notes.txt"
    text.write_text("not a database at all, but longer than the header of one would be\n" * 9)
    with pytest.raises(DatabaseError, match="of another program"):
        Database(other)
    with pytest.raises(DatabaseError, match="is damaged: file is not a database"):
        Database(text)
    with pytest.raises(NotFoundError, match="there is no database"):
        examine(tmp_path / "nowhere")
    (tmp_path / "empty").touch()
    with pytest.raises(DatabaseError, match="is empty"):
        examine(tmp_path / "empty")


def test_a_later_format_is_refused(tmp_path: Path) -> None:
    path = filled(tmp_path)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 2")
    connection.close()
    with pytest.raises(UnsupportedError, match="by a later Penstock"):
        Database(path)


def test_a_full_disk_changes_nothing(tmp_path: Path) -> None:
    path = filled(tmp_path)
    database = Database(path)
    connection = database._connection
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")
    large = saved("large", python="models:Any", parameters={"text": "x" * 1_000_000})
    with pytest.raises(NotReadyError, match=r"nothing is changed, since .*full"):
        database.write([saved("small"), large])
    connection.execute("PRAGMA max_page_count = 1000000")
    database.write([saved("later")])
    database.close()
    database = Database(path)
    names = {each.name for each in database.saved().resources}
    database.close()
    assert "later" in names
    assert not names & {"small", "large"}


def test_a_backup_is_whole_while_changes_go_on(tmp_path: Path) -> None:
    database = Database(tmp_path / "db")
    over = threading.Event()

    def change() -> None:
        version = 1
        while not over.is_set():
            database.write([saved("one", version), saved("two", version)])
            version += 1

    writer = threading.Thread(target=change)
    writer.start()
    try:
        counts = [back_up(tmp_path / "db", tmp_path / f"backup{n}") for n in range(10)]
    finally:
        over.set()
        writer.join()
        database.close()
    assert counts[-1] == 2
    for number in range(10):
        resources, broken = read(tmp_path / f"backup{number}")
        assert not broken
        assert len({each.version for each in resources}) <= 1, "half of a change"
    with pytest.raises(ConflictError, match="is there already"):
        back_up(tmp_path / "db", tmp_path / "backup0")


def test_a_backup_is_put_back_and_what_was_there_is_kept(tmp_path: Path) -> None:
    path = filled(tmp_path)
    back_up(path, tmp_path / "backup")
    database = Database(path)
    database.write([saved("later")])
    database.close()
    content = bytearray(path.read_bytes())
    content[5000:9000] = b"\0" * 4000
    path.write_bytes(content)

    resources, before = restore(tmp_path / "backup", path)

    assert resources == 100
    assert before is not None
    assert before.read_bytes() == content
    database = Database(path)
    assert len(database.saved().resources) == 100
    database.close()
    assert restore(tmp_path / "backup", tmp_path / "new") == (100, None)


KILLED = """
import sys
from pathlib import Path
from penstock.core.database import Database, SavedResource
from penstock.core.resources import Model, Origin

def saved(name, version):
    manifest = Model.model_validate({"metadata": {"name": name}, "spec": {"python": "m:A"}})
    return SavedResource(manifest, Origin("x"), version)

database = Database(Path(sys.argv[1]))
version = max([each.version for each in database.saved().resources], default=0)
while True:
    version += 1
    database.write([saved(name, version) for name in "abc"])
    print(version, flush=True)
"""


def test_nothing_that_was_acknowledged_is_lost_by_kills(tmp_path: Path) -> None:
    path = tmp_path / "db"
    said = 0
    for number in range(8):
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        for _ in range(3 + number * 7):
            said = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        said = max([said, *map(int, process.stdout.read().split())])
        process.wait()
        process.stdout.close()
        database = Database(path)
        versions = {each.name: each.version for each in database.saved().resources}
        database.close()
        assert set(versions) == set("abc")
        [version] = set(versions.values())
        assert version in (said, said + 1)


def filled(folder: Path) -> Path:
    """A closed database of a hundred models."""
    path = folder / "penstock.db"
    database = Database(path)
    database.write([saved(f"m{n}", python=f"models:Model{n}") for n in range(100)])
    database.close()
    assert not os.path.exists(f"{path}-wal")
    return path
