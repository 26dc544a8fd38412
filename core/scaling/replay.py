"""Replays a trace of load against a policy, in virtual time, and tells what would come of it.

Calls are a flow that is shared by the copies: what they cannot take in waits in one queue. That
calls come by chance, and not at regular times, is added by the usual approximation of the wait
before several servers (H. Sakasegawa, *An approximation formula Lq = a b^r / (1 - b)*, Annals of
the Institute of Statistical Mathematics 29, 1977). So a replay has no chance in it: the same trace,
the same outcome.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, NamedTuple

from penstock.core.contracts.scaler import ModelLoad
from penstock.core.scaling.autoscaler import Autoscaler, Verdict
from penstock.core.scaling.rules import ScalingRules
from penstock.core.scaling.trace import TracePoint

STEPS_PER_DECISION: Final = 20

P90: Final = math.log(10.0)
"""Of a wait that is distributed exponentially, the mean times this is not exceeded in 9 of 10."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What is replayed beside the trace: a model has from ``least`` to ``most`` copies, beginning
    with ``start``; each takes ``load_ms`` to come up, and ``concurrency`` calls at a time. Servers
    take ``room`` copies of all models (None: as many as are wanted)."""

    least: int = 1
    most: int = 10
    start: int = 1
    load_ms: float = 5_000.0
    concurrency: int = 1
    target: float | None = None
    room: int | None = None


class Sample(NamedTuple):
    """One model at one decision: figures since the one before, and what was decided."""

    time_s: float
    rate: float
    ready: int
    in_flight: float
    waiting: float
    latency_ms: float | None
    refused: float
    verdict: Verdict


class Course(NamedTuple):
    """What became of one model."""

    model: str
    samples: Sequence[Sample]

    @property
    def changes(self) -> list[Sample]:
        """The decisions that changed the number of copies."""
        return [sample for sample in self.samples if sample.verdict.changes]

    def summary(self) -> dict[str, Any]:
        """Copies over time, latencies (None where no call was answered), and refused calls."""
        samples = self.samples
        every_s = samples[0].time_s if samples else 0.0
        seen = [each.latency_ms for each in samples if each.latency_ms is not None]
        copies = [each.verdict.load.replicas for each in samples]
        return {
            "least": min(copies, default=0),
            "most": max(copies, default=0),
            "copy_s": sum(each.ready for each in samples) * every_s,
            "latency_ms": sum(seen) / len(seen) if seen else None,
            "most_latency_ms": max(seen, default=None),
            "refused": sum(each.refused for each in samples),
            "turns": self.turns,
        }

    def document(self) -> dict[str, Any]:
        """All of it, for programs."""
        samples = [{**each._asdict(), "verdict": each.verdict.document()} for each in self.samples]
        return {"model": self.model, **self.summary(), "samples": samples}

    @property
    def turns(self) -> int:
        """How often it grew after it had shrunk, or shrank after it had grown."""
        ways = [each.verdict.replicas > each.verdict.load.replicas for each in self.changes]
        return sum(a != b for a, b in pairwise(ways))


class _Model:
    """One model of the replay, as it stands."""

    def __init__(self, points: Sequence[TracePoint], settings: Replayed) -> None:
        self._points = points
        self._at = 0
        self._settings = settings
        self.wanted = self.ready = settings.start
        self.coming: list[float] = []
        """When copies that are being loaded will be there."""
        self.queue = 0.0
        self.idle_s = 0.0
        self._begin()

    def _begin(self) -> None:
        """Count anew."""
        self._steps = 0
        self._called = self._served = self.refused = 0.0
        self._under_way = self._latency_ms = 0.0

    def step(self, now_s: float, step_s: float, held: int, free: int) -> None:
        """Let so much time pass."""
        point = self._point(now_s)
        calls = point.rate * step_s
        if calls and not self.wanted and free:
            self.wanted = 1
        self.scale(now_s, free)
        self._come_up(now_s)
        capacity = self.ready * self._settings.concurrency * 1000.0 / point.service_ms
        served = min(self.queue + calls, capacity * step_s)
        self.queue += calls - served
        if not self.ready and self.queue > held:
            self.refused += self.queue - held
            self.queue = float(held)
        self._count(point, calls, served, capacity, step_s)

    def scale(self, now_s: float, free: int) -> None:
        """Have copies come up or go as wanted, where ``free`` more find room."""
        there = self.ready + len(self.coming)
        for _ in range(min(self.wanted - there, free)):
            self.coming.append(now_s + self._settings.load_ms / 1000.0)
        for _ in range(there - self.wanted):
            if self.coming:
                self.coming.pop()
            else:
                self.ready -= 1

    def look(self, name: str, passed_s: float, *, full: bool) -> tuple[ModelLoad, float | None]:
        """The load since the last look, and the latency that callers saw."""
        settings, steps = self._settings, max(self._steps, 1)
        latency_ms = self._latency_ms / self._served if self._served else None
        waiting = 0.0 if self.ready else self.queue
        short = full and self.ready + len(self.coming) < self.wanted
        load = ModelLoad(
            name,
            self.wanted,
            self.ready,
            settings.least,
            settings.most,
            self._served / passed_s if passed_s else 0.0,
            self._under_way / steps,
            waiting,
            latency_ms,
            idle_s=self.idle_s,
            target=settings.target,
            short_of="all servers are full" if short else None,
        )
        return load, latency_ms

    def called_per_s(self, passed_s: float) -> float:
        """The rate of calls since the last look, which is then over."""
        rate = self._called / passed_s if passed_s else 0.0
        self._begin()
        return rate

    def _come_up(self, now_s: float) -> None:
        self.ready += sum(at_s <= now_s for at_s in self.coming)
        self.coming = [at_s for at_s in self.coming if at_s > now_s]

    def _point(self, now_s: float) -> TracePoint:
        points = self._points
        while self._at + 1 < len(points) and points[self._at + 1].time_s <= now_s:
            self._at += 1
        first = points[self._at]
        return first if first.time_s <= now_s else first._replace(rate=0.0)

    def _count(
        self, point: TracePoint, calls: float, served: float, capacity: float, step_s: float
    ) -> None:
        self._steps += 1
        self._called += calls
        self._served += served
        self.idle_s = 0.0 if calls or self.queue else self.idle_s + step_s
        if not self.ready:
            return
        places = self.ready * self._settings.concurrency
        wait_ms = _wait_ms(served / step_s / capacity, places, point.service_ms)
        queued_ms = self.queue / capacity * 1000.0
        self._latency_ms += served * (point.service_ms + wait_ms * P90 + queued_ms)
        self._under_way += served / step_s * (point.service_ms + wait_ms) / 1000.0 + self.queue


def replay(
    trace: Mapping[str, Sequence[TracePoint]], rules: ScalingRules, settings: Replayed
) -> list[Course]:
    """The course of each model in the order of the trace, decision by decision, to its end."""
    autoscaler = Autoscaler(rules.scaler, rules.damping)
    models = {name: _Model(points, settings) for name, points in trace.items()}
    samples: dict[str, list[Sample]] = {name: [] for name in models}
    every_s = rules.every_ms / 1000.0
    step_s = every_s / STEPS_PER_DECISION
    end_s = max(points[-1].time_s for points in trace.values())
    for decision in range(1, math.floor(end_s / every_s + 1e-9) + 1):
        for step in range(STEPS_PER_DECISION):
            now_s = (decision - 1) * every_s + step * step_s
            for model in models.values():
                model.step(now_s, step_s, rules.held, _free(models.values(), settings))
        now_s = decision * every_s
        full = not _free(models.values(), settings)
        looks = {name: model.look(name, every_s, full=full) for name, model in models.items()}
        verdicts = autoscaler.decide([load for load, _ in looks.values()], now_s * 1000.0)
        for verdict in verdicts:
            model, (load, latency_ms) = models[verdict.model], looks[verdict.model]
            refused = model.refused
            samples[verdict.model].append(
                Sample(
                    now_s,
                    model.called_per_s(every_s),
                    model.ready,
                    load.in_flight,
                    model.queue,
                    latency_ms,
                    refused,
                    verdict,
                )
            )
            model.wanted = verdict.replicas
    return [Course(name, of_model) for name, of_model in samples.items()]


def _free(models: Iterable[_Model], settings: Replayed) -> int:
    """How many more copies find room."""
    if settings.room is None:
        return settings.most
    taken = sum(model.ready + len(model.coming) for model in models)
    return max(settings.room - taken, 0)


def _wait_ms(busy: float, places: int, service_ms: float) -> float:
    """The mean wait of calls that come by chance, where so much of the places is busy."""
    busy = min(busy, 0.99)  # beyond that the queue says it
    power = math.sqrt(2.0 * (places + 1.0)) - 1.0
    return float(service_ms * busy**power / (places * (1.0 - busy)))
