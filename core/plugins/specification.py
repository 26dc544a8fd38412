"""The hooks: everything that a plug-in may implement.

Each hook's text says when it is called, what may be returned, and what happens when it fails. The
hooks ``penstock_register_<kinds>`` are called once at start-up, plug-in by plug-in in the order of
their names. They return a mapping from names to *factories*: a class that implements the kind's
contract, or a function that returns an instance of one. Nothing is made before it is used. When a
hook of registration raises, or returns anything else, or a name that another plug-in registers as
the same kind, start-up is refused, and the error names plug-in, distribution and hook.

A plug-in that registers a schema of options (``penstock_register_config``) gets them as the one
argument of its factories; others are made without arguments. Joins, explainers, arm metrics and
bandits take their arguments from manifests instead, balancers from where the config file names
them, and commands take none.

The other hooks are events of the life cycle, called on the event loop; they must not block it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias, TypeVar

from pydantic import BaseModel

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
from penstock.core.plugins.names import hookspec

# Nobody calls the functions here: pluggy reads their names and arguments, people the rest.

T = TypeVar("T")

Factories: TypeAlias = Mapping[str, Callable[..., T]]
"""What a hook of registration returns."""


@hookspec
def penstock_register_config() -> type[BaseModel]:
    """Register the schema of the plug-in's own options.

    Called once at start-up, before the other hooks of the plug-in. Returns a pydantic model that
    is frozen and forbids unknown keys; ``penstock.core.config.Section`` is a base that does, with
    camelCase keys. The options are read from the section of the plug-in's name under ``plugins``
    in the config file. Without a section the defaults hold; a key without a default is then asked
    for. The options of a plug-in that registers a transport are those beside ``transport.kind``,
    when that is its transport. When the hook raises or returns anything else, or when the section
    does not fit, start-up is refused.
    """
    raise NotImplementedError


@hookspec
def penstock_register_joins() -> Factories[JoinStrategy]:
    """Register join strategies.

    Called once at start-up. Returns names as manifests write them (``quorum``), with factories
    that take the join's arguments (``quorum(2, withinMs=50)``) by position or name and raise
    ``ValueError`` for those that make no sense. A factory is called for each join of a pipeline
    when the pipeline is loaded; when it fails, the pipeline is refused with a sentence that shows
    how the join is written. When the hook itself fails, start-up is refused.
    """
    raise NotImplementedError


@hookspec
def penstock_register_transports() -> Factories[Transport]:
    """Register transports, which carry records across process boundaries.

    Called once at start-up. Returns names as ``transport.kind`` of the config file has them. The
    chosen transport is made once, when the process starts; when the factory fails, or when the
    hook itself does, start-up is refused.
    """
    raise NotImplementedError


@hookspec
def penstock_register_frontends() -> Factories[FrontEnd]:
    """Register front ends, through which callers reach the gateway.

    Called once at start-up. Returns names; every registered front end is made and started once,
    when the process serves. The built-in ``rest`` and ``grpc`` take the config file's sections of
    these names. When a factory fails, or when the hook itself does, start-up is refused.
    """
    raise NotImplementedError


@hookspec
def penstock_register_server_adapters() -> Factories[ServerAdapter]:
    """Register adapters to inference servers.

    Called once at start-up. Returns names as ``Server`` manifests and statuses show them. Every
    registered adapter is made and started once, before models are loaded; a model goes to the first
    of them, in the order of the names, that has what it requires. When a factory fails, or when the
    hook itself does, start-up is refused.
    """
    raise NotImplementedError


@hookspec
def penstock_register_loaders() -> Factories[Loader]:
    """Register loaders, which turn artifacts into model objects in this process.

    Called once at start-up. Returns names; every registered loader is made when the in-process
    server starts. When a factory fails, or when the hook itself does, start-up is refused.
    """
    raise NotImplementedError


@hookspec
def penstock_register_filters() -> Factories[Filter]:
    """Register filters: which servers may hold a model.

    Called once at start-up. Returns names; every registered filter is made when the scheduler
    starts. When a factory fails, or when the hook itself does, start-up is refused.
    """
    raise NotImplementedError


@hookspec
def penstock_register_sorters() -> Factories[Sorter]:
    """Register sorters: which of the servers left is best for a model.

    Called once at start-up. Returns names; every registered sorter is made when the scheduler
    starts, and they decide in the order of their names. When a factory fails, or when the hook
    itself does, start-up is refused.
    """
    raise NotImplementedError


@hookspec
def penstock_register_evictions() -> Factories[EvictionPolicy]:
    """Register eviction policies: which model goes where more are registered than fit.

    Called once at start-up. Returns names as ``agent.eviction`` of the config file has them. The
    chosen policy is made once, when the process starts. When the factory fails, or when the hook
    itself does, start-up is refused.
    """
    raise NotImplementedError


@hookspec
def penstock_register_storages() -> Factories[ArtifactStorage]:
    """Register storages, from which the artifacts of models are fetched.

    Called once at start-up. Returns names; every registered storage is made when the process
    starts, and they are asked in the order of their names. When a factory fails, or when the hook
    itself does, start-up is refused.
    """
    raise NotImplementedError


@hookspec
def penstock_register_routers() -> Factories[Router]:
    """Register routers, which choose among the candidates of an experiment.

    Called once at start-up. Returns names as manifests have them. A router is made when an
    experiment that names it is loaded; when the factory fails, or a header that it goes by does not
    travel with requests, the experiment is not ready, with the reason. When the hook itself fails,
    start-up is refused.
    """
    raise NotImplementedError


@hookspec
def penstock_register_forwarders() -> Factories[Forwarder]:
    """Register forwarders: the one address behind which requests find who answers them.

    Called once at start-up. Returns names as ``proxy.kind`` of the config file has them. The chosen
    one is made when a proxy starts; when its factory fails, or when the hook itself does, start-up
    is refused.
    """
    raise NotImplementedError


@hookspec
def penstock_register_balancers() -> Factories[Balancer]:
    """Register balancers: which of several processes that have the answer is asked for it.

    Called once at start-up. Returns names as the policy of a proxy has them, whose arguments stand
    in brackets behind the name: ``consistent-hash(x-user)``. A balancer is made when a proxy
    starts; when its factory refuses the arguments, or when the hook itself fails, start-up is
    refused.
    """
    raise NotImplementedError


@hookspec
def penstock_register_arm_metrics() -> Factories[ArmMetric]:
    """Register arm metrics: numbers that are computed of the answers of an experiment's arms.

    Called once at start-up. Returns names as experiments have them in ``metrics[].measure``. A
    factory takes the manifest's parameters by name, written as in ``half_life_s`` for
    ``halfLifeS``; when it fails, the metric has no values, and the log says why. When the hook
    itself fails, start-up is refused.
    """
    raise NotImplementedError


@hookspec
def penstock_register_bandits() -> Factories[Bandit]:
    """Register bandits, which give the arms of an experiment their shares.

    Called once at start-up. Returns names as experiments have them in ``bandit.name``. A factory
    takes the manifest's parameters by name, as those of arm metrics do; when it fails, the weights
    stay as they are, and the status of the experiment says why. When the hook itself fails,
    start-up is refused.
    """
    raise NotImplementedError


@hookspec
def penstock_register_scalers() -> Factories[Scaler]:
    """Register scalers: how many replicas each model should have.

    Called once at start-up. Returns names as ``scheduler.autoscaling.policy`` of the config file
    has them; the one that is asked for is made when the scheduler starts.
    When a factory fails, or when the hook itself does, start-up is refused.
    """
    raise NotImplementedError


@hookspec
def penstock_register_explainers() -> Factories[Explainer]:
    """Register explainers: why a model or a pipeline answered as it did.

    Called once at start-up. Returns names as ``Explainer`` manifests have them in ``type``. A
    factory takes the manifest's parameters by name and is called when the explainer is loaded;
    when it fails, the explainer is not ready, with the reason. When the hook itself fails, start-up
    is refused.
    """
    raise NotImplementedError


@hookspec
def penstock_register_middlewares() -> Factories[Middleware]:
    """Register middlewares, which stand around every inference of the gateway.

    Called once at start-up. Returns names; every registered middleware is made when the gateway
    starts, and they nest in the order of their names, the first outermost. When a factory fails,
    or when the hook itself does, start-up is refused.
    """
    raise NotImplementedError


@hookspec
def penstock_register_observers() -> Factories[Observer]:
    """Register observers, which look at the runtime's counters, may show pages, and may follow
    requests step by step (``penstock.core.contracts.follower``).

    Called once at start-up. Returns names; every registered observer is made and started once,
    before anything is served. When a factory fails, or when the hook itself does, start-up is
    refused.
    """
    raise NotImplementedError


@hookspec
def penstock_register_redactors() -> Factories[Redactor]:
    """Register redactors: what of a request does not leave the server in a case file.

    Called once at start-up. Returns names; every registered redactor is made when the process
    starts, and each export asks them in the order of their names. When a redactor raises, the
    export is refused, and the error names it. When a factory fails, or when the hook itself does,
    start-up is refused.
    """
    raise NotImplementedError


@hookspec
def penstock_register_commands() -> Factories[Command]:
    """Register subcommands of the command line.

    Called once whenever the command line is put together. Returns names as people type them;
    those of built-in commands are taken. A factory takes no arguments. When a factory fails, the
    command line names it and goes on without; when the hook itself fails, ``penstock plugins``
    says so, and start-up is refused.
    """
    raise NotImplementedError


@hookspec
def penstock_started(config: Config, addresses: Mapping[str, str]) -> None:
    """The process serves.

    Called once, after everything listens. ``addresses`` maps the names of front ends to where they
    listen (``{"rest": "http://127.0.0.1:8900"}``). What is returned is ignored. When it raises,
    the process stops again and names the plug-in.
    """


@hookspec
def penstock_resource_changed(event: WatchEvent) -> None:
    """A resource, or its status, has changed.

    Called after each change, in the order of revisions, with what ``penstock get --watch`` shows.
    What is returned is ignored. When it raises, the error is logged with the plug-in's name, and
    the other plug-ins are told all the same.
    """


@hookspec
def penstock_stopping() -> None:
    """The process is about to stop.

    Called once, before intake is closed and work is drained; not called when the process was
    refused or killed. What is returned is ignored. When it raises, the error is logged with the
    plug-in's name, and stopping goes on.
    """
