"""What an installation of a server is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

PythonVersion: TypeAlias = tuple[int, int]


def nothing(site_packages: Path, version: PythonVersion) -> None:
    """Nothing is left to be done after pip."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """One server in one version.

    ``requirements`` are installed as pip takes them, ``bare`` ones without what they depend on.
    ``extras`` are requirements that people ask for by a word; those in ``default_extras`` are
    installed unless others are asked for. ``pythons`` are the oldest and the newest version that
    it runs on. ``finish`` does what is left after pip, given the folder of the packages and the
    version of Python.
    """

    name: str
    version: str
    requirements: tuple[str, ...]
    extras: Mapping[str, str]
    default_extras: tuple[str, ...]
    pythons: tuple[PythonVersion, PythonVersion]
    needed_bytes: int
    bare: tuple[str, ...] = ()
    finish: Callable[[Path, PythonVersion], None] = nothing

    def wanted(self, extras: tuple[str, ...]) -> tuple[str, ...]:
        """What pip is asked for: an extra that is no word of the recipe is a requirement."""
        chosen = extras or self.default_extras
        return (*self.requirements, *(self.extras.get(each, each) for each in chosen))

    def runs_on(self, version: PythonVersion) -> bool:
        """Whether it runs on a version of Python."""
        oldest, newest = self.pythons
        return oldest <= version <= newest
