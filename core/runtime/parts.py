"""What the plug-ins of a process give it, made once at start-up."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from penstock.core.config.sections import SchedulerSection
from penstock.core.contracts.eviction import EvictionPolicy
from penstock.core.contracts.frontend import FrontEnd
from penstock.core.contracts.model import Loader, ServerAdapter
from penstock.core.contracts.observer import Observer
from penstock.core.contracts.redactor import Redactor
from penstock.core.contracts.storage import ArtifactStorage
from penstock.core.errors import PenstockError
from penstock.core.plugins.errors import PluginProblem, PluginsError
from penstock.core.plugins.kinds import KINDS
from penstock.core.plugins.plugins import Plugins
from penstock.core.plugins.registry import Registry
from penstock.core.problems import Problem
from penstock.core.scaling.rules import ScalingRules, rules_of
from penstock.core.scheduling import DEFAULT_FILTERS, DEFAULT_SORTERS, Rules

T = TypeVar("T")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything by name, in the order of the names."""

    servers: dict[str, ServerAdapter]
    loaders: dict[str, Loader]
    storages: dict[str, ArtifactStorage]
    observers: dict[str, Observer]
    front_ends: dict[str, FrontEnd]
    redactors: dict[str, Redactor]
    rules: Rules
    eviction: EvictionPolicy | None
    scaling: ScalingRules | None = None


def make_parts(
    plugins: Plugins,
    scheduler: SchedulerSection | None = None,
    servers: Sequence[str] | None = None,
    eviction: str = "lru",
) -> Parts:
    """Make one of everything that is registered, of filters and sorters those that are asked, of
    ``servers`` these (without them those that each process has), and ``eviction`` if it is there.

    Raises PluginsError with all that cannot be made.
    """
    problems: list[PluginProblem | Problem] = []
    scheduler = scheduler or SchedulerSection()
    policy = scheduler.autoscaling.policy

    def make_all(registry: Registry[T], names: Sequence[str] | None = None) -> dict[str, T]:
        made = {}
        for name in registry.names() if names is None else names:
            try:
                made[name] = plugins.make(registry, name)
            except PluginsError as error:
                problems.extend(error.problems)
            except PenstockError as error:
                problems.append(PluginProblem(registry.origin(name), error.message))
        return made

    scaler = _first(make_all(plugins.scalers, _there(policy, plugins.scalers)))
    parts = Parts(
        make_all(plugins.server_adapters, plugins.own_servers if servers is None else servers),
        make_all(plugins.loaders),
        make_all(plugins.storages),
        make_all(plugins.observers),
        make_all(plugins.frontends),
        make_all(plugins.redactors),
        Rules(
            make_all(plugins.filters, _names(scheduler.filters, DEFAULT_FILTERS, plugins.filters)),
            make_all(plugins.sorters, _names(scheduler.sorters, DEFAULT_SORTERS, plugins.sorters)),
        ),
        _first(make_all(plugins.evictions, _there(eviction, plugins.evictions))),
        None if scaler is None else rules_of(scheduler.autoscaling, scaler),
    )
    if problems:
        raise PluginsError(problems, plugins.describe())
    _warn_of_idle(plugins)
    return parts


def _names(
    asked: Sequence[str] | None, default: Sequence[str], registry: Registry[T]
) -> Sequence[str]:
    """The rules that are asked for; by default those of the built-in ones that are in use."""
    if asked is not None:
        return asked
    there = registry.names()
    return [name for name in default if name in there]


def _there(name: str, registry: Registry[T]) -> Sequence[str]:
    """The name, if something has it. One that somebody wrote and nothing has is refused before."""
    return [name] if name in registry.names() else []


def _first(made: Mapping[str, T]) -> T | None:
    return next(iter(made.values()), None)


def _warn_of_idle(plugins: Plugins) -> None:
    """Say what is registered and never called, because what would call it is not there yet."""
    for kind in KINDS:
        registry: Registry[Any] = getattr(plugins, kind.name)
        if kind.awaits is not None and (names := registry.names()):
            _log.warning(
                "%s are not called yet, these have no effect: %s", kind.name, ", ".join(names)
            )
