"""Python modules of a manifest's folder, loaded under names that are private to the folder.

Two folders with a ``models.py`` each do not meet: the modules of a folder are submodules of a
package that exists only in memory, so relative imports between them work; plain imports
(``import helpers``) find them too, as they would for a script in that folder, because the modules
get an ``__import__`` of their own. Everything else is imported as everywhere.

When a file that was loaded has changed, the next load begins a new package: what is in service
keeps the old code. The code is always compiled from source; no ``__pycache__`` is written.
"""

from __future__ import annotations

import builtins
import hashlib
import importlib
import importlib.util
import sys
import threading
from collections.abc import Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import (
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    ModuleSpec,
    PathFinder,
    SourceFileLoader,
)
from itertools import count
from pathlib import Path
from types import CodeType, ModuleType
from typing import Final

KEPT: Final = 2
"""Packages that are kept for one folder: the newest, and the one whose models still drain."""

_NUMBERS: Final = count(1)
"""Those of the packages of this process."""

_OWN: Final = "penstock"
"""Never loaded privately, also when it is worked on in the folder: there must be one of it."""


class PrivatePackage(MetaPathFinder):
    """The modules of one folder, as they were when they were first loaded."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.name = name
        self._stats: dict[str, tuple[int, int] | None] = {}
        self._found: dict[str, bool] = {}
        self._dropped: dict[str, ModuleType] = {}
        self._builtins = {**vars(builtins), "__import__": self._import}
        self._loader = type("PrivateLoader", (_PrivateLoader,), {"owner": self})
        package = ModuleType(name)
        package.__path__ = [str(folder)]
        package.__spec__ = ModuleSpec(name, None, is_package=True)
        sys.modules[name] = package
        sys.meta_path.insert(0, self)

    def has(self, top: str) -> bool:
        """Whether the folder has the module or package of that name (see :func:`find_own`)."""
        found = self._found.get(top)
        if found is None:
            found = find_own(self.folder, top) is not None
            # What is not there may be written before the next try.
            if found:
                self._found[top] = True
        return found

    def load(self, module: str) -> ModuleType:
        """The module of that name within the folder. Raises whatever importing it raises."""
        return importlib.import_module(f"{self.name}.{module}")

    def public_text(self, text: str) -> str:
        """``text`` with the names of modules as people know them."""
        return text.replace(f"{self.name}.", "")

    def changed(self) -> bool:
        """Whether a file that was loaded, or would be, is another one by now."""
        if any(_stat(path) != stat for path, stat in self._stats.items()):
            return True
        # What was imported from elsewhere may be in the folder by now.
        elsewhere = [top for top, found in self._found.items() if not found]
        return any(find_own(self.folder, top) is not None for top in elsewhere)

    def drop(self) -> None:
        """Forget the modules; who has objects of them keeps those, and what they import later."""
        sys.meta_path.remove(self)
        for name in [*sys.modules]:
            if name == self.name or name.startswith(f"{self.name}."):
                self._dropped[name] = sys.modules.pop(name)

    def _take_back(self) -> None:
        """Code of a package that was dropped imports something: it is a model that still serves."""
        sys.modules.update(self._dropped)
        sys.meta_path.insert(0, self)
        self._dropped.clear()  # last, since other threads go by it

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find modules of this package, and of no other."""
        if not fullname.startswith(f"{self.name}."):
            return None
        for entry in path or ():
            spec = self._finder(entry).find_spec(fullname)
            if spec is not None:
                return spec
        return None

    def enter(self, module: ModuleType) -> None:
        """Prepare a module for its code to run."""
        module.__dict__["__builtins__"] = self._builtins

    def note(self, path: str) -> None:
        """Remember what a file is like before it is read."""
        self._stats[path] = _stat(path)

    def _finder(self, folder: str) -> FileFinder:
        # Made anew each time: a kept one remembers what was in the folder.
        return FileFinder(
            folder, (ExtensionFileLoader, EXTENSION_SUFFIXES), (self._loader, SOURCE_SUFFIXES)
        )

    def _import(
        self,
        name: str,
        globals: Mapping[str, object] | None = None,
        locals: Mapping[str, object] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        """``__import__`` for the code of this package."""
        if self._dropped:
            self._take_back()
        top = name.partition(".")[0]
        if level or not self.has(top):
            module = builtins.__import__(name, globals, locals, fromlist or (), level)
            if not level:
                self._found[top] = False
            return module
        found = builtins.__import__(f"{self.name}.{name}", globals, locals, fromlist or (), 0)
        return found if fromlist else sys.modules[f"{self.name}.{top}"]


class _PrivateLoader(SourceFileLoader):
    """Loads one module of a private package, from source."""

    owner: PrivatePackage

    def get_code(self, fullname: str) -> CodeType | None:
        path = self.get_filename(fullname)
        self.owner.note(path)
        code: CodeType = self.source_to_code(self.get_data(path), path)
        return code

    def exec_module(self, module: ModuleType) -> None:
        self.owner.enter(module)
        super().exec_module(module)


class PrivatePackages:
    """The private packages of one process, by folder. Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._packages: dict[Path, list[PrivatePackage]] = {}

    def package(self, folder: Path) -> PrivatePackage:
        """The package of a folder: the one there is, unless its files have changed."""
        with self._lock:
            kept = self._packages.setdefault(folder, [])
            if not kept or kept[-1].changed():
                kept.append(PrivatePackage(folder, _new_name(folder)))
                if len(kept) > KEPT:
                    kept.pop(0).drop()
            return kept[-1]


def find_module(folder: Path, name: str) -> ModuleSpec | None:
    """The module or package ``name`` in ``folder`` itself. Nothing is imported."""
    finder = FileFinder(
        str(folder), (ExtensionFileLoader, EXTENSION_SUFFIXES), (SourceFileLoader, SOURCE_SUFFIXES)
    )
    return finder.find_spec(name)


def find_own(folder: Path, top: str) -> ModuleSpec | None:
    """The module that ``import top`` means in code of ``folder``, None when it is not there.

    A folder without ``__init__.py`` counts when nothing of that name is installed.
    """
    spec = None if top == _OWN else find_module(folder, top)
    return spec if spec is not None and (spec.loader or not _installed(top)) else None


def _new_name(folder: Path) -> str:
    """A name that no package ever had: one that was dropped may come back."""
    digest = hashlib.sha256(str(folder).encode()).hexdigest()[:12]
    return f"_penstock_{digest}_{next(_NUMBERS)}"


def _installed(top: str) -> bool:
    return top in sys.modules or PathFinder.find_spec(top) is not None


def _stat(path: str) -> tuple[int, int] | None:
    try:
        stat = Path(path).stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size
