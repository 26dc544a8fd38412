"""Brings models from what is wanted to what is served: loads, switches, drains, unloads."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from penstock.core.clock import Clock
from penstock.core.control.admission import Breakage, Breaks, judge, waiting_of
from penstock.core.control.background import Background
from penstock.core.control.loading import LoadedModel, LoadError, ModelLoader
from penstock.core.control.reasons import Reason
from penstock.core.control.standing import Outlook, loading, stand
from penstock.core.control.store import ResourceKey, ResourceStore
from penstock.core.joinspec import JoinFactories
from penstock.core.metrics import Metrics
from penstock.core.model_gateway import ModelGateway
from penstock.core.pipeline_gateway import PipelineGateway
from penstock.core.plan.single_model import compile_model
from penstock.core.resources import Model, Origin
from penstock.core.signature import Signature

FIRST_RETRY_S: Final = 1.0
LAST_RETRY_S: Final = 60.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LoadPolicy:
    """How loads go on: ``parallel`` at a time; ``sleep`` waits for a retry (seconds), ``jitter``
    gives numbers from 0 to 1."""

    parallel: int = 4
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    jitter: Callable[[], float] = random.random

    def retry_s(self, attempt: int) -> float:
        """How long to wait after the failed attempt of that number (from 0), in seconds."""
        longest = min(FIRST_RETRY_S * 2.0 ** min(attempt, 30), LAST_RETRY_S)
        return longest * (0.5 + self.jitter() / 2.0)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A version that is to serve."""

    model: Model
    origin: Origin
    version: int


class _Place:
    """What is under way for one name: the version that serves, and what is to come after it.

    That is loaded by the task ``loading``, and then ``held`` until it may serve.
    """

    __slots__ = ("held", "loading", "serving", "wanted")

    def __init__(self, wanted: _Wanted) -> None:
        self.wanted = wanted
        self.serving: LoadedModel | None = None
        self.loading: asyncio.Task[None] | None = None
        self.held: LoadedModel | None = None


class ModelReconciler:
    """The models of a process. All methods are called on the event loop.

    A new version is loaded beside the one that serves, which goes on until the new one is ready;
    then routes switch, the old one drains and is unloaded. One that ``breaks`` a pipeline which is
    served is refused, and tried again when that pipeline or another of its models changes.
    ``on_change`` is told the name of each model that came, went or stands differently; ``released``
    returns when no request that is still under way in some pipeline can call the model of that
    name any more.
    """

    def __init__(
        self,
        store: ResourceStore,
        loader: ModelLoader,
        models: ModelGateway,
        gateway: PipelineGateway,
        metrics: Metrics,
        joins: JoinFactories,
        background: Background,
        clock: Clock,
        policy: LoadPolicy,
        *,
        on_change: Callable[[str], None],
        released: Callable[[str], Awaitable[None]],
        breaks: Breaks,
        followed: bool,
    ) -> None:
        self._store = store
        self._loader = loader
        self._models = models
        self._gateway = gateway
        self._metrics = metrics
        self._joins = joins
        self._background = background
        self._clock = clock
        self._policy = policy
        self._on_change = on_change
        self._released = released
        self._breaks = breaks
        self._followed = followed
        self._judging = asyncio.Lock()
        self._turns = asyncio.Semaphore(policy.parallel)
        self._places: dict[str, _Place] = {}
        self._held: dict[str, _Place] = {}
        self._refused: dict[str, frozenset[str]] = {}
        """Models with a version that was refused, and those whose change may let it in."""
        self._loaded: set[LoadedModel] = set()

    def serves(self, name: str) -> bool:
        """Whether some version of the model can be called."""
        place = self._places.get(name)
        return place is not None and place.serving is not None

    def signature(self, name: str) -> Signature | None:
        """That of the version that serves, as far as it is known."""
        place = self._places.get(name)
        if place is None or place.serving is None:
            return None
        return place.serving.instance.signature

    def want(self, model: Model, origin: Origin, version: int) -> None:
        """Bring this version into service, in the place of what is on its way."""
        name = model.name
        wanted = _Wanted(model, origin, version)
        place = self._places.setdefault(name, _Place(wanted))
        place.wanted = wanted
        self._give_up(name, place)
        self._stand(name, loading(version))
        place.loading = self._background.spawn(
            self._bring_up(place, model, origin, version),
            f"bringing up model '{name}', version {version}",
        )
        self.reconsider((name,))

    def reconsider(self, changed: Iterable[str]) -> None:
        """Try versions again that were refused for what is between them and these models."""
        names = frozenset(changed)
        for name in [each for each, involved in self._refused.items() if involved & names]:
            wanted = self._places[name].wanted
            self.want(wanted.model, wanted.origin, wanted.version)

    def drop(self, name: str) -> None:
        """Take the model out of service: requests under way finish, then it is unloaded."""
        place = self._places.pop(name)
        self._give_up(name, place)
        self._gateway.remove("model", name)
        self._on_change(name)
        self._background.spawn(self._take_away(name, place.serving), f"removing model '{name}'")
        self._judge_soon()

    async def close(self) -> None:
        """Unload everything that is loaded, whatever is under way on it. The tasks in the
        background have ended."""
        await self._loader.close()
        await asyncio.gather(*(self._unload(each) for each in list(self._loaded)))

    async def _bring_up(self, place: _Place, model: Model, origin: Origin, version: int) -> None:
        name = model.name
        attempt = 0
        while True:
            try:
                async with self._turns:
                    loaded = await self._loader.load(model, origin, version)
                break
            except LoadError as error:
                said = f"version {version} could not be loaded: {error}"
                _log.warning("model '%s', %s", name, said, extra=_about(name, version))
                if not error.retriable:
                    place.loading = None
                    self._stand(name, Outlook(error.reason, said, at_work=False))
                    self._judge_soon()
                    return
                self._stand(
                    name, Outlook(Reason.RETRYING, f"{said}; it is tried again", at_work=True)
                )
            await self._policy.sleep(self._policy.retry_s(attempt))
            attempt += 1
        place.loading, place.held = None, loaded
        self._held[name] = place
        self._loaded.add(loaded)
        self._judge_soon()

    def _give_up(self, name: str, place: _Place) -> None:
        """Stop what is to come after the version that serves."""
        if place.loading is not None:
            place.loading.cancel()
        held, place.loading, place.held = place.held, None, None
        self._refused.pop(name, None)
        if held is not None:
            del self._held[name]
            self._background.spawn(self._unload(held), f"retiring model '{name}', not served")

    def _judge_soon(self) -> None:
        """Look again which of the versions that are held may serve."""
        if self._held:
            self._background.spawn(self._judge(), "judging new versions of models")

    async def _judge(self) -> None:
        """Let in the versions that break nothing; refuse the others, unless more is to come."""
        async with self._judging:
            held = self._held_versions()
            while True:
                verdict = await judge(self._candidates(), self._breaks)
                if held == (now := self._held_versions()):
                    break
                held = now
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

    def _held_versions(self) -> dict[str, LoadedModel]:
        return {n: place.held for n, place in self._held.items() if place.held is not None}

    def _candidates(self) -> dict[str, Signature | None]:
        """The signatures of the versions that are held; of none if nobody can notice a change."""
        new: dict[str, Signature | None] = {}
        changed = False
        for name, held in self._held_versions().items():
            new[name] = held.instance.signature
            before = self._places[name].serving
            changed |= before is not None and before.instance.signature != new[name]
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
        return place is not None and place.loading is not None

    def _switch(self, name: str, place: _Place, loaded: LoadedModel) -> None:
        """From now on ``loaded`` serves. Nothing can come between the steps."""
        before, place.serving = place.serving, loaded
        self._models.publish(name, loaded.version, loaded.instance)
        plan = compile_model(name, loaded.version, self._joins, followed=self._followed)
        self._gateway.set_model(plan, loaded.instance.signature)
        about = _about(name, loaded.version)
        _log.info("model '%s', version %d serves", name, loaded.version, extra=about)
        if before is not None:
            self._background.spawn(
                self._retire(name, before), f"retiring model '{name}', version {before.version}"
            )
        self._stand(name, None)

    def _stand(self, name: str, outlook: Outlook | None) -> None:
        """Write down how the model stands, and tell who depends on it."""
        key = ResourceKey("Model", name)
        resource = self._store.get(key)
        assert resource is not None, "what is gone has no loads under way"
        serving = self._places[name].serving
        version = None if serving is None else serving.version
        status = stand(resource.status, version, outlook, self._clock.now_ms())
        if serving is None and outlook is not None:
            wanted = resource.status.version
            self._gateway.set_not_ready("model", name, wanted, outlook.message)
        self._store.set_status(key, status)
        self._on_change(name)

    async def _take_away(self, name: str, serving: LoadedModel | None) -> None:
        # Requests that were under way in pipelines may be about to call it.
        await self._released(name)
        if serving is not None:
            await self._gateway.drained("model", name, serving.version)
            served = self._models.slot(name).served
            if served is not None and served.instance is serving.instance:
                self._models.withdraw(name, "it was deleted")
            await self._retire(name, serving)
        if name not in self._places:
            self._models.forget(name)
            self._metrics.forget(name, single_model=True)

    async def _retire(self, name: str, loaded: LoadedModel) -> None:
        await self._gateway.drained("model", name, loaded.version)
        await self._models.drained(loaded.instance)
        await self._unload(loaded)
        about = _about(name, loaded.version)
        _log.info("model '%s', version %d is unloaded", name, loaded.version, extra=about)

    async def _unload(self, loaded: LoadedModel) -> None:
        self._loaded.discard(loaded)
        try:
            await self._loader.unload(loaded)
        except Exception:
            _log.exception("version %d of a model could not be unloaded", loaded.version)


def _sentence(blocked: Sequence[Breakage]) -> str:
    return "; ".join(dict.fromkeys(map(str, blocked)))


def _about(name: str, version: int) -> dict[str, object]:
    """What a log line is about, for machines."""
    return {"model": name, "version": version}
