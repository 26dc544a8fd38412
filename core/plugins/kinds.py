"""The kinds of things that plug-ins register, and the contract of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from penstock.core.contracts.arm_metric import ArmMetric
from penstock.core.contracts.balancer import Balancer
from penstock.core.contracts.bandit import Bandit
from penstock.core.contracts.command import Command
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
from penstock.core.plugins.names import HOOK_PREFIX


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind: its name in hooks (``joins``), one of it in sentences, and its abstract class.

    ``awaits`` names the part that would use it and is not there yet, None when it is.
    """

    name: str
    noun: str
    contract: type
    awaits: str | None = None

    @property
    def hook(self) -> str:
        """The hook that registers things of this kind."""
        return f"{HOOK_PREFIX}register_{self.name}"


JOINS: Final = Kind("joins", "join", JoinStrategy)
TRANSPORTS: Final = Kind("transports", "transport", Transport)
FRONTENDS: Final = Kind("frontends", "front end", FrontEnd)
SERVER_ADAPTERS: Final = Kind("server_adapters", "server adapter", ServerAdapter)
LOADERS: Final = Kind("loaders", "loader", Loader)
FILTERS: Final = Kind("filters", "filter", Filter)
SORTERS: Final = Kind("sorters", "sorter", Sorter)
EVICTIONS: Final = Kind("evictions", "eviction policy", EvictionPolicy)
STORAGES: Final = Kind("storages", "storage", ArtifactStorage)
ROUTERS: Final = Kind("routers", "router", Router)
FORWARDERS: Final = Kind("forwarders", "forwarder", Forwarder)
BALANCERS: Final = Kind("balancers", "balancer", Balancer)
ARM_METRICS: Final = Kind("arm_metrics", "arm metric", ArmMetric)
BANDITS: Final = Kind("bandits", "bandit", Bandit)
SCALERS: Final = Kind("scalers", "scaler", Scaler)
EXPLAINERS: Final = Kind("explainers", "explainer", Explainer)
MIDDLEWARES: Final = Kind("middlewares", "middleware", Middleware, "a later version")
OBSERVERS: Final = Kind("observers", "observer", Observer)
REDACTORS: Final = Kind("redactors", "redactor", Redactor)
COMMANDS: Final = Kind("commands", "command", Command)

KINDS: Final = (
    JOINS,
    TRANSPORTS,
    FRONTENDS,
    SERVER_ADAPTERS,
    LOADERS,
    FILTERS,
    SORTERS,
    EVICTIONS,
    STORAGES,
    ROUTERS,
    FORWARDERS,
    BALANCERS,
    ARM_METRICS,
    BANDITS,
    SCALERS,
    EXPLAINERS,
    MIDDLEWARES,
    OBSERVERS,
    REDACTORS,
    COMMANDS,
)
"""Every kind, in the order of the documentation."""
