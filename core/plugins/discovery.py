"""Finding plug-ins and loading their modules.

pluggy can load entry points by itself, and lets the error of a broken one escape without naming
it; here each is loaded on its own, so that every problem is known and named.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from penstock.core.plugins.errors import Origin, PluginProblem, cause_of
from penstock.core.plugins.names import API_VERSION, ENTRY_POINT_GROUP


class EntryPoint(Protocol):
    """What is used of :class:`importlib.metadata.EntryPoint`."""

    @property
    def name(self) -> str: ...

    @property
    def value(self) -> str: ...

    @property
    def extras(self) -> list[str]: ...

    @property
    def dist(self) -> Distribution | None: ...

    def load(self) -> object: ...


class Distribution(Protocol):
    """What is used of :class:`importlib.metadata.Distribution`."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Loaded:
    """A plug-in's object, or why there is none.

    ``unavailable`` is the sentence for a plug-in that needs an extra which is not installed: that
    is no problem until somebody asks for what it registers.
    """

    plugin: object = None
    problem: PluginProblem | None = None
    unavailable: str | None = None


def installed_entry_points() -> Iterable[EntryPoint]:
    """The entry points of the group ``penstock`` in this environment."""
    return importlib.metadata.entry_points(group=ENTRY_POINT_GROUP)


def origin_of(entry_point: EntryPoint) -> Origin:
    """The plug-in and the distribution that an entry point belongs to."""
    distribution = entry_point.dist
    if distribution is None:
        return Origin(entry_point.name)
    return Origin(entry_point.name, distribution.name, distribution.version)


def load(entry_point: EntryPoint) -> Loaded:
    """Import what an entry point names and look at its ``penstock_api``."""
    origin = origin_of(entry_point)
    module = entry_point.value.partition(":")[0].partition("[")[0].strip()
    try:
        plugin = entry_point.load()
    except ModuleNotFoundError as error:
        if error.name is not None and f"{module}.".startswith(f"{error.name}."):
            return _failed(
                origin,
                f"its module '{module}' is missing",
                f"install {origin.distribution or 'it'} again",
            )
        if entry_point.extras:
            wanted = f"{origin.distribution}[{','.join(entry_point.extras)}]"
            return Loaded(
                unavailable=f"'{error.name}' is not installed; pip install '{wanted}'",
            )
        return _failed(origin, f"its module '{module}' fails on import: {cause_of(error)}")
    except AttributeError as error:
        # Raised for `module:object` without that object, or by the module's own code.
        return _failed(origin, f"'{entry_point.value}' cannot be loaded: {cause_of(error)}")
    except (Exception, SystemExit) as error:
        return _failed(origin, f"its module '{module}' fails on import: {cause_of(error)}")
    return _check_api(plugin, entry_point, origin)


def _check_api(plugin: object, entry_point: EntryPoint, origin: Origin) -> Loaded:
    try:
        version = getattr(plugin, "penstock_api", None)
    except Exception as error:
        return _failed(origin, f"its 'penstock_api' cannot be read: {cause_of(error)}")
    if version is None:
        return _failed(
            origin,
            f"'{entry_point.value}' has no 'penstock_api'",
            f"write penstock_api = {API_VERSION}",
        )
    if isinstance(version, bool) or version != API_VERSION:
        return _failed(
            origin,
            f"it is made for penstock_api {version!r}, and this Penstock supports {API_VERSION}",
            "install a version of it that fits, or disable it",
        )
    return Loaded(plugin)


def _failed(origin: Origin, message: str, hint: str | None = None) -> Loaded:
    return Loaded(problem=PluginProblem(origin, message, hint))
