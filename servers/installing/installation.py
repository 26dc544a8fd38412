"""A server as it is installed, or is not."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from penstock.core.errors import NotReadyError
from penstock.core.home import data_folder
from penstock.servers.installing.recipe import Recipe

NOTE: Final = "penstock-server.json"
"""Written into a folder last, before it gets its name: what is in it."""


@dataclass(frozen=True, slots=True)
class Note:
    """What was installed: the server, the requirements that pip was given, the version of Python
    (``3.11``)."""

    name: str
    version: str
    requirements: tuple[str, ...]
    python: str

    def text(self) -> str:
        """As it is written into the file."""
        return (
            json.dumps(
                {
                    "name": self.name,
                    "version": self.version,
                    "requirements": list(self.requirements),
                    "python": self.python,
                },
                indent=2,
            )
            + "\n"
        )


class Installation:
    """One folder in which a server is, or is to be."""

    def __init__(self, recipe: Recipe, folder: Path | None = None) -> None:
        self._recipe = recipe
        self._folder = folder

    @property
    def folder(self) -> Path:
        """Where it is: the folder that was given, else the one for its name and version."""
        recipe = self._recipe
        return self._folder or data_folder() / "servers" / f"{recipe.name}-{recipe.version}"

    def note(self) -> Note | None:
        """What is installed, None when nothing is, or not this server."""
        try:
            written = json.loads((self.folder / NOTE).read_bytes())
            found = _read(written)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return found if found.name == self._recipe.name else None

    def python(self) -> Path:
        """The Python of its environment. Raises NotReadyError when it is not installed."""
        if self.note() is None:
            raise NotReadyError(self.missing())
        return self.folder / "bin" / "python"

    def site_packages(self) -> list[Path]:
        """The folders of its packages."""
        return sorted(self.folder.glob("lib/python*/site-packages"))

    def missing(self) -> str:
        """That it is not installed, and what to do about it."""
        into = "" if self._folder is None else f" --into {self._folder}"
        name = self._recipe.name
        return (
            f"{name} is not installed in {self.folder}; run penstock servers install {name}{into}, "
            f"or name a program of your own in the server's option command"
        )


def _read(written: dict[str, Any]) -> Note:
    return Note(
        str(written["name"]),
        str(written["version"]),
        tuple(map(str, written["requirements"])),
        str(written["python"]),
    )
