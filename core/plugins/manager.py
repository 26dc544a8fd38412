"""Assembling plug-ins at start-up, from entry points and the config file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from penstock.core.config import Config, examine_config
from penstock.core.plugins.assembly import Assembly
from penstock.core.plugins.discovery import EntryPoint, installed_entry_points
from penstock.core.plugins.errors import PluginsError
from penstock.core.plugins.plugins import Plugins
from penstock.core.problems import ProblemsError


def assemble(config: Config, *, entry_points: Iterable[EntryPoint] | None = None) -> Plugins:
    """The plug-ins of this environment, with the options that ``config`` has for them.

    Without ``entry_points``, those that are installed. Raises PluginsError with every problem of
    every plug-in and of the sections that are theirs; its ``descriptions`` show them all.
    """
    assembly = Assembly(config, _or_installed(entry_points))
    if assembly.problems:
        raise PluginsError(assembly.problems, assembly.plugins.describe())
    return assembly.plugins


def start_up(
    path: Path | None,
    *,
    entry_points: Iterable[EntryPoint] | None = None,
    environment: Mapping[str, str] | None = None,
    override: Callable[[Config], Config] | None = None,
) -> tuple[Config, Plugins]:
    """The configuration in the file at ``path`` (the defaults without one), and the plug-ins.

    ``override`` is what the command line puts in place of the file's values.
    Everything that is wrong with either comes at once: in a PluginsError when a plug-in or a
    section of one is among it, else in a ProblemsError. Raises NotFoundError when there is no
    such file.
    """
    config, in_file = examine_config(path, environment=environment)
    if override is not None:
        config = override(config)
    assembly = Assembly(config, _or_installed(entry_points))
    if assembly.problems:
        raise PluginsError([*in_file, *assembly.problems], assembly.plugins.describe())
    if in_file:
        raise ProblemsError(in_file)
    return config, assembly.plugins


def _or_installed(entry_points: Iterable[EntryPoint] | None) -> Iterable[EntryPoint]:
    return installed_entry_points() if entry_points is None else entry_points
