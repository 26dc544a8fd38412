"""The environment that models run in: one that is there, or one that is made."""

from __future__ import annotations

import hashlib
import re
import shlex
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from penstock.core.errors import InvalidRequestError, NotReadyError
from penstock.core.home import data_folder
from penstock.servers.environments.options import VenvOptions
from penstock.servers.installing.installation import Installation
from penstock.servers.installing.installer import Installer
from penstock.servers.installing.recipe import Recipe

NEEDED_BYTES: Final = 100 * 1024 * 1024
"""What an environment with numpy takes; how much more it will be nobody knows before."""

PYTHONS: Final = ((3, 0), (3, 99))
"""Of one that is too old the worker says so itself, also where the environment is there already."""

_NAME: Final = re.compile(r"\s*([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?)\s*($|[\[;@=<>!~#, ])")
"""What a requirement begins with: the name of a package."""

_IMPORTED_AS: Final = {"scikit-learn": "sklearn"}
"""Words for packages that have another name where models require them."""


class Environment:
    """What the options ask for. Methods block, but for :meth:`words`, which looks at a folder.

    Raises InvalidRequestError for options that name no environment, or a file that cannot be read.
    """

    def __init__(self, options: VenvOptions) -> None:
        python = options.python
        self._python = None if python is None else python.expanduser().absolute()
        self._wanted = _wanted(options)
        self._installer: Installer | None = None
        self._recipe: Recipe | None = None
        self._installation: Installation | None = None
        if self._wanted:
            base = self._python or Path(sys.executable)
            self._recipe = _recipe(self._wanted, base)
            folder = data_folder() / "environments" / self._recipe.version
            self._installation = Installation(self._recipe, folder)
        elif python is None:
            raise InvalidRequestError(
                "nothing says which environment it is: write python (the Python of one that is "
                "there), requirements or requirementsFile (of one to be made) under options"
            )

    def python(self) -> Path:
        """The Python of the environment. Raises NotReadyError when it is not there."""
        if self._installation is None:
            assert self._python is not None, "one of the two is there"
            if not self._python.is_file():
                raise NotReadyError(
                    f"there is no Python at {self._python}, which options.python names"
                )
            return self._python
        if self._installation.note() is None:
            raise NotReadyError(
                f"the environment in {self._installation.folder} has not been made yet; it is made "
                "when its server starts"
            )
        return self._installation.python()

    def make(self, progress: Callable[[str], None]) -> Path:
        """The Python of the environment, which is made if it is not there; ``progress`` is told
        what is being done. Raises NotReadyError with pip's words when that does not go."""
        if self._recipe is not None and self._installation is not None:
            self._installer = Installer(
                self._recipe, self._installation, progress, python=self._python
            )
            self._installer.install()
        return self.python()

    def give_up(self) -> None:
        """Have :meth:`make` end soon, which another thread is in."""
        if self._installer is not None:
            self._installer.give_up()

    def words(self) -> frozenset[str]:
        """The names of the packages in it, as far as they are known."""
        folders: Iterable[Path] = ()
        if self._installation is not None:
            folders = self._installation.site_packages()
        elif self._python is not None:
            folders = self._python.parents[1].glob("lib/python*/site-packages")
        found = [info.name.split("-")[0] for each in folders for info in each.glob("*.dist-info")]
        names = found or [match[1] for each in self._wanted if (match := _NAME.match(each))]
        normal = {re.sub(r"[-_.]+", "-", name).lower() for name in names}
        return frozenset((*normal, *(_IMPORTED_AS[each] for each in normal & _IMPORTED_AS.keys())))


def _wanted(options: VenvOptions) -> tuple[str, ...]:
    """What pip is asked for."""
    wanted = [word for each in options.requirements for word in _words(each)]
    if options.requirements_file is not None:
        wanted += ["-r", str(options.requirements_file.expanduser().absolute())]
    return (*wanted, "numpy") if wanted else ()


def _words(requirement: str) -> list[str]:
    """One requirement, or an option of pip's with what follows it."""
    return shlex.split(requirement) if requirement.startswith("-") else [requirement]


def _recipe(wanted: tuple[str, ...], base: Path) -> Recipe:
    digest = hashlib.sha256(str(base).encode())
    for index, word in enumerate(wanted):
        digest.update(b"\0" + word.encode())
        if index and wanted[index - 1] == "-r":
            digest.update(_contents(Path(word)))
    return Recipe(
        name="the environment",
        version=digest.hexdigest()[:16],
        requirements=wanted,
        extras={},
        default_extras=(),
        pythons=PYTHONS,
        needed_bytes=NEEDED_BYTES,
    )


def _contents(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidRequestError(f"the requirementsFile cannot be read: {error}") from error
