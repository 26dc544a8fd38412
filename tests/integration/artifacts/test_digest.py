"""Digests are what the tools of every system say."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from penstock.core.artifacts import digest_of

SUMS = r"find -L . -type f -printf '%P\0' | LC_ALL=C sort -z | xargs -0 sha256sum -- | sha256sum"


def sum_of(folder: Path) -> str:
    """What the command of the docs prints."""
    done = subprocess.run(SUMS, shell=True, cwd=folder, capture_output=True, check=True, text=True)
    return f"sha256:{done.stdout.split()[0]}"


def test_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"abc")
    assert digest_of(tmp_path / "f") == f"sha256:{hashlib.sha256(b'abc').hexdigest()}"


@pytest.mark.parametrize("odd", ["b-1", "größe 1", "two\nlines", "back\\slash", "-z"])
def test_of_a_folder(tmp_path: Path, odd: str) -> None:
    folder = tmp_path / "model"
    (folder / "b").mkdir(parents=True)
    (folder / "b" / "a").write_bytes(b"1")
    (folder / odd).write_bytes(b"2")
    (folder / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "f").write_bytes(b"3")
    assert digest_of(folder) == sum_of(folder)


def test_names_count(tmp_path: Path) -> None:
    digests = set()
    for name in ("a", "b"):
        folder = tmp_path / name / "model"
        folder.mkdir(parents=True)
        (folder / name).write_bytes(b"same")
        digests.add(digest_of(folder))
    assert len(digests) == 2
