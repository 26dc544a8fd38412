"""Scales models by their load: looks, decides, and says what and why."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from penstock.core.call_counter import CallCounter
from penstock.core.clock import Clock
from penstock.core.contracts.call_figures import CallFigures
from penstock.core.contracts.scaler import ModelLoad
from penstock.core.control.copies import ModelCopies
from penstock.core.control.models import ModelReconciler
from penstock.core.control.reasons import Reason
from penstock.core.control.scaled import ScaledNumbers
from penstock.core.control.standing import noted
from penstock.core.control.store import ResourceKey, ResourceStore
from penstock.core.control.stream_backlog import StreamBacklog
from penstock.core.metrics import Metrics
from penstock.core.resources.scaling import IDLE_MS, TARGET, scaling_number
from penstock.core.scaling import Autoscaler, Verdict
from penstock.core.scaling.expected_calls import expected_calls
from penstock.core.scaling.figures import LoadMeter
from penstock.core.scaling.rules import ScalingRules

SCALED: Final = "Scaled"
"""The condition of a model that is scaled by its load: how many copies it has, and why."""

_REASONS: Final = {
    "load": Reason.SCALED_BY_LOAD,
    "stale": Reason.FIGURES_STALE,
    "asleep": Reason.ASLEEP,
    "short": Reason.NO_SERVER,
}

_HERE: Final = "here"
"""This process, among those that count calls."""

_log = logging.getLogger(__name__)


class ModelScaling:
    """The models that may be scaled, their loads, and the last verdict on each.

    ``backlog`` is there where pipelines have streams.
    """

    def __init__(
        self,
        store: ResourceStore,
        reconciler: ModelReconciler,
        scaled: ScaledNumbers,
        counter: CallCounter,
        metrics: Metrics,
        backlog: StreamBacklog | None,
        clock: Clock,
        rules: ScalingRules,
    ) -> None:
        self._store = store
        self._reconciler = reconciler
        self._scaled = scaled
        self._counter = counter
        self._metrics = metrics
        self._backlog = backlog
        self._clock = clock
        self._rules = rules
        self._autoscaler = Autoscaler(rules.scaler, rules.damping)
        self._meters: dict[str, LoadMeter] = {}
        self._slept: frozenset[str] = frozenset()
        """The models that were asleep at the last look."""
        self._unloaded: frozenset[str] = frozenset()
        """Those that had no copy then, by whatever reason."""
        self._silent_ms: dict[str, float] = {}
        """Since when there are copies of a model that nobody has told anything of."""
        self._verdicts: Sequence[Verdict] = ()
        self._decided_ms: float | None = None

    def decide(self) -> Sequence[Verdict]:
        """Look at all models that may be scaled, and have them scaled."""
        now_ms = self._decided_ms = self._clock.now_ms()
        self._verdicts = self._autoscaler.decide(self.loads(now_ms), now_ms)
        if not self._rules.dry_run:
            for verdict in self._verdicts:
                self._carry_out(verdict)
        return self._verdicts

    def loads(self, now_ms: float) -> list[ModelLoad]:
        """The load of each model that may be scaled, since the last look."""
        scaled = dict(self._reconciler.scaled())
        for name in self._meters.keys() - scaled.keys():
            self._say_nothing(name)
        self._meters = {name: self._meters.get(name) or LoadMeter(now_ms) for name in scaled}
        self._silent_ms = {name: at for name, at in self._silent_ms.items() if name in scaled}
        called = {**self._called_through_streams(), **scaled}
        counted = self._counter.figures(called.keys(), now_ms)
        figures = {
            name: dict(self._figures(copies, counted[name])) for name, copies in called.items()
        }
        lag = self._lag({name: _under_way(called[name], each) for name, each in figures.items()})
        loads = [
            self._load(name, copies, figures[name], lag.get(name), now_ms)
            for name, copies in scaled.items()
        ]
        self._slept = frozenset(load.name for load in loads if not load.replicas)
        self._unloaded = frozenset(load.name for load in loads if not load.ready)
        self._metrics.lag = {name: lag[name] for name in scaled if name in lag}
        return loads

    def _called_through_streams(self) -> Mapping[str, ModelCopies]:
        """The models of which it counts how many calls are under way: what they were begun for
        waits no more."""
        if self._backlog is None:
            return {}
        names = frozenset(name for queue in self._backlog.queues for name in queue.expects)
        called = {name: self._reconciler.called(name) for name in names}
        return {name: copies for name, copies in called.items() if copies is not None}

    def _lag(self, under_way: Mapping[str, int]) -> Mapping[str, int]:
        """How many calls of models wait in streams; nothing of those that are called otherwise."""
        if self._backlog is None:
            return {}
        return expected_calls(self._backlog.queues, lambda name: under_way.get(name, 0))

    def document(self) -> dict[str, Any]:
        """What was decided last on each model, for people and programs."""
        rules = self._rules
        return {
            "policy": rules.policy,
            "every_ms": rules.every_ms,
            "dry_run": rules.dry_run,
            "decided_ms": self._decided_ms,
            "models": [verdict.document() for verdict in self._verdicts],
        }

    def _load(
        self,
        name: str,
        copies: ModelCopies,
        figures: Mapping[object, CallFigures | None],
        lag: int | None,
        now_ms: float,
    ) -> ModelLoad:
        meter = self._meters[name]
        if copies.held or name in self._slept:
            meter.note_call(now_ms)  # it has just been woken, by a call or by its manifest
        if not copies.loaded or name in self._unloaded:
            # Calls that waited for it took as long as that, and say nothing of what copies can do.
            meter.begin_anew()
        known = {process: each for process, each in figures.items() if each is not None}
        load = meter.measure(known.items(), now_ms)
        age_ms = load.age_ms
        if len(known) == len(figures):
            self._silent_ms.pop(name, None)
        elif age_ms is not None:  # a copy that is new has said nothing yet, and soon will
            age_ms = max(age_ms, now_ms - self._silent_ms.setdefault(name, now_ms))
        lag_age_ms = None if self._backlog is None else self._backlog.age_ms(name, now_ms)
        if age_ms is not None and lag_age_ms is not None:
            age_ms = max(age_ms, lag_age_ms)
        if copies.are_expected:  # who calls them meanwhile is not seen from here
            age_ms = None
        bounds, outlook = copies.bounds, copies.outlook
        assert bounds is not None, "only such models are looked at"
        stuck = outlook is not None and not outlook.at_work and copies.loaded < copies.wanted
        annotations = self._annotations(name)
        return ModelLoad(
            name,
            copies.wanted,
            copies.loaded,
            bounds.least,
            bounds.most,
            load.requests_per_s,
            load.in_flight,
            copies.held,
            load.latency_ms,
            lag,
            copies.memory_bytes,
            load.idle_s,
            age_ms,
            scaling_number(annotations, TARGET),
            scaling_number(annotations, IDLE_MS),
            outlook.message if stuck and outlook is not None else None,
        )

    def _figures(
        self, copies: ModelCopies, counted: CallFigures
    ) -> Iterator[tuple[object, CallFigures | None]]:
        """What is known of the model's calls: here, and by each process that has a copy and others
        call it there; None for one that has not said anything."""
        here = not copies.loaded
        for replica, instance in copies.copies:
            if instance.place is None:
                here = True
            else:
                yield replica, replica.adapter.calls_of(instance)
        if here:
            # Calls that wait for a copy are counted as such.
            under_way = max(counted.under_way - copies.held, 0)
            yield _HERE, counted._replace(under_way=under_way)

    def _annotations(self, name: str) -> Mapping[str, str]:
        resource = self._store.get(ResourceKey("Model", name))
        return {} if resource is None else resource.manifest.metadata.annotations

    def _carry_out(self, verdict: Verdict) -> None:
        if verdict.changes:
            before, after = verdict.load.replicas, verdict.replicas
            said = "model '%s' is scaled from %d to %d copies: %s"
            _log.info(
                said, verdict.model, before, after, verdict.reason, extra={"model": verdict.model}
            )
            self._scaled.decide(verdict.model, after)
            self._reconciler.rescale(verdict.model)
        self._say(verdict)

    def _say(self, verdict: Verdict) -> None:
        """Write down how many copies and why, when that is another reason or another number: the
        figures in a reason change all the time."""
        key = ResourceKey("Model", verdict.model)
        resource = self._store.get(key)
        if resource is None:
            return
        said = resource.status.condition(SCALED)
        reason = _REASONS[verdict.why]
        copies = f"{verdict.replicas} {'copy' if verdict.replicas == 1 else 'copies'}"
        if said is not None and said.reason == reason and said.message.startswith(f"{copies}: "):
            return
        message = f"{copies}: {verdict.reason}"
        status = noted(resource.status, SCALED, reason, message, self._clock.now_ms())
        self._store.set_status(key, status)

    def _say_nothing(self, name: str) -> None:
        """A model is not scaled any more."""
        key = ResourceKey("Model", name)
        resource = self._store.get(key)
        if resource is not None:
            self._store.set_status(key, resource.status.without_condition(SCALED))


def _under_way(copies: ModelCopies, figures: Mapping[object, CallFigures | None]) -> int:
    """How many calls of a model are under way, as far as is known, or wait for it to be loaded."""
    return copies.held + sum([each.under_way for each in figures.values() if each is not None])
