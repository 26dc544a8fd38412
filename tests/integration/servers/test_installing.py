"""Installing servers: real environments, with a package that is made here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from penstock.core.errors import InvalidRequestError, NotReadyError, UnsupportedError
from penstock.servers.installing.installation import NOTE, Installation
from penstock.servers.installing.installer import Installer
from penstock.servers.installing.recipe import PythonVersion, Recipe


def wheel(folder: Path, name: str) -> str:
    """A package of one module and one script, as pip takes it without a network."""
    path = folder / f"{name}-1.0-py3-none-any.whl"
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}.py", "def main(): print('here')\n")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/entry_points.txt", f"[console_scripts]\n{name} = {name}:main\n")
        archive.writestr(f"{info}/RECORD", "")
    return str(path)


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    return Recipe(
        name="tiny",
        version="1.0",
        requirements=(wheel(tmp_path, "tiny"),),
        extras={"more": wheel(tmp_path, "more")},
        default_extras=(),
        pythons=((3, 9), (3, 99)),
        needed_bytes=1,
    )


@pytest.fixture
def there(recipe: Recipe, tmp_path: Path) -> Installation:
    return Installation(recipe, tmp_path / "servers" / "tiny-1.0")


def test_a_server_is_installed_once_and_runs_where_it_was_put(
    recipe: Recipe, there: Installation
) -> None:
    with pytest.raises(NotReadyError, match="penstock servers install tiny --into"):
        there.python()
    told: list[str] = []
    installer = Installer(recipe, there, told.append)
    assert installer.install()
    assert told[0].startswith("making an environment with Python 3.")
    assert any(line.startswith("Installing collected packages: tiny") for line in told)
    assert not installer.install()
    # Its scripts name the place that it has, not the one where it was made.
    assert run(there.folder / "bin" / "tiny") == "here"
    assert run(there.python(), "-c", "import tiny; print(tiny.__name__)") == "tiny"
    assert [each.name for each in there.folder.parent.iterdir() if each.name[0] != "."] == [
        "tiny-1.0"
    ]

    assert installer.install(("more",))
    assert run(there.folder / "bin" / "more") == "here"
    assert not installer.install()
    note = there.note()
    assert note is not None
    assert len(note.requirements) == 2


def test_half_an_installation_is_never_used(recipe: Recipe, there: Installation) -> None:
    def interrupted(packages: Path, version: PythonVersion) -> None:
        assert (packages / "tiny.py").exists()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Installer(replace(recipe, finish=interrupted), there, print).install()
    assert there.note() is None
    assert not there.folder.exists()
    # As one that was killed leaves it.
    aside = there.folder.with_name(".tiny-1.0.making")
    (aside / "bin").mkdir(parents=True)
    assert Installer(recipe, there, print).install()
    assert not aside.exists()


def test_what_is_in_the_way_is_named(
    recipe: Recipe, there: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(
        UnsupportedError, match=r"tiny 1.0 runs on Python 2.7 to 3.0, and .*--python"
    ):
        Installer(replace(recipe, pythons=((2, 7), (3, 0))), there, print).install()
    with pytest.raises(NotReadyError, match=r"no room for it at .* MiB are free; make room"):
        Installer(replace(recipe, needed_bytes=2**60), there, print).install()
    with pytest.raises(InvalidRequestError, match="/etc/passwd is no Python that runs"):
        Installer(recipe, there, print, python=Path("/etc/passwd")).install()
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("PIP_RETRIES", "0")
    nowhere = replace(recipe, requirements=("penstock-no-such-package==1",))
    with pytest.raises(NotReadyError, match=r"tiny cannot be downloaded .*PIP_INDEX_URL"):
        Installer(nowhere, there, print).install()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    newer = replace(recipe, requirements=("tiny==2",))
    with pytest.raises(
        NotReadyError, match="installed: ERROR: No matching distribution found for tiny==2"
    ):
        Installer(newer, there, print).install()
    broken = replace(recipe, requirements=("/no/such/file.whl",))
    with pytest.raises(NotReadyError, match=r"tiny cannot be installed: .*file.whl"):
        Installer(broken, there, print).install()
    there.folder.mkdir(parents=True)
    (there.folder / "mine").touch()
    with pytest.raises(InvalidRequestError, match="holds other things"):
        Installer(recipe, there, print).install()


def test_a_note_of_another_server_is_none(recipe: Recipe, there: Installation) -> None:
    there.folder.mkdir(parents=True)
    for text in ("garbage", "[]", '{"name": "other"}'):
        (there.folder / NOTE).write_text(text)
        assert there.note() is None


def test_the_command_lists_and_refuses(tmp_path: Path) -> None:
    program = "import sys; from penstock.core.cli import main; sys.exit(main())"
    environment = {**os.environ, "PENSTOCK_HOME": str(tmp_path)}

    def penstock(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", program, "servers", *words]
        return subprocess.run(command, check=False, capture_output=True, text=True, env=environment)

    listed = json.loads(penstock("list", "-o", "json").stdout)["servers"]
    assert [(each["name"], each["installed"]) for each in listed] == [
        ("mlserver", False),
        ("triton", False),
    ]
    assert penstock("list").stdout.splitlines()[1].split() == [
        "mlserver",
        "1.7.1",
        "no",
        str(tmp_path / "servers" / "mlserver-1.7.1"),
    ]
    unknown = penstock("install", "tritom")
    assert unknown.returncode == 2
    full = tmp_path / "full"
    full.mkdir()
    (full / "mine").touch()
    refused = penstock("install", "triton", "--into", str(full), "-o", "json")
    assert refused.returncode == 1
    assert json.loads(refused.stderr)["code"] == "invalid-request"


def run(*command: object) -> str:
    done = subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True)
    return done.stdout.strip()
