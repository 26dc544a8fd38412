"""Which files a model's code is in, found out by reading imports: nothing of it runs.

These are the files that :mod:`penstock.servers.python_modules` would load from one folder. What is
imported by a name that is only known when the code runs is not found.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Final

from penstock.servers.python_modules import find_module, find_own

PARSED: Final = 256
"""Of how many files it is remembered what they import: many models are in one file."""


def source_files(module: str, folders: Sequence[Path]) -> list[Path]:
    """The file of ``module``, in the first of ``folders`` that has it, and those of all modules
    that it imports from there. Empty when no folder has it."""
    top = module.partition(".")[0]
    for folder in folders:
        found = find_own(folder, top)
        if found is not None:
            return _Walk(folder, top, found).files(module)
    return []


class _Walk:
    """A walk along imports within one folder; ``found`` is what was found of ``top`` there."""

    def __init__(self, folder: Path, top: str, found: ModuleSpec) -> None:
        self._folder = folder
        self._own = {top: found}
        self._seen: dict[str, ModuleSpec | None] = {}
        self._files: dict[Path, None] = {}

    def files(self, module: str) -> list[Path]:
        waiting = [module]
        while waiting:
            for name in _with_parents(waiting.pop()):
                if name not in self._seen:
                    waiting += self._take(name)
        return list(self._files)

    def _take(self, name: str) -> Iterable[str]:
        """Note the file of a module; what it imports."""
        spec = self._find(name)
        self._seen[name] = spec
        if spec is None or not spec.has_location or spec.origin is None:
            return ()
        path = Path(spec.origin)
        self._files[path] = None
        is_package = spec.submodule_search_locations is not None
        return _imports(path, name if is_package else name.rpartition(".")[0])

    def _find(self, name: str) -> ModuleSpec | None:
        parent, _, last = name.rpartition(".")
        if not parent:
            return self._own.get(last) or find_own(self._folder, last)
        owner = self._seen.get(parent)
        for place in (owner and owner.submodule_search_locations) or ():
            spec = find_module(Path(place), last)
            if spec is not None:
                return spec
        return None


def _with_parents(name: str) -> Iterator[str]:
    """``a``, ``a.b``, ``a.b.c`` for the last of them."""
    parts = name.split(".")
    return (".".join(parts[: count + 1]) for count in range(len(parts)))


def _imports(path: Path, package: str) -> Iterable[str]:
    """The names that a file in ``package`` imports: modules, and some that are none."""
    if path.suffix != ".py":
        return ()
    try:
        return _imported(path.read_bytes(), package)
    except (OSError, ValueError, SyntaxError, RecursionError):
        return ()  # that is told when it is loaded


@lru_cache(maxsize=PARSED)
def _imported(source: bytes, package: str) -> tuple[str, ...]:
    names: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            # What stands behind "import" is a module or something in it; who looks finds out.
            names += (f"{_origin(node, package)}{each.name}" for each in node.names)
    return tuple(names)


def _origin(node: ast.ImportFrom, package: str) -> str:
    """The module behind ``from``, with a dot; empty for the folder itself."""
    parts = package.split(".") if package and node.level else []
    own = parts[: max(0, len(parts) - node.level + 1)]
    return "".join(f"{part}." for part in (*own, node.module) if part)
