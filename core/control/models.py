"""Brings models from what is wanted to what is served: loads, switches, drains, unloads."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, NamedTuple

from penstock.core.clock import Clock
from penstock.core.contracts.model import ModelInstance
from penstock.core.control.admission import Breakage, Breaks, judge, waiting_of
from penstock.core.control.copies import ModelCopies, Placer
from penstock.core.control.emptying import Prospect
from penstock.core.control.explained import outlook_of_explained
from penstock.core.control.reasons import Reason
from penstock.core.control.standing import (
    Outlook,
    load_failed,
    loading,
    scarce,
    settled,
    stand,
    stand_copies,
)
from penstock.core.control.store import ResourceKey, ResourceStore
from penstock.core.fleet import ServerReplica
from penstock.core.joinspec import JoinFactories
from penstock.core.metrics import Metrics
from penstock.core.pipeline_gateway import PipelineGateway
from penstock.core.plan.single_model import compile_model
from penstock.core.resources import Model, Origin
from penstock.core.scheduling.explanation import document_of
from penstock.core.signature import Signature

_log = logging.getLogger(__name__)


class _Wanted(NamedTuple):
    """A version that is to serve."""

    model: Model
    origin: Origin
    version: int


class _Place:
    """What is under way for one name: the version that serves, and what is to come after it.

    That is ``coming`` while it is loaded, and then ``held`` until it may serve. ``outlook`` says
    why the version that is wanted does not serve.
    """

    __slots__ = ("coming", "held", "outlook", "published", "serving", "wanted")

    def __init__(self, wanted: _Wanted) -> None:
        self.wanted = wanted
        self.serving: ModelCopies | None = None
        self.coming: ModelCopies | None = None
        self.held: ModelCopies | None = None
        self.published: ModelInstance | None = None
        self.outlook: Outlook | None = None


class ModelReconciler:
    """The models of a process. All methods are called on the event loop.

    A new version is loaded beside the one that serves, which goes on until the new one is ready;
    then routes switch, the old one drains and is unloaded. One that ``breaks`` a pipeline which is
    served is refused, and tried again when that pipeline or another of its models changes.
    ``on_change`` is told the name of each model that came, went or stands differently; ``released``
    returns when no request that is still under way in some pipeline can call the model of that
    name any more. ``users`` are those whose manifests name a resource: an explainer is loaded only
    while what it explains serves.
    """

    def __init__(
        self,
        store: ResourceStore,
        placer: Placer,
        gateway: PipelineGateway,
        metrics: Metrics,
        joins: JoinFactories,
        clock: Clock,
        *,
        on_change: Callable[[str], None],
        released: Callable[[str], Awaitable[None]],
        breaks: Breaks,
        turns: Callable[[], int],
        users: Callable[[ResourceKey], Iterable[ResourceKey]],
        followed: bool,
    ) -> None:
        self._store = store
        self._placer = placer
        self._models = placer.models
        self._gateway = gateway
        self._metrics = metrics
        self._joins = joins
        self._background = placer.background
        self._clock = clock
        self._on_change = on_change
        self._released = released
        self._breaks = breaks
        self._turns = turns
        self._users = users
        self._followed = followed
        self._judging = asyncio.Lock()
        self._places: dict[str, _Place] = {}
        self._held: dict[str, _Place] = {}
        self._refused: dict[str, frozenset[str]] = {}
        """Models with a version that was refused, and those whose change may let it in."""
        self._begun: set[ModelCopies] = set()

    def serves(self, name: str) -> bool:
        """Whether some version of the model can be called."""
        place = self._places.get(name)
        return place is not None and place.published is not None

    def signature(self, name: str) -> Signature | None:
        """That of the version that serves, as far as it is known."""
        place = self._places.get(name)
        if place is None or place.published is None:
            return None
        return place.published.signature

    def want(self, model: Model, origin: Origin, version: int) -> None:
        """Bring this version into service, in the place of what is on its way."""
        name = model.name
        wanted = _Wanted(model, origin, version)
        place = self._places.setdefault(name, _Place(wanted))
        self._begin_anew(place.wanted.model, model)
        place.wanted = wanted
        self._give_up(name, place)
        missing = self._missing(model)
        if missing is not None:
            self._suspend(name, place, missing)
            return
        self._stand(name, loading(version))

        def changed() -> None:
            self._copies_changed(name, place, copies)

        copies = ModelCopies(model, origin, version, self._placer, changed)
        place.coming = copies
        self._begun.add(copies)
        copies.begin()
        self.reconsider((name,))

    def explain(self, name: str) -> dict[str, Any]:
        """Where the copies of the version that is wanted are, and why not elsewhere; those of the
        one that serves where it was refused."""
        place = self._places[name]
        copies = place.coming or place.held or place.serving
        if copies is None:  # it was refused for what it would break, or has nothing to explain
            said = "" if place.outlook is None else place.outlook.message
            return {"model": name, "version": place.wanted.version, "why": said, "servers": []}
        found = copies.explain()
        why = None if copies.outlook is None else copies.outlook
        if copies.version != place.wanted.version:
            why = place.outlook
        return {
            "model": name,
            "version": copies.version,
            "wanted": copies.wanted,
            "loaded": copies.loaded,
            "why": None if why is None else why.message,
            "grow": list(copies.servers_to_grow(found)) if copies.loaded < copies.wanted else [],
            "servers": document_of(found),
        }

    def prospect(self, name: str, version: int, replica: ServerReplica) -> Prospect:
        """What becomes of the copy of a version on a replica that is drained."""
        place = self._places.get(name)
        if place is not None:
            for copies in (place.serving, place.coming, place.held):
                if copies is not None and copies.version == version:
                    return copies.prospect(replica)
        return Prospect("leaves")

    def resize(self, model: Model) -> None:
        """Have as many copies as ``model`` says of the versions that there are."""
        place = self._places[model.name]
        self._begin_anew(place.wanted.model, model)
        place.wanted = place.wanted._replace(model=model)
        for copies in (place.serving, place.coming, place.held):
            if copies is not None:
                copies.resize(model)

    def scaled(self) -> Iterable[tuple[str, ModelCopies]]:
        """The models that are scaled by their load, and the copies that calls go to, or will."""
        for name in self._places:
            copies = self.called(name)
            if copies is not None and copies.bounds is not None:
                yield name, copies

    def called(self, name: str) -> ModelCopies | None:
        """The copies that calls of a model go to, or will; None while there are none."""
        place = self._places.get(name)
        return None if place is None else place.serving or place.held or place.coming

    def rescale(self, name: str) -> None:
        """Have as many copies of a model as were decided on by now."""
        place = self._places[name]
        for copies in (place.serving, place.coming, place.held):
            if copies is not None:
                copies.rescale()

    def reconsider(self, changed: Iterable[str]) -> None:
        """Try versions again that were refused for what is between them and these models."""
        names = frozenset(changed)
        for name in [each for each, involved in self._refused.items() if involved & names]:
            self.retry(name)

    def retry(self, name: str) -> None:
        """Try the version that is wanted once more: what it needs may be there by now."""
        wanted = self._places[name].wanted
        self.want(wanted.model, wanted.origin, wanted.version)

    def _begin_anew(self, before: Model, model: Model) -> None:
        """A model whose manifest says another number of copies has that number."""
        if before.spec.replicas != model.spec.replicas:
            self._placer.scaled.begin_anew(model.name)

    def explained_changed(self, key: ResourceKey) -> None:
        """What models may explain came, went or stands differently: load explainers that waited
        for it, and put those out of service that have nothing to explain any more."""
        for user in self._users(key):
            place = self._places.get(user.name) if user.kind == "Model" else None
            if place is not None:
                self._look_at_explained(user.name, place, key)

    def _look_at_explained(self, name: str, place: _Place, explained: ResourceKey) -> None:
        missing = self._missing(place.wanted.model)
        serves = place.serving is not None and place.serving.version == place.wanted.version
        if missing is not None:
            if serves or missing != place.outlook:
                self._suspend(name, place, missing)
        elif not serves and name not in self._refused:
            comes = place.coming is not None or place.held is not None
            if not comes or self._may_fit_now(name, explained):
                self.retry(name)

    def _missing(self, model: Model) -> Outlook | None:
        """What is with what a model explains; None where that serves, or the model explains
        nothing."""
        explainer = model.spec.explainer
        return None if explainer is None else outlook_of_explained(explainer.explains, self._store)

    def _may_fit_now(self, name: str, explained: ResourceKey) -> bool:
        """Whether an explainer is tried again that could not be loaded: what it explains has
        changed, and is what it is going to be."""
        own, other = self._store.get(ResourceKey("Model", name)), self._store.get(explained)
        assert own is not None, "what is gone explains nothing"
        assert other is not None, "nothing is missing"
        return load_failed(own.status) and settled(other.status)

    def _suspend(self, name: str, place: _Place, outlook: Outlook) -> None:
        """Have no copies of the explainer that is wanted until there is something to explain. A
        version before it, which explains something else, goes on."""
        self._give_up(name, place)
        serving = place.serving
        if serving is not None and serving.version == place.wanted.version:
            published = place.published
            place.serving = place.published = None
            self._models.withdraw(name, outlook.message)
            serving.turn("leaving")
            serving.close()
            self._background.spawn(
                self._retire(name, serving, published), f"retiring explainer '{name}'"
            )
        self._stand(name, outlook)

    def drop(self, name: str) -> None:
        """Take the model out of service: requests under way finish, then it is unloaded."""
        place = self._places.pop(name)
        self._placer.scaled.begin_anew(name)
        self._give_up(name, place)
        if place.serving is not None:
            place.serving.turn("leaving")
            place.serving.close()
        self._gateway.remove("model", name)
        self._on_change(name)
        self._background.spawn(self._take_away(name, place), f"removing model '{name}'")
        self._judge_soon()

    async def close(self) -> None:
        """Unload everything that is loaded, whatever is under way on it. The tasks in the
        background have ended."""
        await self._placer.loader.close()
        for copies in self._begun:
            if copies.state != "leaving":
                copies.turn("leaving")
        await asyncio.gather(*(self._discard(each) for each in list(self._begun)))

    def _copies_changed(self, name: str, place: _Place, copies: ModelCopies) -> None:
        """There are more copies of some version, or fewer, or it looks otherwise for it."""
        if self._places.get(name) is not place:
            return
        if copies is place.serving:
            self._publish(name, place)
            self._stand(name, place.outlook)
        elif copies is place.coming and copies.ready:
            copies.turn("held")
            place.coming, place.held = None, copies
            self._held[name] = place
            self._judge_soon()
        elif copies is place.held and not copies.ready:
            copies.turn("coming")
            place.coming, place.held = copies, None
            del self._held[name]
            self._stand(name, copies.outlook)
        elif copies is place.coming and copies.outlook is not None:
            self._stand(name, copies.outlook)
            if not copies.outlook.at_work:
                self._judge_soon()

    def _publish(self, name: str, place: _Place) -> None:
        """Have calls go to the copies that there are of the version that serves."""
        copies = place.serving
        instance = None if copies is None else copies.instance
        if copies is None or instance is place.published:
            return
        was_there, place.published = place.published is not None, instance
        if instance is None:
            copies.turn("lapsed")
            self._models.withdraw(name, "no copy of it is loaded any more")
            return
        if copies.state == "lapsed":
            copies.turn("serving")
        self._models.publish(name, copies.version, instance)
        if not was_there:
            plan = compile_model(name, copies.version, self._joins, followed=self._followed)
            self._gateway.set_model(plan, instance.signature)

    def _give_up(self, name: str, place: _Place) -> None:
        """Stop what is to come after the version that serves."""
        coming, place.coming, held, place.held = place.coming, None, place.held, None
        self._refused.pop(name, None)
        if held is not None:
            del self._held[name]
        for copies in (coming, held):
            if copies is not None:
                copies.turn("leaving")
                copies.close()
                self._background.spawn(
                    self._discard(copies), f"retiring model '{name}', not served"
                )

    def _judge_soon(self) -> None:
        """Look again which of the versions that are held may serve."""
        if self._held:
            self._background.spawn(self._judge(), "judging new versions of models")

    async def _judge(self) -> None:
        """Let in the versions that break nothing; refuse the others, unless more is to come."""
        async with self._judging:
            while True:
                held, turns = self._held_versions(), self._turns()
                verdict = await judge(self._candidates(), self._breaks)
                # A pipeline that has come to serve another version may be broken by what is let in.
                if (held, turns) == (self._held_versions(), self._turns()):
                    break
            waiting = waiting_of(verdict.blocked, self._comes)
            for name, loaded in held.items():
                blocked = verdict.blocked.get(name)
                if blocked is None:
                    place = self._held.pop(name)
                    place.held = None
                    self._switch(name, place, loaded)
                elif name in waiting:
                    self._wait(name, loaded.version, blocked, waiting[name])
                else:
                    self._refuse(name, loaded.version, blocked)

    def _held_versions(self) -> dict[str, ModelCopies]:
        return {n: place.held for n, place in self._held.items() if place.held is not None}

    def _candidates(self) -> dict[str, Signature | None]:
        """The signatures of the versions that are held; of none if nobody can notice a change."""
        new: dict[str, Signature | None] = {}
        changed = False
        for name, held in self._held_versions().items():
            new[name] = None if held.instance is None else held.instance.signature
            before = self._places[name].published
            changed |= before is not None and before.signature != new[name]
        return new if changed else {}

    def _wait(
        self, name: str, version: int, blocked: Sequence[Breakage], others: Iterable[str]
    ) -> None:
        """Say of a version that is held why it is."""
        listed = ", ".join(f"'{each}'" for each in sorted(others))
        said = f"version {version} waits for {listed}: {_sentence(blocked)}"
        self._stand(name, Outlook(Reason.WAITING_FOR_OTHERS, said, at_work=True))

    def _refuse(self, name: str, version: int, blocked: Sequence[Breakage]) -> None:
        """Unload a version that would break pipelines, and remember what may change that."""
        said = f"version {version} is refused: {_sentence(blocked)}"
        _log.warning("model '%s', %s", name, said, extra=_about(name, version))
        self._give_up(name, self._places[name])
        self._refused[name] = frozenset().union(*(each.models for each in blocked))
        self._stand(name, Outlook(Reason.BREAKS_PIPELINE, said, at_work=False))

    def _comes(self, name: str) -> bool:
        """Whether a version of the model is being loaded."""
        place = self._places.get(name)
        coming = None if place is None else place.coming
        return coming is not None and coming.outlook is not None and coming.outlook.at_work

    def _switch(self, name: str, place: _Place, copies: ModelCopies) -> None:
        """From now on ``copies`` serve. Nothing can come between the steps."""
        copies.turn("serving")
        before, place.serving = place.serving, copies
        retired, place.published = place.published, None
        self._publish(name, place)
        about = _about(name, copies.version)
        _log.info("model '%s', version %d serves", name, copies.version, extra=about)
        if before is not None:
            before.turn("leaving")
            self._background.spawn(
                self._retire(name, before, retired),
                f"retiring model '{name}', version {before.version}",
            )
        self._stand(name, None)

    def _stand(self, name: str, outlook: Outlook | None) -> None:
        """Write down how the model stands, and tell who depends on it."""
        key = ResourceKey("Model", name)
        resource = self._store.get(key)
        assert resource is not None, "what is gone has no loads under way"
        place = self._places[name]
        place.outlook = outlook
        serving = None if place.published is None else place.serving
        if serving is None and outlook is None and place.serving is not None:
            outlook = place.serving.outlook
        version = None if serving is None else serving.version
        now_ms = self._clock.now_ms()
        status = stand(resource.status, version, outlook, now_ms)
        fewer = None
        if serving is not None:
            fewer = scarce(serving.outlook, serving.loaded, serving.wanted, "loaded")
        status = stand_copies(status, fewer, now_ms)
        if serving is None and outlook is not None:
            wanted = resource.status.version
            self._gateway.set_not_ready("model", name, wanted, outlook.message)
        self._store.set_status(key, status)
        self._on_change(name)

    async def _take_away(self, name: str, place: _Place) -> None:
        serving, published = place.serving, place.published
        # Requests that were under way in pipelines may be about to call it.
        await self._released(name)
        if serving is not None:
            await self._gateway.drained("model", name, serving.version)
            served = self._models.slot(name).served
            if served is not None and served.instance is place.published:
                self._models.withdraw(name, "it was deleted")
            await self._retire(name, serving, published)
        if name not in self._places:
            self._models.forget(name)
            self._metrics.forget(name, single_model=True)

    async def _retire(
        self, name: str, copies: ModelCopies, published: ModelInstance | None
    ) -> None:
        """Unload copies when no call is under way on what was ``published`` of them."""
        copies.close()
        await self._gateway.drained("model", name, copies.version)
        if published is not None:
            await self._models.drained(published)
        await self._discard(copies)
        about = _about(name, copies.version)
        _log.info("model '%s', version %d is unloaded", name, copies.version, extra=about)

    async def _discard(self, copies: ModelCopies) -> None:
        copies.close()
        await copies.unload()
        self._begun.discard(copies)
        copies.turn("gone")


def _sentence(blocked: Sequence[Breakage]) -> str:
    return "; ".join(dict.fromkeys(map(str, blocked)))


def _about(name: str, version: int) -> dict[str, object]:
    """What a log line is about, for machines."""
    return {"model": name, "version": version}
