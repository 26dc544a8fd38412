"""Known bugs, put into packages of ours one at a time, to see that tests find them."""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType


@dataclass(frozen=True)
class Bug:
    """Lines of a module, and what stands in their place. ``package`` is a name by which
    :func:`planted` is told of it; ``module`` is named from there (``agents.hosted``)."""

    name: str
    package: str
    module: str
    right: str
    wrong: str


@contextmanager
def planted(bug: Bug, packages: Mapping[str, ModuleType]) -> Iterator[dict[str, ModuleType]]:
    """Copies of some packages by their names, which import each other, with the bug in them."""
    renamed = {real.__name__: f"bugged_{name}" for name, real in packages.items()}
    try:
        for name, real in packages.items():
            assert real.__file__ is not None, "packages of ours are files"
            _load(name, Path(real.__file__).parent, renamed, bug)
        yield {name: sys.modules[f"bugged_{name}"] for name in packages}
    finally:
        for name in [each for each in sys.modules if each.startswith("bugged_")]:
            del sys.modules[name]


def _load(package: str, folder: Path, renamed: Mapping[str, str], bug: Bug) -> None:
    """Make the package's modules known; each is run when it is first imported."""
    sources = {}
    for path in sorted(folder.rglob("*.py")):
        text = path.read_text()
        module = ".".join(path.relative_to(folder).with_suffix("").parts)
        if package == bug.package and module == bug.module:
            assert text.count(bug.right) == 1, f"'{bug.name}' has no one place in {path.name}"
            text = text.replace(bug.right, bug.wrong)
        for real, copy in renamed.items():
            text = text.replace(real, copy)
        sources[module.removesuffix(".__init__")] = (path, text)
    name = f"bugged_{package}"
    sys.meta_path.insert(0, _Finder(name, sources))
    try:
        importlib.import_module(name)
        for stem in sources:
            if stem != "__init__":
                importlib.import_module(f"{name}.{stem}")
    finally:
        sys.meta_path.pop(0)


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the modules of one such package in memory."""

    def __init__(self, name: str, sources: dict[str, tuple[Path, str]]) -> None:
        self._name = name
        self._sources = sources

    def find_spec(
        self, fullname: str, path: object, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        head, _, stem = fullname.partition(".")
        if head != self._name or (stem or "__init__") not in self._sources:
            return None
        path, _ = self._sources[stem or "__init__"]
        is_package = path.stem == "__init__"
        return importlib.machinery.ModuleSpec(fullname, self, is_package=is_package)

    def exec_module(self, module: ModuleType) -> None:
        stem = module.__name__.partition(".")[2] or "__init__"
        path, text = self._sources[stem]
        exec(compile(text, str(path), "exec"), module.__dict__)
