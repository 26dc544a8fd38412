"""Installs a server: an environment is made aside and gets its name when it is whole."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeAlias

from penstock.core.errors import InvalidRequestError, NotReadyError, UnsupportedError
from penstock.core.folder_lock import alone_with
from penstock.servers.installing.installation import NOTE, Installation, Note
from penstock.servers.installing.recipe import PythonVersion, Recipe

Progress: TypeAlias = Callable[[str], None]
"""Is told what is being done, a short line at a time."""

_NEWS: Final = re.compile(r"^\s*(Collecting|Downloading|Using cached|Installing collected)\b")
"""Lines of pip's that say how far it is."""

_NO_NETWORK: Final = re.compile(
    r"name resolution|nodename nor servname|network is unreachable|connection (refused|reset)"
    r"|timed out|from versions: none|cannot connect to proxy|max retries",
    re.I,
)
_WORDY: Final = ("ERROR: Ignored the following", "ERROR: Could not find a version")
"""How lines of pip's begin that list versions; what is wrong stands in another line."""

_NO_SPACE: Final = re.compile(r"no space left|errno 28|disk quota", re.I)


class Installer:
    """Installs one server into one folder. Blocks.

    ``python`` is the interpreter that the environment is made with, this one when it is None.
    """

    def __init__(
        self,
        recipe: Recipe,
        installation: Installation,
        progress: Progress,
        *,
        python: Path | None = None,
    ) -> None:
        self._recipe = recipe
        self._installation = installation
        self._progress = progress
        self._python = python or Path(sys.executable)
        self._running: subprocess.Popen[str] | None = None
        self._lock: int | None = None
        self._given_up = False

    def give_up(self) -> None:
        """Have :meth:`install`, which another thread is in, end soon in an error."""
        self._given_up = True
        if self._running is not None:
            self._running.terminate()

    def install(self, extras: tuple[str, ...] = ()) -> bool:
        """Have the server installed; False when it is already.

        Raises NotReadyError when something is in the way that can change, UnsupportedError for a
        Python on which it does not run, InvalidRequestError for a folder that holds other things.
        """
        folder = self._installation.folder
        note = self._wanted(extras)
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with alone_with(folder) as self._lock:
                if self._installation.note() == note:
                    return False
                self._check_place(folder)
                self._make(folder, note)
        except OSError as error:
            raise NotReadyError(
                f"{folder} cannot be written: {error}; name another folder with --into, or in "
                "PENSTOCK_HOME"
            ) from error
        return True

    def _checked_version(self) -> PythonVersion:
        version = _version_of(self._python)
        if self._recipe.runs_on(version):
            return version
        oldest, newest = (".".join(map(str, each)) for each in self._recipe.pythons)
        raise UnsupportedError(
            f"{self._recipe.name} {self._recipe.version} runs on Python {oldest} to {newest}, and "
            f"{self._python} is {version[0]}.{version[1]}; name another with --python"
        )

    def _wanted(self, extras: tuple[str, ...]) -> Note:
        """What is to be there: also what was asked for in addition before."""
        recipe = self._recipe
        found = self._installation.note()
        kept: tuple[str, ...] = ()
        if found is not None and found.version == recipe.version:
            kept = found.requirements
            extras = extras or kept
        wanted = (*recipe.bare, *recipe.wanted(extras), *kept)
        python = ".".join(map(str, self._checked_version()))
        return Note(recipe.name, recipe.version, tuple(dict.fromkeys(wanted)), python)

    def _check_place(self, folder: Path) -> None:
        if folder.exists() and not (folder / NOTE).is_file() and any(folder.iterdir()):
            raise InvalidRequestError(
                f"{folder} holds other things; name an empty folder, or one that is not there"
            )
        free = shutil.disk_usage(folder.parent).free
        if free < self._recipe.needed_bytes:
            raise NotReadyError(_no_space(folder, free, self._recipe.needed_bytes))

    def _make(self, folder: Path, note: Note) -> None:
        aside = folder.with_name(f".{folder.name}.making")
        shutil.rmtree(aside, ignore_errors=True)
        try:
            self._progress(f"making an environment with Python {note.python}")
            self._run([str(self._python), "-m", "venv", str(aside)])
            pip = [str(aside / "bin" / "python"), "-m", "pip", "install", "--progress-bar", "off"]
            pip += ["--disable-pip-version-check"]
            if self._recipe.bare:
                self._run([*pip, "--no-deps", *self._recipe.bare])
            wanted = note.requirements[len(self._recipe.bare) :]
            self._run([*pip, *wanted])
            version = _version_of(self._python)
            for packages in aside.glob("lib/python*/site-packages"):
                self._recipe.finish(packages, version)
            _rename_within(aside, folder)
            (aside / NOTE).write_text(note.text())
            self._replace(folder, aside)
        finally:
            shutil.rmtree(aside, ignore_errors=True)

    def _replace(self, folder: Path, aside: Path) -> None:
        """Give the new folder its name; a server that runs from the old one keeps its files."""
        old = folder.with_name(f".{folder.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        if folder.exists():
            folder.rename(old)
        aside.rename(folder)
        shutil.rmtree(old, ignore_errors=True)

    def _run(self, command: Sequence[str]) -> None:
        """Run a command, and tell its news. Raises NotReadyError with its last words."""
        last: deque[str] = deque(maxlen=40)
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            # Should this process be killed, what it has begun ends first, alone as it was.
            pass_fds=() if self._lock is None else (self._lock,),
        ) as process:
            assert process.stdout is not None, "it is piped"
            self._running = process
            if self._given_up:
                process.terminate()
            for line in process.stdout:
                last.append(line.strip())
                if _NEWS.match(line):
                    self._progress(_shortened(line))
        if process.returncode:
            raise NotReadyError(self._failure(list(last)))

    def _failure(self, lines: Sequence[str]) -> str:
        said = "\n".join(lines)
        errors = [line for line in lines if line.startswith("ERROR")]
        errors.sort(key=lambda line: line.startswith(_WORDY))
        reason = next(iter(errors or reversed(lines)), "pip failed")
        if _NO_SPACE.search(said):
            return _no_space(self._installation.folder, None, self._recipe.needed_bytes)
        if _NO_NETWORK.search(said):
            return (
                f"{self._recipe.name} cannot be downloaded ({reason}); connect to the package "
                "index, or name one that can be reached in PIP_INDEX_URL or PIP_FIND_LINKS"
            )
        return f"{self._recipe.name} cannot be installed: {reason}"


def _no_space(folder: Path, free: int | None, needed: int) -> str:
    mib = 1024 * 1024
    has = "" if free is None else f", and {free // mib} MiB are free"
    return (
        f"there is no room for it at {folder}: it takes {needed // mib} MiB{has}; make room, or "
        "name another folder with --into, or in PENSTOCK_HOME"
    )


def _version_of(python: Path) -> PythonVersion:
    """The version of an interpreter. Raises InvalidRequestError when there is none."""
    if python == Path(sys.executable):
        return sys.version_info[:2]
    code = "import json, sys; print(json.dumps(sys.version_info[:2]))"
    try:
        said = subprocess.run(
            [str(python), "-c", code], check=True, capture_output=True, text=True, timeout=60
        ).stdout
        major, minor = json.loads(said)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise InvalidRequestError(f"{python} is no Python that runs: {error}") from error
    return int(major), int(minor)


def _rename_within(aside: Path, folder: Path) -> None:
    """Have scripts name the place that an environment will have."""
    before, after = str(aside).encode(), str(folder).encode()
    for script in [*(aside / "bin").iterdir(), aside / "pyvenv.cfg"]:
        if script.is_symlink() or not script.is_file():
            continue
        text = script.read_bytes()
        if before in text:
            script.write_bytes(text.replace(before, after))


def _shortened(line: str) -> str:
    words = " ".join(line.split())
    return words if len(words) <= 100 else f"{words[:97]}..."
