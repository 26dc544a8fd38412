"""Where artifacts are kept when nobody says where."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.core.artifacts import default_folder


@pytest.mark.parametrize(
    ("environment", "platform", "folder"),
    [
        ({}, "linux", Path.home() / ".cache/penstock/artifacts"),
        ({"XDG_CACHE_HOME": "/c"}, "linux", Path("/c/penstock/artifacts")),
        ({}, "darwin", Path.home() / "Library/Caches/penstock/artifacts"),
        ({"PENSTOCK_HOME": "/p", "XDG_CACHE_HOME": "/c"}, "linux", Path("/p/artifacts")),
    ],
)
def test_the_default_folder(environment: dict[str, str], platform: str, folder: Path) -> None:
    assert default_folder(environment, platform) == folder


def test_a_user_without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", fail)
    assert default_folder({}, "linux").parts[-3:] == (".cache", "penstock", "artifacts")
