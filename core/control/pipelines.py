"""Brings pipelines from what is wanted to what is served, as their models come and go."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol

from penstock.core.clock import Clock
from penstock.core.control.admission import Breakage, Signatures
from penstock.core.control.background import Background
from penstock.core.control.draining import DrainingPipelines
from penstock.core.control.reasons import Reason
from penstock.core.control.standing import Outlook, settled, shortfall, stand
from penstock.core.control.store import ResourceKey, ResourceStore
from penstock.core.control.usage import UsageIndex
from penstock.core.metrics import Metrics
from penstock.core.pipeline_gateway import PipelineGateway
from penstock.core.plan import Plan
from penstock.core.port_types import PipelineTypes, infer_types
from penstock.core.resources import Pipeline
from penstock.core.signature import Signature

_log = logging.getLogger(__name__)


class PipelineVersion(NamedTuple):
    """One version, compiled. ``hints`` has a question for models that were not there (``did you
    mean ...?``)."""

    pipeline: Pipeline
    plan: Plan
    hints: Mapping[str, str]


class ServedModels(Protocol):
    """What pipelines ask about models."""

    def serves(self, name: str) -> bool:
        """Whether some version of the model can be called."""

    def signature(self, name: str) -> Signature | None:
        """That of the version that serves, as far as it is known."""

    def reconsider(self, changed: Iterable[str]) -> None:
        """Try versions again that were refused for what is between them and these models."""


class _Place:
    """What is wanted and what is served under one name."""

    __slots__ = ("reason", "serving", "signature", "wanted")

    def __init__(self, wanted: PipelineVersion) -> None:
        self.wanted = wanted
        self.serving: PipelineVersion | None = None
        self.signature: Signature | None = None
        self.reason: str | None = None

    def models(self) -> frozenset[str]:
        """Those that the wanted version calls, and the one that serves."""
        serving = () if self.serving is None else self.serving.plan.models
        return frozenset((*self.wanted.plan.models, *serving))

    def pipelines(self) -> frozenset[str]:
        """Those that are steps of the wanted version, or of the one that serves."""
        serving = () if self.serving is None else self.serving.plan.pipelines
        return frozenset((*self.wanted.plan.pipelines, *serving))


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
    ) -> None:
        self._store = store
        self._usage = usage
        self._gateway = gateway
        self._metrics = metrics
        self._background = background
        self._clock = clock
        self._places: dict[str, _Place] = {}
        self._marked: dict[str, None] = {}
        self._wake = asyncio.Event()
        self._at_rest = asyncio.Event()
        self._draining = DrainingPipelines(gateway, background)
        self._models: ServedModels | None = None

    def start(self, models: ServedModels) -> None:
        """Begin to go through marked pipelines, over ``models``."""
        self._models = models
        self._background.spawn(self._run(models), "reconciling pipelines")

    def want(self, version: PipelineVersion) -> None:
        """Bring this version into service as soon as its models serve."""
        name = version.plan.name
        place = self._places.get(name)
        before: frozenset[str] = frozenset()
        if place is None:
            place = self._places[name] = _Place(version)
        else:
            before = place.models()
            place.wanted = version
        self._index(name, place)
        self._mark(name)
        self._reconsider(before | place.models())

    def drop(self, name: str) -> None:
        """Take the pipeline out of service: requests under way finish, then it is forgotten."""
        place = self._places.pop(name)
        self._marked.pop(name, None)
        self._usage.remove(ResourceKey("Pipeline", name))
        self._gateway.remove("pipeline", name)
        self._mark_parents(name)
        drained = None if place.serving is None else self._draining.add(place.serving.plan)
        self._background.spawn(self._forget(name, drained), f"forgetting pipeline '{name}'")
        self._reconsider(place.models())

    def model_changed(self, name: str) -> None:
        """A model came, went, or stands differently."""
        for user in self._usage.users(ResourceKey("Model", name)):
            if user.kind == "Pipeline":
                self._mark(user.name)

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
        return list(dict.fromkeys(user.name for user in users if user.kind == "Pipeline"))

    def _breakage(
        self, name: str, place: _Place, serving: PipelineVersion, changes: Signatures
    ) -> Breakage | None:
        models = self._models
        assert models is not None, "nothing is served before the start"

        def signature(model: str) -> Signature | None:
            return changes[model] if model in changes else models.signature(model)

        said = infer_types(serving.pipeline, signature, loaded=True).sentences
        if not said:
            return None
        wanted = place.wanted
        if wanted is not serving and all(
            model in changes or models.serves(model) for model in wanted.plan.models
        ):
            said = infer_types(wanted.pipeline, signature, loaded=True).sentences
            if not said:
                return None
        return Breakage(name, "; ".join(said), frozenset(serving.plan.models), place.models())

    def _mark_parents(self, name: str) -> None:
        """Those of which the pipeline is a step stand differently with it."""
        for user in self._usage.users(ResourceKey("Pipeline", name)):
            if user.kind == "Pipeline" and user.name in self._places:
                self._mark(user.name)

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
        target = place.wanted if outlook is None else place.serving
        if outlook is not None and target is not None:
            shortcoming, types = self._looked_at(target, models)
            target = target if shortcoming is None else None
        if target is not None and types is not None:
            self._serve(place, target, types.signature)
        elif outlook is not None and (place.serving is not None or place.reason != outlook.message):
            version = place.wanted.plan.version
            self._gateway.set_not_ready("pipeline", name, version, outlook.message)
            place.reason = outlook.message
            if place.serving is not None:
                self._draining.add(place.serving.plan)
        if target is not place.serving:
            _log_turn(name, target, outlook)
        if target is not place.serving or target is not place.wanted:
            self._mark_parents(name)
        place.serving = target
        self._index(name, place)
        self._write(name, target, outlook)

    def _serve(self, place: _Place, target: PipelineVersion, signature: Signature | None) -> None:
        before = place.serving
        if target is before and signature == place.signature:
            return
        self._gateway.set_pipeline(target.plan, signature)
        place.signature = signature
        place.reason = None
        if before is not None:
            self._draining.add(before.plan)

    def _looked_at(
        self, version: PipelineVersion, models: ServedModels
    ) -> tuple[Outlook | None, PipelineTypes | None]:
        """Why a version cannot serve, None when it can; and its types when its models are there."""
        outlook = self._outlook(version, models)
        if outlook is not None:
            return outlook, None
        types = infer_types(version.pipeline, models.signature, loaded=True)
        if types.findings:
            at_work = not all(map(self._settled, version.plan.models))
            said = "; ".join(types.sentences)
            return Outlook(Reason.SIGNATURES_DO_NOT_FIT, said, at_work), types
        return None, types

    def _settled(self, model: str) -> bool:
        resource = self._store.get(ResourceKey("Model", model))
        return resource is None or settled(resource.status)

    def _outlook(self, wanted: PipelineVersion, models: ServedModels) -> Outlook | None:
        """What is with the models that a version calls; None when all serve."""
        missing = [name for name in wanted.plan.models if not models.serves(name)]
        if not missing:
            return self._outlook_of_children(wanted)
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

    def _outlook_of_children(self, wanted: PipelineVersion) -> Outlook | None:
        """What is with the pipelines that are steps of a version; None when all serve."""
        reason, at_work, said = Reason.WAITING_FOR_PIPELINES, True, []
        for name in wanted.plan.pipelines:
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
            elif place.serving.plan.output is None:
                at_work = False
                said.append(f"pipeline '{name}' cannot be a step: it has no output")
        if not said:
            return None
        if not at_work and reason == Reason.WAITING_FOR_PIPELINES:
            reason = Reason.PIPELINE_NOT_READY
        return Outlook(reason, "; ".join(said), at_work)

    def _index(self, name: str, place: _Place) -> None:
        needs = [ResourceKey("Model", model) for model in place.models()]
        needs += [ResourceKey("Pipeline", pipeline) for pipeline in place.pipelines()]
        self._usage.put(ResourceKey("Pipeline", name), needs)

    def _write(self, name: str, serving: PipelineVersion | None, outlook: Outlook | None) -> None:
        key = ResourceKey("Pipeline", name)
        resource = self._store.get(key)
        assert resource is not None, "what is gone is not marked"
        version = None if serving is None else serving.plan.version
        status = stand(resource.status, version, outlook, self._clock.now_ms())
        self._store.set_status(key, status)

    async def _forget(self, name: str, drained: asyncio.Task[None] | None) -> None:
        if drained is not None:
            await drained
        if name not in self._places:
            self._metrics.forget(name, single_model=False)


def _log_turn(name: str, target: PipelineVersion | None, outlook: Outlook | None) -> None:
    if target is not None:
        version = target.plan.version
        about = {"pipeline": name, "version": version}
        _log.info("pipeline '%s', version %d serves", name, version, extra=about)
    elif outlook is not None:
        about = {"pipeline": name}
        _log.warning("pipeline '%s' serves no more: %s", name, outlook.message, extra=about)
