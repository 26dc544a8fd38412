"""Entry points without installed distributions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace

from penstock.core.plugins import hookimpl


@dataclass(frozen=True)
class FakeDistribution:
    """The name and version of a distribution that nobody installed."""

    name: str
    version: str


@dataclass(frozen=True)
class FakeEntryPoint:
    """Gives ``plugin`` when it is loaded, or raises it when it is an error."""

    name: str
    plugin: object
    value: str = "some_module"
    dist: FakeDistribution | None = FakeDistribution("some-dist", "1.0")
    extras: list[str] = field(default_factory=list)

    def load(self) -> object:
        if isinstance(self.plugin, BaseException):
            raise self.plugin
        return self.plugin


def a_plugin(**hooks: object) -> SimpleNamespace:
    """A plug-in with hooks by their names after ``penstock_``; what is no function is returned."""

    def returning(value: object) -> Callable[[], object]:
        return lambda: value

    plugin = SimpleNamespace(penstock_api=1)
    for name, hook in hooks.items():
        # A class is callable as well, and is what a hook returns.
        function = hook if callable(hook) and not isinstance(hook, type) else returning(hook)
        setattr(plugin, f"penstock_{name}", hookimpl(function))
    return plugin
