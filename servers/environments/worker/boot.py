"""The program that starts a worker: run by the Python of another environment.

``boot.py FOLDER serve CONNECTION REGION SPARE`` or ``boot.py FOLDER describe``. ``FOLDER`` is the
package ``penstock`` of the process that starts it: it is the one that is imported here, whatever
the environment has, and nothing else of where it lies. Written so that an old Python can say that
it is too old.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

OLDEST = (3, 10)


class OnePackage(MetaPathFinder):
    """Finds the package ``penstock`` in one folder, and the modules in it.

    The ``__init__`` of packages within is not run: what they gather from their modules would need
    libraries that are not here.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Where ``penstock`` is, or a package within."""
        top, *within = name.split(".")
        if top != "penstock":
            return None
        if within:
            folder = os.path.join(self._folder, *within)
            if not os.path.isdir(folder):
                return None  # a module, found as usual
            spec = ModuleSpec(name, None, is_package=True)
            spec.submodule_search_locations = [folder]
            return spec
        return importlib.util.spec_from_file_location(
            name,
            os.path.join(self._folder, "__init__.py"),
            submodule_search_locations=[self._folder],
        )


def refused() -> str | None:
    """Why this environment will not do, as a sentence; None when it will."""
    if sys.version_info < OLDEST:
        found, oldest = (".".join(map(str, each)) for each in (sys.version_info[:2], OLDEST))
        return f"Python {found} is too old: environments of models need {oldest} or newer"
    if importlib.util.find_spec("numpy") is None:
        return (
            f"this environment has no numpy; install it there: {sys.executable} -m pip install "
            "numpy"
        )
    return None


def main(folder: str, what: str, *numbers: str) -> None:
    """Become what the command line says."""
    # The folder of this file: its modules are none of the model's.
    del sys.path[0]
    said = refused()
    if said is not None:
        sys.exit(said)
    sys.meta_path.insert(0, OnePackage(folder))
    from penstock.servers.environments.worker.main import describe, serve

    if what == "describe":
        describe()
    else:
        serve(*map(int, numbers))


if __name__ == "__main__":
    main(*sys.argv[1:])
