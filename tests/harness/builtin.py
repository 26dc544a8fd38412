"""The plug-ins that come with Penstock, whether it is installed or imported from its folder."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from penstock.core.config import Config
from penstock.core.contracts.eviction import EvictionPolicy
from penstock.core.plugins.manager import assemble
from penstock.core.plugins.names import ENTRY_POINT_GROUP
from penstock.core.plugins.plugins import Plugins
from penstock.core.scheduling import DEFAULT_FILTERS, DEFAULT_SORTERS, Rules

_PROJECT = Path(__file__).parents[2] / "pyproject.toml"


@cache
def builtin_plugins() -> Plugins:
    """The plug-ins that come with Penstock, with the options that they have by default."""
    return assemble(Config(), entry_points=builtin_entry_points())


@cache
def builtin_rules() -> Rules:
    """The filters and sorters that are asked when the config file says nothing."""
    plugins = builtin_plugins()
    return Rules(
        {name: plugins.make(plugins.filters, name) for name in DEFAULT_FILTERS},
        {name: plugins.make(plugins.sorters, name) for name in DEFAULT_SORTERS},
    )


@cache
def builtin_eviction() -> EvictionPolicy:
    """The eviction policy that is asked when the config file says nothing."""
    plugins = builtin_plugins()
    return plugins.make(plugins.evictions, Config().agent.eviction)


def builtin_entry_points() -> list[EntryPoint]:
    """The entry points of the distribution, from its metadata or from where they are written."""
    installed = [
        each
        for each in entry_points(group=ENTRY_POINT_GROUP)
        if each.dist is not None and each.dist.name == "penstock"
    ]
    if installed:
        return installed
    project = tomllib.loads(_PROJECT.read_text(encoding="utf-8"))["project"]
    written: dict[str, str] = project["entry-points"][ENTRY_POINT_GROUP]
    return [EntryPoint(name, value, ENTRY_POINT_GROUP) for name, value in written.items()]
