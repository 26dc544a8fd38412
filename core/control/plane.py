"""The control plane of one process: manifests in, served models and pipelines out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Final

from penstock.core.artifacts import ArtifactCache
from penstock.core.call_counter import CallCounter
from penstock.core.cases import CaseManifest
from penstock.core.clock import Clock
from penstock.core.contracts.agents import AgentHost
from penstock.core.contracts.control import (
    Change,
    ControlPlane,
    ManifestText,
    ResourceDocument,
    WatchEvent,
)
from penstock.core.contracts.eviction import EvictionPolicy
from penstock.core.contracts.model import ServerAdapter
from penstock.core.contracts.storage import ArtifactStorage
from penstock.core.contracts.transport import Transport
from penstock.core.control.agents.hosted import AgentMeeting, HostedServers
from penstock.core.control.background import Background
from penstock.core.control.copies import Placer
from penstock.core.control.description import Descriptions
from penstock.core.control.emptying import Emptying, Prospect
from penstock.core.control.experiments import ExperimentReconciler
from penstock.core.control.loading import ModelLoader
from penstock.core.control.model_files import ModelFiles
from penstock.core.control.models import ModelReconciler
from penstock.core.control.pipeline_streams import PipelineStreams
from penstock.core.control.pipelines import PipelineReconciler
from penstock.core.control.policy import LoadPolicy
from penstock.core.control.preparation import (
    TRIED_AGAIN,
    OptionsCheck,
    Preparation,
    PreparedEntry,
    unchecked,
)
from penstock.core.control.readiness import Shortfall, wait_for, wait_serving, wait_settled
from penstock.core.control.repository import LOADED_WITHIN_S, loaded, unloaded
from penstock.core.control.scaled import DecidedByKind, ScaledKeeper, ScaledNumbers
from penstock.core.control.scaling import ModelScaling
from penstock.core.control.scaling_loop import ScalingLoop
from penstock.core.control.server_scaling import ServerScaling
from penstock.core.control.servers import ServerKinds, ServerReconciler
from penstock.core.control.shortage import Shortage
from penstock.core.control.standing import begin, loading, preparing, starting
from penstock.core.control.store import HISTORY, AnyResource, ResourceKey, ResourceStore
from penstock.core.control.stream_backlog import StreamBacklog
from penstock.core.control.trials import TrialDesk
from penstock.core.control.usage import UsageIndex
from penstock.core.database import Database, Saved, SavedResource
from penstock.core.errors import (
    ConflictError,
    NotFoundError,
    NotReadyError,
    UnsupportedError,
)
from penstock.core.experiments.keeper import ExperimentKeeper
from penstock.core.experiments.made import Makers
from penstock.core.experiments.reports import HeardReports, Position
from penstock.core.fleet import Fleet, ServerReplica
from penstock.core.fleet.drains import NO_DRAINS, Drains
from penstock.core.joinspec import JoinFactories
from penstock.core.manifests import needs_of
from penstock.core.metrics import Metrics
from penstock.core.model_gateway import ModelGateway
from penstock.core.nearest import did_you_mean
from penstock.core.pipeline_gateway import PipelineGateway
from penstock.core.plan import Recording
from penstock.core.resources import KINDS, Experiment, Model, Server, create, update
from penstock.core.scaling.rules import ScalingRules
from penstock.core.scheduling import Rules
from penstock.core.streams.names import StreamNames

DEFAULT_POLICY: Final = LoadPolicy()

NO_MAKERS: Final = Makers()

NO_KINDS: Final[ServerKinds] = {}

_BEGINNINGS: Final = {"Model": loading, "Server": starting}

NOTHING_SAVED: Final = Saved((), {}, None, 0, NO_DRAINS)

REVISIONS_PER_START: Final = 1_000_000_000
"""Revisions of one start of a control plane with a database lie below those of the next, so that
nobody who watched before it takes up where it is not."""

SETTLED_WITHIN_S: Final = 60.0
"""What agents have from before goes after so long, also where something is still on its way."""

MOST_HELD: Final = 100
"""How many calls wait for a model that is asleep, where nobody says."""

MAX_NAMED: Final = 5
"""How many users a sentence names; the error's details have all of them."""


class LocalControlPlane(ControlPlane):
    """Keeps what is wanted and has it brought about. Changes wait for each other."""

    def __init__(
        self,
        *,
        servers: Mapping[str, ServerAdapter],
        readers: Mapping[str, ServerAdapter] | None = None,
        server_kinds: ServerKinds = NO_KINDS,
        server_options: OptionsCheck = unchecked,
        rules: Rules,
        eviction: EvictionPolicy | None,
        storages: Sequence[ArtifactStorage],
        joins: JoinFactories,
        models: ModelGateway,
        gateway: PipelineGateway,
        metrics: Metrics,
        clock: Clock,
        work_folder: Path,
        module_folders: tuple[Path, ...] = (),
        record: Recording = "boundary",
        followed: bool = False,
        policy: LoadPolicy = DEFAULT_POLICY,
        history: int = HISTORY,
        database: Database | None = None,
        agents: AgentMeeting | None = None,
        cache: ArtifactCache | None = None,
        streams: tuple[Transport, StreamNames] | None = None,
        partitions: int = 1,
        scaling: ScalingRules | None = None,
        reports: HeardReports | None = None,
        makers: Makers = NO_MAKERS,
    ) -> None:
        """``servers`` run in this process; ``readers`` say which files models are made of, the
        same servers without them. With ``agents`` there are servers of theirs as well. With
        ``streams`` pipelines have their own there, of so many ``partitions`` where their manifests
        do not say. ``reports`` are where what becomes of requests of experiments is counted.
        Without ``scaling`` models have as many copies as their manifests say."""
        self._database = database
        self._server_options = server_options
        saved = NOTHING_SAVED if database is None else database.saved()
        self._saved = saved
        self._store = ResourceStore(
            history=history, revision=saved.starts * REVISIONS_PER_START, clock=clock
        )
        self._usage = UsageIndex()
        self._background = Background()
        self._joins = joins
        self._clock = clock
        self._record = record
        self._followed = followed
        self._namespace = saved.namespace
        self._changing = asyncio.Lock()
        self._partitions = partitions
        self._pipelines = PipelineReconciler(
            self._store,
            self._usage,
            gateway,
            metrics,
            self._background,
            clock,
            None if streams is None else PipelineStreams(*streams, self._background),
        )
        self._files = ModelFiles(servers if readers is None else readers, storages, module_folders)
        loader = ModelLoader(
            storages,
            self._background,
            work_folder=work_folder,
            module_folders=module_folders,
            cache=cache,
        )
        self._fleet = Fleet(rules)
        self._fleet.drains = saved.drains
        scaled = {kind: ScaledNumbers(saved.scaled.get(kind, {})) for kind in ("Model", "Server")}
        self._hosted = None
        if agents is not None:
            self._hosted = HostedServers(
                self._store,
                self._fleet,
                agents,
                self._background,
                clock,
                policy,
                partial(self.wait_settled, SETTLED_WITHIN_S),
            )
        self._emptying = Emptying(self._fleet, self._store, clock, self._prospect)
        self._descriptions = Descriptions(
            self._store, self._usage, self._fleet, self._emptying, self.explain
        )
        self._servers = ServerReconciler(
            self._store,
            self._fleet,
            server_kinds,
            self._background,
            clock,
            policy,
            eviction,
            scaled["Server"],
            self._hosted,
        )
        for name, adapter in servers.items():
            self._servers.attach(name, adapter)
        shortage = Shortage(self._store, metrics, clock, self._servers.how_to_grow)
        placer = Placer(
            self._fleet,
            loader,
            models,
            self._background,
            policy,
            clock,
            asyncio.Semaphore(policy.parallel),
            shortage,
            scaled["Model"],
            MOST_HELD if scaling is None else scaling.held,
        )
        self._experiments = ExperimentReconciler(
            self._store, self._usage, gateway, self._background, clock
        )
        self._keeper = ExperimentKeeper(
            TrialDesk(self._store, self._experiments, clock, self._save_trials),
            makers,
            clock,
            Random(),
            saved.trials,
            HeardReports() if reports is None else reports,
            saved.reports,
        )
        self._models = ModelReconciler(
            self._store,
            placer,
            gateway,
            metrics,
            joins,
            clock,
            on_change=self._model_changed,
            released=self._pipelines.released,
            breaks=self._pipelines.broken_by,
            turns=lambda: self._pipelines.turns,
            users=self._usage.users,
            followed=followed,
        )
        self._scaling = None
        self._backlog = None
        if scaling is not None:
            if streams is not None:
                self._backlog = StreamBacklog(
                    *streams,
                    lambda: self._pipelines.plans,
                    lambda: frozenset(name for name, _ in self._models.scaled()),
                    clock,
                    scaling.every_ms,
                )
            scaled_models = ModelScaling(
                self._store,
                self._models,
                scaled["Model"],
                CallCounter(metrics, models, clock),
                metrics,
                self._backlog,
                clock,
                scaling,
            )
            follow = ServerScaling(self._servers, shortage, clock, scaling)
            self._scaling = ScalingLoop(
                scaled_models,
                None if scaling.dry_run else follow,
                ScaledKeeper(self._store, scaled, self._save_scaled),
                scaling.every_ms,
            )

    @property
    def keeper(self) -> ExperimentKeeper:
        """What concludes from what becomes of requests of experiments; somebody has to run it."""
        return self._keeper

    @property
    def agents(self) -> AgentHost | None:
        """What agents follow, where this process has servers of theirs."""
        return self._hosted

    def expect_agents(self, server: str, kind: str, replicas: int) -> None:
        """So many agents of a server are on their way, after the start."""
        assert self._hosted is not None, "who has no agents expects none"
        self._hosted.expect(server, kind, replicas)

    def start(self) -> None:
        """Begin to bring about what is wanted.

        Raises ProblemsError when what the database holds needs joins that are not installed.
        """
        self._pipelines.start(self._models)
        self._experiments.start()
        for (kind, name), version in self._saved.deleted.items():
            self._store.remember(ResourceKey(kind, name), version)
        self._commit(self._preparation().restore(self._saved.resources))
        self._saved = NOTHING_SAVED
        if self._hosted is not None:
            self._hosted.start()
        if self._backlog is not None:
            self._background.spawn(self._backlog.run(), "looking at what waits in streams")
        if self._scaling is not None:
            self._background.spawn(self._scaling.run(), "scaling models and servers")

    def part_with_agents(self) -> None:
        """The process is about to stop: agents keep what they have, and are missed no more."""
        if self._hosted is not None:
            self._hosted.close()

    async def stop(self) -> None:
        """Give up what is on its way and unload all models, whatever is under way on them."""
        await self._keeper.close()
        self._fleet.close()
        self.part_with_agents()
        await self._background.close()
        await self._models.close()
        await self._servers.close()

    async def wait_settled(self, timeout_s: float) -> Sequence[Shortfall]:
        """Return when nothing more is to come without anybody's doing, or the time is over.

        Comes back with what does not serve then, and why, in the order of kind and name.
        """
        return await wait_settled(self._store, timeout_s, at_rest=self._at_rest)

    async def wait_serving(self, timeout_s: float) -> None:
        """Return when something is wanted, and all of that serves, or the time is over."""
        await wait_serving(self._store, timeout_s, at_rest=self._at_rest)

    async def _at_rest(self) -> None:
        await self._fleet.at_rest()
        await self._pipelines.at_rest()
        self._experiments.look()

    async def apply(self, manifests: Sequence[ManifestText], *, dry_run: bool) -> list[Change]:
        applying = self._background.spawn(self._apply(manifests, dry_run), "applying manifests")
        # What is written to the database is brought about, whether somebody still waits or not.
        return await asyncio.shield(applying)

    async def delete(self, kind: str, name: str, *, force: bool) -> Change:
        deleting = self._background.spawn(self._delete(kind, name, force), "deleting a resource")
        return await asyncio.shield(deleting)

    async def load(self, model: str) -> None:
        resource = self._model_named(model)
        await self.apply([loaded(resource.manifest, resource.origin)], dry_run=False)
        key = ResourceKey("Model", model)
        why = await wait_for(self._store, key, LOADED_WITHIN_S, at_rest=self._at_rest)
        if why is not None:
            raise NotReadyError(f"model '{model}' is not loaded: {why}")

    async def unload(self, model: str) -> None:
        resource = self._model_named(model)
        users = self._usage.users(ResourceKey("Model", model))
        if users:
            raise ConflictError(
                f"model '{model}' is used by {_listed(users)}; delete them first, or apply it with "
                "replicas: 0",
                details=[f"{user} uses model '{model}'" for user in users],
            )
        await self.apply([unloaded(resource.manifest, resource.origin)], dry_run=False)

    def _model_named(self, name: str) -> AnyResource:
        key = ResourceKey("Model", name)
        resource = self._store.get(key)
        if resource is None:
            raise self._not_found(key)
        return resource

    async def _apply(self, manifests: Sequence[ManifestText], dry_run: bool) -> list[Change]:
        async with self._changing:
            prepared = await asyncio.to_thread(self._preparation().prepare, manifests)
            if not dry_run:
                self._namespace = self._namespace or _namespace_of(prepared)
                changed = [each.saved() for each in prepared if each.action != "unchanged"]
                await self._save(changed, ())
                self._commit(prepared)
        return [each.change() for each in prepared]

    def _preparation(self) -> Preparation:
        return Preparation(
            self._store,
            self._joins,
            self._record,
            self._followed,
            self._namespace,
            self._files,
            self._server_options,
            self._partitions,
        )

    async def _save(
        self,
        put: Sequence[SavedResource],
        gone: Sequence[SavedResource],
        drains: Drains | None = None,
    ) -> None:
        """Have changes outlive this process. Raises NotReadyError, and nothing has changed."""
        if self._database is not None and (put or gone or drains is not None):
            write = partial(
                self._database.write, put, gone, namespace=self._namespace, drains=drains
            )
            await asyncio.to_thread(write)

    async def _save_scaled(self, scaled: DecidedByKind) -> None:
        """Have what was decided by load outlive this process. Raises NotReadyError."""
        if self._database is not None:
            async with self._changing:
                await asyncio.to_thread(partial(self._database.write, scaled=scaled))

    async def _delete(self, kind: str, name: str, force: bool) -> Change:
        async with self._changing:
            key = ResourceKey(_kind_named(kind), name)
            resource = self._store.get(key)
            if resource is None:
                raise self._not_found(key)
            if key.kind == "Server" and self._hosted is not None and self._hosted.expects(name):
                raise ConflictError(
                    f"the replicas of {key} are the workers of this process; it goes with them"
                )
            users = self._usage.users(key)
            if users and not force:
                raise ConflictError(
                    f"{key} is used by {_listed(users)}; delete them first, or force the deletion",
                    details=[f"{user} uses {key}" for user in users],
                )
            manifest, origin = resource.manifest, resource.origin
            drains = None
            if key.kind == "Server":
                drains = self._fleet.drains.undone(name, None, ())
            gone = SavedResource(manifest, origin, resource.status.version)
            await self._save((), [gone], drains)
            self._store.remove(key)
            if key.kind == "Model":
                self._models.drop(name)
            elif key.kind == "Pipeline":
                self._pipelines.drop(name)
            elif key.kind == "Server":
                self._servers.drop(name)
            elif key.kind == "Experiment":
                self._experiments.drop(name)
                self._keeper.drop(name)
            if drains is not None:
                self._emptying.apply(drains)
            if key.kind != "Pipeline":
                self._usage.remove(key)
        warnings = (f"not ready from now on: {_listed(users)}",) if users else ()
        version, before = resource.status.version, manifest.document()
        return Change(key.kind, name, "deleted", version, warnings, before=before)

    def get(self, kind: str, name: str) -> ResourceDocument:
        key = ResourceKey(_kind_named(kind), name)
        resource = self._store.get(key)
        if resource is None:
            raise self._not_found(key)
        return resource.document()

    def manifest(self, kind: str, name: str) -> CaseManifest | None:
        """The manifest of a resource as it is in force, for a case; None when there is none."""
        resource = self._store.get(ResourceKey(_kind_named(kind), name))
        if resource is None:
            return None
        folder = resource.origin.folder
        return CaseManifest(
            resource.manifest.document(),
            resource.status.version,
            None if folder is None else str(folder),
        )

    def list(self, kind: str | None) -> list[ResourceDocument]:
        wanted = None if kind is None else _kind_named(kind)
        return [resource.document() for resource in self._store.in_order(wanted)]

    def explain(self, model: str) -> ResourceDocument:
        key = ResourceKey("Model", model)
        if self._store.get(key) is None:
            raise self._not_found(key)
        found = self._models.explain(model)
        there = [each["server"] for each in found["servers"] if each["taken"] is not None]
        hosted = self._hosted
        in_workers = hosted is not None and any(hosted.expects(server) for server in there)
        return {**found, "workers": self._workers if in_workers else 0}

    def scaling(self) -> ResourceDocument:
        if self._scaling is None:
            raise UnsupportedError("this process does not scale models by their load")
        return {**self._scaling.models.document(), "workers": self._workers}

    @property
    def _workers(self) -> int:
        """How many workers the process has."""
        return 0 if self._hosted is None else self._hosted.workers

    def describe(self, kind: str, name: str) -> ResourceDocument:
        key = ResourceKey(_kind_named(kind), name)
        resource = self._store.get(key)
        if resource is None:
            raise self._not_found(key)
        return self._descriptions.of(resource)

    async def drain(self, server: str, replica: int | None, *, undo: bool) -> ResourceDocument:
        draining = self._background.spawn(
            self._drain(server, replica, undo), f"noting a drain of server '{server}'"
        )
        return await asyncio.shield(draining)

    def drained(self, server: str) -> ResourceDocument:
        return self._emptying.state(server)

    async def follow_drain(self, server: str) -> AsyncIterator[ResourceDocument]:
        async with aclosing(self._emptying.follow(server)) as states:
            async for state in states:
                yield state

    def compare_arms(
        self, experiment: str, baseline: str | None, confidence: float
    ) -> ResourceDocument:
        self.get("Experiment", experiment)
        return self._keeper.report(experiment, baseline, confidence)

    async def settle(self, experiment: str, arm: str | None) -> ResourceDocument:
        self.get("Experiment", experiment)
        settling = self._keeper.settle(experiment, arm)
        await asyncio.shield(self._background.spawn(settling, "settling an experiment"))
        return self.get("Experiment", experiment)

    async def _save_trials(
        self, trials: Mapping[str, Mapping[str, Any] | None], heard: Position
    ) -> None:
        if self._database is not None:
            write = partial(self._database.write, trials=trials, reports=heard)
            async with self._changing:
                await asyncio.to_thread(write)

    async def watch(self, kind: str | None, from_revision: int) -> AsyncIterator[WatchEvent]:
        wanted = None if kind is None else _kind_named(kind)
        async with aclosing(self._store.follow(wanted, from_revision)) as changes:
            async for change in changes:
                yield change.event()

    def _model_changed(self, name: str) -> None:
        self._pipelines.model_changed(name)
        self._models.explained_changed(ResourceKey("Model", name))

    async def _drain(self, server: str, replica: int | None, undo: bool) -> ResourceDocument:
        async with self._changing:
            drains = self._emptying.changed(server, replica, undo=undo)
            await self._save((), (), drains)
            self._emptying.apply(drains)
            return self._emptying.state(server)

    def _prospect(self, model: str, version: int, replica: ServerReplica) -> Prospect:
        return self._models.prospect(model, version, replica)

    def _commit(self, prepared: Sequence[PreparedEntry]) -> None:
        """Record everything, then begin the work. Nothing can come between, and nothing fails."""
        changed = [
            (each, self._record_entry(each)) for each in prepared if each.action != "unchanged"
        ]
        for each, resource in changed:
            if isinstance(resource.manifest, Server):
                self._servers.want(resource.manifest, each.version)
                self._emptying.write(each.key.name)
            elif isinstance(resource.manifest, Model) and not each.is_new_version:
                self._models.resize(resource.manifest)
        for each, resource in changed:
            if not each.is_new_version:
                continue
            if each.compiled is not None:
                self._pipelines.want(each.compiled)
                continue
            needs = (ResourceKey(n.kind, n.name) for n in needs_of(resource.manifest))
            self._usage.put(each.key, needs)
            if isinstance(resource.manifest, Model):
                self._models.want(resource.manifest, resource.origin, each.version)
            elif isinstance(resource.manifest, Experiment):
                spec = resource.manifest.spec
                weights = self._keeper.want(each.key.name, each.version, spec)
                self._experiments.want(resource.manifest, each.version, weights)
        for each in prepared:
            if each.because == TRIED_AGAIN:
                self._models.retry(each.key.name)

    def _record_entry(self, each: PreparedEntry) -> AnyResource:
        entry, now_ms = each.entry, self._clock.now_ms()
        old = self._store.get(each.key)
        idle = entry.without_effect
        make = create if old is None else partial(update, old)
        new = make(
            entry.manifest,
            entry.origin,
            revision=0,
            now_ms=now_ms,
            without_effect=idle,
            digest=each.digest,
        )
        status = new.status.model_copy(update={"version": each.version})
        if each.is_new_version:
            outlook = _BEGINNINGS.get(each.key.kind, preparing)
            status = begin(status, outlook(each.version), now_ms)
        return self._store.put(new.with_status(status))

    def _not_found(self, key: ResourceKey) -> NotFoundError:
        hint = did_you_mean(key.name, self._store.by_name(key.kind))
        return NotFoundError(f"there is no {key}" + (f"; {hint}" if hint else ""))


def _namespace_of(prepared: Sequence[PreparedEntry]) -> str | None:
    """The one that these manifests name, if they name one."""
    named = (each.entry.manifest.metadata.namespace for each in prepared)
    return next((namespace for namespace in named if namespace is not None), None)


def _kind_named(written: str) -> str:
    """The kind as manifests write it, whatever the case, or several of it ("models").

    Raises NotFoundError.
    """
    for kind in KINDS:
        if written.casefold() in (kind.casefold(), f"{kind.casefold()}s"):
            return kind
    hint = did_you_mean(written, KINDS) or f"the kinds are {', '.join(KINDS)}"
    raise NotFoundError(f"there is no kind '{written}'; {hint}")


def _listed(keys: Sequence[ResourceKey]) -> str:
    named = ", ".join(str(key) for key in keys[:MAX_NAMED])
    more = len(keys) - MAX_NAMED
    return f"{named} and {more} more" if more > 0 else named
