"""What servers are made of, and where they are kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.core.home import data_folder
from penstock.servers.installing.installation import Installation
from penstock.servers.mlserver.recipe import RECIPE as MLSERVER
from penstock.servers.triton.recipe import RECIPE as TRITON


def test_extras_are_words_or_requirements() -> None:
    assert MLSERVER.wanted(()) == ("mlserver==1.7.1", "uvloop==0.21.0", "mlserver-sklearn==1.7.1")
    assert MLSERVER.wanted(("xgboost", "polars>=1"))[-2:] == (
        "mlserver-xgboost==1.7.1",
        "polars>=1",
    )


def test_recipes_say_on_which_pythons_they_run() -> None:
    assert MLSERVER.runs_on((3, 11))
    assert not MLSERVER.runs_on((3, 13))
    assert not TRITON.runs_on((3, 8))


@pytest.mark.parametrize(
    ("environment", "platform", "expected"),
    [
        ({"PENSTOCK_HOME": "/p"}, "linux", Path("/p")),
        ({"PENSTOCK_HOME": "~/p"}, "linux", Path.home() / "p"),
        ({"XDG_DATA_HOME": "/d"}, "linux", Path("/d/penstock")),
        ({}, "linux", Path.home() / ".local/share/penstock"),
        ({}, "darwin", Path.home() / "Library/Application Support/penstock"),
    ],
)
def test_the_data_folder_is_where_the_system_wants_it(
    environment: dict[str, str], platform: str, expected: Path
) -> None:
    assert data_folder(environment, platform) == expected


def test_one_that_is_missing_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_HOME", "/nowhere")
    said = Installation(MLSERVER).missing()
    assert "not installed in /nowhere/servers/mlserver-1.7.1" in said
    assert "run penstock servers install mlserver, or" in said
    assert "install mlserver --into /x" in Installation(MLSERVER, Path("/x")).missing()
