"""The plug-ins of one process, assembled."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from penstock.core.config import Config
from penstock.core.contracts.arm_metric import ArmMetric
from penstock.core.contracts.balancer import Balancer
from penstock.core.contracts.bandit import Bandit
from penstock.core.contracts.command import Command
from penstock.core.contracts.control import WatchEvent
from penstock.core.contracts.eviction import EvictionPolicy
from penstock.core.contracts.explainer import Explainer
from penstock.core.contracts.forwarder import Forwarder
from penstock.core.contracts.frontend import FrontEnd
from penstock.core.contracts.join import JoinStrategy
from penstock.core.contracts.middleware import Middleware
from penstock.core.contracts.model import Loader, ServerAdapter
from penstock.core.contracts.observer import Observer
from penstock.core.contracts.placement import Filter, Sorter
from penstock.core.contracts.redactor import Redactor
from penstock.core.contracts.router import Router
from penstock.core.contracts.scaler import Scaler
from penstock.core.contracts.storage import ArtifactStorage
from penstock.core.contracts.transport import Transport
from penstock.core.errors import InvalidRequestError
from penstock.core.plugins import kinds
from penstock.core.plugins.calls import HookCalls
from penstock.core.plugins.description import PluginDescription
from penstock.core.plugins.errors import Origin, PluginProblem, PluginsError, cause_of
from penstock.core.plugins.registry import Registration, Registry
from penstock.core.positions import PositionedDocument, read_documents
from penstock.core.problems import KeyPath, Problem, format_path
from penstock.core.validation import problems_of_validation

T = TypeVar("T")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ActivePlugin:
    """A plug-in that is in use: its hooks, and its options when it has a schema."""

    origin: Origin
    hooks: tuple[str, ...]
    calls: HookCalls
    schema: type[BaseModel] | None = None
    options: BaseModel | None = None


class Plugins:
    """What the active plug-ins register, by kind and name, and how they are told of events.

    Made by :func:`penstock.core.plugins.manager.assemble`.
    """

    def __init__(
        self,
        active: Sequence[ActivePlugin],
        registered: Mapping[str, Mapping[str, Registration]],
        descriptions: Sequence[PluginDescription],
    ) -> None:
        self._active = {plugin.origin.plugin: plugin for plugin in active}
        self._descriptions = tuple(descriptions)
        away = {
            description.name: description.reason or description.state
            for description in descriptions
            if description.state != "active"
        }

        def found(
            kind: kinds.Kind,
        ) -> tuple[kinds.Kind, Mapping[str, Registration], dict[str, str]]:
            return kind, registered.get(kind.name, {}), away

        self.joins: Registry[JoinStrategy] = Registry(*found(kinds.JOINS))
        self.transports: Registry[Transport] = Registry(*found(kinds.TRANSPORTS))
        self.frontends: Registry[FrontEnd] = Registry(*found(kinds.FRONTENDS))
        self.server_adapters: Registry[ServerAdapter] = Registry(*found(kinds.SERVER_ADAPTERS))
        self.loaders: Registry[Loader] = Registry(*found(kinds.LOADERS))
        self.filters: Registry[Filter] = Registry(*found(kinds.FILTERS))
        self.sorters: Registry[Sorter] = Registry(*found(kinds.SORTERS))
        self.evictions: Registry[EvictionPolicy] = Registry(*found(kinds.EVICTIONS))
        self.storages: Registry[ArtifactStorage] = Registry(*found(kinds.STORAGES))
        self.routers: Registry[Router] = Registry(*found(kinds.ROUTERS))
        self.forwarders: Registry[Forwarder] = Registry(*found(kinds.FORWARDERS))
        self.balancers: Registry[Balancer] = Registry(*found(kinds.BALANCERS))
        self.arm_metrics: Registry[ArmMetric] = Registry(*found(kinds.ARM_METRICS))
        self.bandits: Registry[Bandit] = Registry(*found(kinds.BANDITS))
        self.scalers: Registry[Scaler] = Registry(*found(kinds.SCALERS))
        self.explainers: Registry[Explainer] = Registry(*found(kinds.EXPLAINERS))
        self.middlewares: Registry[Middleware] = Registry(*found(kinds.MIDDLEWARES))
        self.observers: Registry[Observer] = Registry(*found(kinds.OBSERVERS))
        self.redactors: Registry[Redactor] = Registry(*found(kinds.REDACTORS))
        self.commands: Registry[Command] = Registry(*found(kinds.COMMANDS))

    def describe(self) -> tuple[PluginDescription, ...]:
        """Every plug-in that is installed, in alphabetical order."""
        return self._descriptions

    def options(self, plugin: str) -> BaseModel | None:
        """The options of an active plug-in; None when it takes none."""
        return self._active[plugin].options

    def schemas(self) -> Mapping[str, type[BaseModel]]:
        """The schema of options of each active plug-in that has one."""
        return {
            name: plugin.schema
            for name, plugin in self._active.items()
            if plugin.schema is not None
        }

    def make(self, registry: Registry[T], name: str) -> T:
        """A new one of that name, made with its plug-in's options, or without arguments.

        Raises UnknownNameError, PluginsError as :meth:`Registry.make`.
        """
        options = self.options(registry.origin(name).plugin)
        return registry.make(name) if options is None else registry.make(name, options)

    def make_with(self, registry: Registry[T], name: str, options: Mapping[str, object]) -> T:
        """A new one of that name, made with ``options`` over those in the config file.

        Raises InvalidRequestError, whose details are what is wrong with them.
        """
        plugin = self._active[registry.origin(name).plugin]
        if plugin.schema is None:
            if options:
                raise InvalidRequestError(f"'{name}' takes no options")
            return registry.make(name)
        merged = {**_common(plugin), **options}
        try:
            made_with = plugin.schema.model_validate(merged)
        except ValidationError as error:
            [written] = read_documents(json.dumps({"options": merged}, default=str), "options")
            problems = problems_of_validation(error, written, plugin.schema, at=("options",))
            raise InvalidRequestError(
                f"the options of '{name}' are wrong",
                details=[each.without_position for each in problems],
            ) from error
        return registry.make(name, made_with)

    def problems_of_options(
        self,
        registry: Registry[T],
        name: str,
        options: Mapping[str, object],
        document: PositionedDocument,
        at: KeyPath,
    ) -> list[Problem]:
        """What :meth:`make_with` would refuse of ``options``, which stand in ``document``."""
        plugin = self._active[registry.origin(name).plugin]
        if plugin.schema is None:
            if not options:
                return []
            position = document.position(at, of_key=True)
            return [Problem(position, format_path(at), f"'{name}' takes no options")]
        try:
            plugin.schema.model_validate({**_common(plugin), **options})
        except ValidationError as error:
            return problems_of_validation(error, document, plugin.schema, at=at)
        return []

    @property
    def own_servers(self) -> tuple[str, ...]:
        """The server adapters of which this process has a server without a manifest's asking."""
        registry = self.server_adapters
        return tuple(
            name
            for name in registry.names()
            if not getattr(registry.get(name), "needs_manifest", False)
        )

    def started(self, config: Config, addresses: Mapping[str, str]) -> None:
        """Tell the plug-ins that the process serves. Raises PluginsError with all that failed."""
        problems = []
        for plugin in self._having("penstock_started"):
            try:
                plugin.calls.started(config, addresses)
            except Exception as error:
                problems.append(
                    PluginProblem(plugin.origin, cause_of(error), hook="penstock_started")
                )
        if problems:
            raise PluginsError(problems, self._descriptions)

    def resource_changed(self, event: WatchEvent) -> None:
        """Tell the plug-ins of a change. Errors are logged."""
        for plugin in self._having("penstock_resource_changed"):
            with _logged(plugin, "penstock_resource_changed"):
                plugin.calls.resource_changed(event)

    def stopping(self) -> None:
        """Tell the plug-ins that the process is about to stop. Errors are logged."""
        for plugin in self._having("penstock_stopping"):
            with _logged(plugin, "penstock_stopping"):
                plugin.calls.stopping()

    def _having(self, hook: str) -> list[ActivePlugin]:
        return [plugin for plugin in self._active.values() if hook in plugin.hooks]


def _common(plugin: ActivePlugin) -> dict[str, object]:
    """The options that somebody wrote in the config file, by the names that are written."""
    if plugin.options is None:
        return {}
    return plugin.options.model_dump(by_alias=True, exclude_unset=True)


@contextmanager
def _logged(plugin: ActivePlugin, hook: str) -> Iterator[None]:
    """Keeps the error of one plug-in from the others."""
    try:
        yield
    except Exception:
        _log.exception("%s, hook %s failed", plugin.origin, hook)
