"""Brings pipelines from what is wanted to what is served, as their models come and go."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from penstock.core.clock import Clock
from penstock.core.control.admission import Breakage, Signatures
from penstock.core.control.background import Background
from penstock.core.control.draining import DrainingPipelines
from penstock.core.control.pipeline_streams import PipelineStreams
from penstock.core.control.reasons import Reason
from penstock.core.control.standing import Outlook, settled, shortfall, stand
from penstock.core.control.states import PIPELINE_STATES, PipelineState
from penstock.core.control.store import ResourceKey, ResourceStore
from penstock.core.control.usage import UsageIndex
from penstock.core.control.versions import (
    PipelineVersion,
    ReadBy,
    ServedModels,
    misfits,
    unreadable,
    why_not_read,
)
from penstock.core.metrics import Metrics
from penstock.core.pipeline_gateway import PipelineGateway
from penstock.core.plan import Plan
from penstock.core.port_types import (
    PipelineTypes,
    infer_types,
)
from penstock.core.signature import Signature

_log = logging.getLogger(__name__)


class _Place:
    """What is wanted and what is served under one name."""

    __slots__ = ("plan", "read", "reason", "serving", "state", "types", "wanted")

    def __init__(self, wanted: PipelineVersion) -> None:
        self.wanted = wanted
        self.serving: PipelineVersion | None = None
        self.types: PipelineTypes | None = None
        self.plan: Plan | None = None
        """How the version that serves is run, for the sake of those that read it."""
        self.read = ReadBy()
        self.reason: str | None = None
        self.state: PipelineState = PIPELINE_STATES.start

    def turn(self, serving: PipelineVersion | None) -> None:
        """From now on this version serves."""
        state: PipelineState = "serving" if serving is self.wanted else "behind"
        if serving is None:
            state = "waiting"
        if state != self.state:
            self.state = PIPELINE_STATES.turned(self.state, state)
        self.serving = serving

    def versions(self) -> tuple[PipelineVersion, ...]:
        """The wanted one, and the one that serves."""
        return (self.wanted,) if self.serving is None else (self.wanted, self.serving)

    def models(self) -> frozenset[str]:
        """Those that the wanted version calls, and the one that serves."""
        return frozenset(name for each in self.versions() for name in each.plan.models)

    def pipelines(self) -> frozenset[str]:
        """Those that these versions have as steps, or read."""
        plans = [each.plan for each in self.versions()]
        return frozenset(name for each in plans for name in (*each.pipelines, *each.sources))

    def sources(self) -> frozenset[str]:
        """Those that the wanted version reads, and the one that serves."""
        return frozenset(name for each in self.versions() for name in each.plan.sources)


class PipelineReconciler:
    """The pipelines of a process. All methods are called on the event loop.

    A pipeline is served when every model that it calls is. A new version for which a model is
    still missing leaves the version before it in service. Changes mark pipelines, and a task of
    its own goes through the marked ones, so that a change which concerns a thousand of them holds
    up nobody's request.
    """

    def __init__(
        self,
        store: ResourceStore,
        usage: UsageIndex,
        gateway: PipelineGateway,
        metrics: Metrics,
        background: Background,
        clock: Clock,
        streams: PipelineStreams | None = None,
    ) -> None:
        self._streams = streams
        if streams is not None:
            streams.on_change = self._streams_changed
        self._store = store
        self._usage = usage
        self._gateway = gateway
        self._metrics = metrics
        self._background = background
        self._clock = clock
        self._places: dict[str, _Place] = {}
        self._marked: dict[str, None] = {}
        self.turns = 0
        """How often a pipeline has come to serve another version, or none."""
        self._wake = asyncio.Event()
        self._at_rest = asyncio.Event()
        self._draining = DrainingPipelines(gateway, background)
        self._leaving: dict[asyncio.Task[None], Plan] = {}
        """Versions that read others, are no longer served, and still have requests under way."""
        self._models: ServedModels | None = None

    def start(self, models: ServedModels) -> None:
        """Begin to go through marked pipelines, over ``models``."""
        self._models = models
        if self._streams is not None:
            self._streams.start()
        self._background.spawn(self._run(models), "reconciling pipelines")

    def want(self, version: PipelineVersion) -> None:
        """Bring this version into service as soon as its models serve."""
        name = version.plan.name
        place = self._places.get(name)
        before: frozenset[str] = frozenset()
        sources: frozenset[str] = frozenset()
        if place is None:
            place = self._places[name] = _Place(version)
        else:
            before = place.models()
            sources = place.sources()
            place.wanted = version
        self._index(name, place)
        self._mark(name)
        self._mark_all(sources | place.sources())
        self._reconsider(before | place.models())

    def drop(self, name: str) -> None:
        """Take the pipeline out of service: requests under way finish, then it is forgotten."""
        place = self._places.pop(name)
        place.state = PIPELINE_STATES.turned(place.state, "gone")
        self._marked.pop(name, None)
        self._usage.remove(ResourceKey("Pipeline", name))
        self._gateway.remove("pipeline", name)
        if self._streams is not None:
            self._streams.forget(name)
        self._mark_parents(name)
        self._mark_all(place.sources())
        drained = None if place.serving is None else self._drain(place.serving.plan)
        leaving = place.wanted.plan
        self._background.spawn(self._forget(leaving, drained), f"forgetting pipeline '{name}'")
        self._reconsider(place.models())
        self._tell_explainers(name)

    @property
    def plans(self) -> dict[str, Plan]:
        """The versions that serve, or are to, by name."""
        return {name: (place.serving or place.wanted).plan for name, place in self._places.items()}

    def model_changed(self, name: str) -> None:
        """A model came, went, or stands differently."""
        for user in self._usage.users(ResourceKey("Model", name)):
            if user.kind == "Pipeline":
                self._mark(user.name)

    def _streams_changed(self, name: str) -> None:
        if name in self._places:
            self._mark(name)

    async def broken_by(self, changes: Signatures) -> list[Breakage]:
        """Pipelines that are served and would not be if models had these signatures.

        One that has a version coming which fits, and all whose models are there, is none of them.
        """
        found = []
        for name in self._pipelines_over(changes):
            place = self._places.get(name)
            if place is not None and place.serving is not None:
                breakage = self._breakage(name, place, place.serving, changes)
                if breakage is not None:
                    found.append(breakage)
            await asyncio.sleep(0)  # requests go first
        return found

    async def at_rest(self) -> None:
        """Return when no pipeline is marked: what their statuses say is then true of now."""
        await self._at_rest.wait()

    async def released(self, model: str) -> None:
        """Return when no request that is under way in a version that left can call ``model``."""
        await self.at_rest()
        await self._draining.released(model)

    def _reconsider(self, models: Iterable[str]) -> None:
        if self._models is not None:
            self._models.reconsider(models)

    def _pipelines_over(self, models: Iterable[str]) -> list[str]:
        keys = (ResourceKey("Model", name) for name in models)
        users = (user for key in keys for user in self._usage.users(key))
        over = dict.fromkeys(user.name for user in users if user.kind == "Pipeline")
        # What is put out is read by others as well.
        return list(dict.fromkeys((*over, *(user for name in over for user in self._users(name)))))

    def _breakage(
        self, name: str, place: _Place, serving: PipelineVersion, changes: Signatures
    ) -> Breakage | None:
        models = self._models
        assert models is not None, "nothing is served before the start"

        def signature(model: str) -> Signature | None:
            return changes[model] if model in changes else models.signature(model)

        def types_of(pipeline: str) -> PipelineTypes | None:
            source = self._places.get(pipeline)
            if source is None or source.serving is None:
                return None
            return infer_types(source.serving.pipeline, signature, loaded=True)

        said = misfits(
            serving.pipeline, infer_types(serving.pipeline, signature, loaded=True), types_of
        )
        if not said:
            return None
        wanted = place.wanted
        if wanted is not serving and all(
            model in changes or models.serves(model) for model in wanted.plan.models
        ):
            said = misfits(
                wanted.pipeline, infer_types(wanted.pipeline, signature, loaded=True), types_of
            )
            if not said:
                return None
        sources = [self._places[each] for each in place.sources() if each in self._places]
        serving_models = [each.serving.plan.models for each in sources if each.serving is not None]
        return Breakage(
            name,
            "; ".join(said),
            frozenset(serving.plan.models).union(*serving_models),
            place.models().union(*(each.models() for each in sources)),
        )

    def _mark_parents(self, name: str) -> None:
        """Those of which the pipeline is a step, or that read it, stand differently with it."""
        self._mark_all(self._users(name))

    def _mark_all(self, names: Iterable[str]) -> None:
        for name in names:
            if name in self._places:
                self._mark(name)

    def _drain(self, plan: Plan) -> asyncio.Task[None]:
        """A version leaves. What it reads is emitted for it until its last request has ended."""
        task = self._draining.add(plan)
        if plan.sources:
            self._leaving[task] = plan
            task.add_done_callback(self._has_left)
        return task

    def _has_left(self, task: asyncio.Task[None]) -> None:
        self._mark_all(self._leaving.pop(task).sources)

    def _read_of(self, name: str) -> ReadBy:
        """What others read of a pipeline, whether they serve already or not."""
        places = map(self._places.get, self._users(name))
        plans = [each.plan for place in places if place is not None for each in place.versions()]
        readers = [plan for plan in (*plans, *self._leaving.values()) if name in plan.sources]
        ports = {port for plan in readers for port in plan.external if port.pipeline == name}
        return ReadBy(
            frozenset(port.port for port in ports),
            tuple(sorted({plan.name for plan in readers if plan.matches_by_key})),
        )

    def _users(self, name: str) -> list[str]:
        """The pipelines that read this one, or of which it is a step."""
        users = self._usage.users(ResourceKey("Pipeline", name))
        return [user.name for user in users if user.kind == "Pipeline"]

    def _mark(self, name: str) -> None:
        self._marked[name] = None
        self._at_rest.clear()
        self._wake.set()

    async def _run(self, models: ServedModels) -> None:
        while True:
            while self._marked:
                name = next(iter(self._marked))
                del self._marked[name]
                self._reconcile(name, self._places[name], models)
                await asyncio.sleep(0)  # requests go first
            self._at_rest.set()
            self._wake.clear()
            await self._wake.wait()

    def _reconcile(self, name: str, place: _Place, models: ServedModels) -> None:
        outlook, types = self._looked_at(place.wanted, models)
        if outlook is None and types is not None and place.serving is not None:
            outlook = self._breaks_readers(name, place.wanted, types, models)
        target = place.wanted if outlook is None else place.serving
        if outlook is not None and target is not None:
            shortcoming, types = self._looked_at(target, models)
            target = target if shortcoming is None else None
        before = place.types
        if target is not None and types is not None:
            self._serve(place, target, types)
        elif outlook is not None and (place.serving is not None or place.reason != outlook.message):
            version = place.wanted.plan.version
            self._gateway.set_not_ready("pipeline", name, version, outlook.message)
            place.reason = outlook.message
            if place.serving is not None:
                self._drain(place.serving.plan)
        if target is not place.serving:
            _log_turn(name, target, outlook)
        if target is not place.serving or target is not place.wanted or place.types != before:
            self._mark_parents(name)
        if target is not place.serving:
            self.turns += 1
        place.turn(target)
        self._index(name, place)
        self._write(name, target, outlook)

    def _serve(self, place: _Place, target: PipelineVersion, types: PipelineTypes) -> None:
        before, types_before = place.serving, place.types
        read = self._read_of(target.plan.name)
        place.types = types
        known = types_before is not None and types.signature == types_before.signature
        if target is before and known and read == place.read:
            return
        place.plan = target.read_by_others(read, over_streams=self._streams is not None)
        self._gateway.set_pipeline(place.plan, types.signature)
        place.read = read
        place.reason = None
        if before is not None:
            self._drain(before.plan)

    def _breaks_readers(
        self, name: str, wanted: PipelineVersion, types: PipelineTypes, models: ServedModels
    ) -> Outlook | None:
        """Why a version that would serve cannot, for the sake of pipelines that read the other.

        A reader that has a version coming which fits is no reason.
        """

        def types_of(pipeline: str) -> PipelineTypes | None:
            return types if pipeline == name else self._types_of(pipeline)

        for reader in self._users(name):
            place = self._places.get(reader)
            if place is None or place.serving is None or name not in place.serving.plan.sources:
                continue
            said = why_not_read(place.serving, wanted, models, types_of)
            if said and all(map(models.serves, place.wanted.plan.models)):
                said = why_not_read(place.wanted, wanted, models, types_of)
            if said:
                message = f"it would break pipeline '{reader}': {said}"
                return Outlook(Reason.BREAKS_READER, message, at_work=False)
        return None

    def _types_of(self, name: str) -> PipelineTypes | None:
        """Those of the version that serves."""
        place = self._places.get(name)
        return None if place is None or place.serving is None else place.types

    def _looked_at(
        self, version: PipelineVersion, models: ServedModels
    ) -> tuple[Outlook | None, PipelineTypes | None]:
        """Why a version cannot serve, None when it can; and its types when its models are there."""
        outlook = self._outlook(version, models) or self._outlook_of_streams(version)
        if outlook is not None:
            return outlook, None
        types = infer_types(version.pipeline, models.signature, loaded=True)
        said = misfits(version.pipeline, types, self._types_of)
        if said:
            at_work = not all(map(self._settled, version.plan.models)) or not all(
                map(self._settled_pipeline, version.plan.sources)
            )
            return Outlook(Reason.SIGNATURES_DO_NOT_FIT, "; ".join(said), at_work), types
        return None, types

    def _settled_pipeline(self, name: str) -> bool:
        resource = self._store.get(ResourceKey("Pipeline", name))
        return resource is None or settled(resource.status)

    def _settled(self, model: str) -> bool:
        resource = self._store.get(ResourceKey("Model", model))
        return resource is None or settled(resource.status)

    def _outlook(self, wanted: PipelineVersion, models: ServedModels) -> Outlook | None:
        """What is with the models that a version calls; None when all serve."""
        missing = [name for name in wanted.plan.models if not models.serves(name)]
        if not missing:
            return self._outlook_of_pipelines(wanted)
        reason, at_work, said = Reason.WAITING_FOR_MODELS, True, []
        for name in missing:
            resource = self._store.get(ResourceKey("Model", name))
            if resource is None:
                reason, at_work = Reason.MISSING_MODEL, False
                hint = wanted.hints.get(name)
                said.append(f"there is no model '{name}'" + (f"; {hint}" if hint else ""))
            else:
                if settled(resource.status):
                    at_work = False
                why = shortfall(resource.status)
                said.append(f"model '{name}' is not ready: {why}")
        if not at_work and reason == Reason.WAITING_FOR_MODELS:
            reason = Reason.MODEL_NOT_READY
        return Outlook(reason, "; ".join(said), at_work)

    def _outlook_of_pipelines(self, wanted: PipelineVersion) -> Outlook | None:
        """What is with the pipelines that are steps of a version or that it reads; None when all
        serve, and have what it reads."""
        reason, at_work, said = Reason.WAITING_FOR_PIPELINES, True, []
        plan = wanted.plan
        for name in dict.fromkeys((*plan.pipelines, *plan.sources)):
            place = self._places.get(name)
            if place is None:
                reason, at_work = Reason.MISSING_PIPELINE, False
                hint = wanted.hints.get(name)
                said.append(f"there is no pipeline '{name}'" + (f"; {hint}" if hint else ""))
            elif place.serving is None:
                resource = self._store.get(ResourceKey("Pipeline", name))
                if resource is not None and settled(resource.status):
                    at_work = False
                why = "" if resource is None else shortfall(resource.status)
                said.append(f"pipeline '{name}' is not ready: {why}")
            elif name in plan.pipelines and place.serving.plan.output is None:
                at_work = False
                said.append(f"pipeline '{name}' cannot be a step: it has no output")
            elif lacking := unreadable(wanted.pipeline, place.serving):
                reason, at_work = Reason.MISSING_STEP, False
                said += lacking
        if not said:
            return None
        if not at_work and reason == Reason.WAITING_FOR_PIPELINES:
            reason = Reason.PIPELINE_NOT_READY
        return Outlook(reason, "; ".join(said), at_work)

    def _outlook_of_streams(self, wanted: PipelineVersion) -> Outlook | None:
        """What is with the streams of a version; None when they are there, or it needs none."""
        if self._streams is None:
            return None
        serves = self._places[wanted.plan.name].serving is wanted
        places = (self._places[name].serving for name in wanted.plan.sources)
        sources = [place.plan for place in places if place is not None]
        return self._streams.outlook(wanted.plan, sources, serves=serves)

    def _index(self, name: str, place: _Place) -> None:
        needs = [ResourceKey("Model", model) for model in place.models()]
        needs += [ResourceKey("Pipeline", pipeline) for pipeline in place.pipelines()]
        self._usage.put(ResourceKey("Pipeline", name), needs)

    def _write(self, name: str, serving: PipelineVersion | None, outlook: Outlook | None) -> None:
        key = ResourceKey("Pipeline", name)
        resource = self._store.get(key)
        assert resource is not None, "what is gone is not marked"
        version = None if serving is None else serving.plan.version
        now_ms = self._clock.now_ms()
        status = stand(resource.status, version, outlook, now_ms)
        if self._streams is not None:
            place = self._places[name]
            plan = place.wanted.plan if serving is None else place.plan
            assert plan is not None, "what serves has a plan"
            status = self._streams.noted(status, plan, place.read.matchers, now_ms)
        self._store.set_status(key, status)
        self._tell_explainers(name)

    def _tell_explainers(self, name: str) -> None:
        if self._models is not None:
            self._models.explained_changed(ResourceKey("Pipeline", name))

    async def _forget(self, plan: Plan, drained: asyncio.Task[None] | None) -> None:
        if drained is not None:
            await drained
        if plan.name not in self._places:
            self._metrics.forget(plan.name, single_model=False)
            if self._streams is not None:
                await self._streams.delete(plan)


def _log_turn(name: str, target: PipelineVersion | None, outlook: Outlook | None) -> None:
    if target is not None:
        version = target.plan.version
        about = {"pipeline": name, "version": version}
        _log.info("pipeline '%s', version %d serves", name, version, extra=about)
    elif outlook is not None:
        about = {"pipeline": name}
        _log.warning("pipeline '%s' serves no more: %s", name, outlook.message, extra=about)
