"""Counters of what happened, kept as plain numbers and turned into metrics when they are read."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Final, NamedTuple

from penstock.core.plan import Plan
from penstock.core.plan.rest import time_for_rest
from penstock.core.recent_times import RecentTimes
from penstock.core.records import Failed

if TYPE_CHECKING:
    # The engine's calls know contracts, of which that of observers knows the counters.
    from penstock.core.engine import Call

BUCKETS: Final = 64
"""Buckets of a histogram: bucket i counts what took less than 2**i microseconds, and at least
half of that. So many need no look at the length: nothing takes 300,000 years."""

SIZE_BUCKETS: Final = 64
"""Likewise of sizes: no axis is longer than 2**63."""


class Histogram:
    """Durations, counted by powers of two of a microsecond."""

    __slots__ = ("counts", "sum_ms")

    def __init__(self) -> None:
        self.counts = [0] * BUCKETS
        self.sum_ms = 0.0

    def observe(self, duration_ms: float) -> None:
        """Count one duration, in milliseconds."""
        self.counts[int(duration_ms * 1000.0).bit_length()] += 1
        self.sum_ms += duration_ms

    @property
    def total(self) -> int:
        """How many durations were counted."""
        return sum(self.counts)

    def bounds_s(self) -> list[float]:
        """The upper bound of each bucket but the last, in seconds."""
        return [2.0**i / 1e6 for i in range(BUCKETS - 1)]

    def add(self, other: Histogram) -> None:
        """Add what another histogram counted."""
        if not any(other.counts):  # as of most steps of a thousand pipelines, at each look
            return
        self.counts = [a + b for a, b in zip(self.counts, other.counts, strict=True)]
        self.sum_ms += other.sum_ms


def _bump(counts: dict[str, int], word: str) -> None:
    counts[word] = counts.get(word, 0) + 1


def _merge(counts: dict[str, int], other: dict[str, int]) -> None:
    for word, count in other.items():
        counts[word] = counts.get(word, 0) + count


class Sizes:
    """Numbers of rows, counted by powers of two: bucket i counts what is at most 2**i, and more
    than half of that."""

    __slots__ = ("counts", "sum")

    def __init__(self) -> None:
        self.counts = [0] * SIZE_BUCKETS
        self.sum = 0

    def observe(self, size: int) -> None:
        """Count one size."""
        self.counts[max(0, size - 1).bit_length()] += 1
        self.sum += size


class StepCounters:
    """One step and the model it calls.

    ``calls`` times every attempt, ``batches`` has the rows of the calls of a step with ``batch``,
    ``failures`` are visits that failed by themselves by code, ``skips`` visits that were skipped by
    cause, ``dropped`` values that came to a turn of a loop after the first of their round.
    ``recent`` are the latest times, where a pipeline asks for them.
    """

    __slots__ = (
        "batches",
        "calls",
        "dropped",
        "failures",
        "model",
        "recent",
        "retries",
        "skips",
        "step",
    )

    def __init__(self, step: str, model: str) -> None:
        self.step = step
        self.model = model
        self.calls = Histogram()
        self.batches: Sizes | None = None
        self.failures: dict[str, int] = {}
        self.skips: dict[str, int] = {}
        self.retries = 0
        self.dropped = 0
        self.recent: RecentTimes | None = None

    def count_call(self, took_ms: float) -> None:
        """Count the time of an attempt where somebody wants to know what is usual."""
        self.calls.observe(took_ms)
        self.note_time(took_ms)

    def note_time(self, took_ms: float) -> None:
        """Remember how long an attempt took, or when it was given up."""
        if self.recent is not None:
            self.recent.add(took_ms)


class PipelineCounters:
    """One pipeline over all its versions, or one model as it is called on its own.

    ``answers`` counts by code (``ok`` for an answer); ``latency`` is from intake to answer;
    ``in_flight`` are requests of which anything is under way.
    """

    __slots__ = ("answers", "dead_letters", "in_flight", "latency", "name", "single_model", "steps")

    def __init__(self, name: str, *, single_model: bool) -> None:
        self.name = name
        self.single_model = single_model
        self.answers: dict[str, int] = {}
        self.dead_letters = 0
        self.in_flight = 0
        self.latency = Histogram()
        self.steps: dict[tuple[str, str], StepCounters] = {}


class PlanTally:
    """Where one plan's passages count: the counters of its pipeline, by index of the step.

    ``observe`` has for each step what counts the time of a call.
    """

    __slots__ = ("_rest", "counters", "observe", "steps")

    def __init__(self, counters: PipelineCounters, plan: Plan) -> None:
        self.counters = counters
        self.steps: list[StepCounters] = []
        for step in plan.steps:
            known = counters.steps.get((step.name, step.model))
            if known is None:
                known = counters.steps[step.name, step.model] = StepCounters(step.name, step.model)
            self.steps.append(known)
        self._rest = plan.rest
        if plan.rest:
            for counted in self.steps:
                counted.recent = counted.recent or RecentTimes()
        self.observe = [step.count_call if plan.rest else step.calls.observe for step in self.steps]

    def rest_ms(self, step: int, left_ms: float) -> float:
        """How much of the ``left_ms`` a step and all that follows from it usually need."""
        return time_for_rest(self._rest, self._usual_ms, step, left_ms)

    def _usual_ms(self, step: int) -> float | None:
        recent = self.steps[step].recent
        return None if recent is None else recent.usual_ms

    def count_skip(self, consumer: int, cause: str) -> None:
        """A step was skipped. A skipped output counts as the answer it leads to."""
        if consumer < len(self.steps):
            _bump(self.steps[consumer].skips, cause)

    def count_failure(self, step: int, code: str) -> None:
        """A visit failed by itself."""
        _bump(self.steps[step].failures, code)

    def count_retry(self, again: Call, failed: Failed) -> None:
        """Another attempt will be made."""
        self.steps[again.plan.index].retries += 1

    def count_batch(self, step: int, rows: int) -> None:
        """A step with ``batch`` made a call of so many rows."""
        counters = self.steps[step]
        if counters.batches is None:
            counters.batches = Sizes()
        counters.batches.observe(rows)

    def count_dropped(self, step: int) -> None:
        """A second value came to a turn of a loop in one round."""
        self.steps[step].dropped += 1

    def count_answer(self, code: str, duration_ms: float) -> None:
        """The request was answered: ``ok``, or the code of the error."""
        counters = self.counters
        answers = counters.answers
        answers[code] = answers.get(code, 0) + 1
        counters.latency.observe(duration_ms)


class ModelCounters:
    """One model over all the steps that call it and the calls it gets on its own."""

    __slots__ = ("calls", "failures")

    def __init__(self) -> None:
        self.calls = Histogram()
        self.failures: dict[str, int] = {}

    def add(self, step: StepCounters) -> None:
        """Add what one step counted."""
        self.calls.add(step.calls)
        _merge(self.failures, step.failures)


class ArmCounters:
    """One arm of an experiment over all its versions: requests by outcome (``ok``, ``failed``),
    and how long all of them took."""

    __slots__ = ("latency", "requests")

    def __init__(self) -> None:
        self.requests: dict[str, int] = {}
        self.latency = Histogram()


class ArmShare(NamedTuple):
    """How much of the requests to an experiment an arm gets, from 0 to 1."""

    experiment: str
    arm: str
    share: float


def _no_shares() -> Iterable[ArmShare]:
    return ()


class Metrics:
    """All counters of a process. Names that go take their counters along, models excepted."""

    __slots__ = (
        "_gone",
        "arms",
        "lag",
        "pipelines",
        "refused",
        "replicas_wanted",
        "shares",
        "unwritten",
    )

    def __init__(self) -> None:
        self.pipelines: dict[tuple[str, bool], PipelineCounters] = {}
        self.refused: dict[str, int] = {}
        """Requests refused before they entered a pipeline, by code."""
        self.unwritten: dict[str, int] = {}
        """Records that could not be written behind answers, by pipeline."""
        self.replicas_wanted: dict[str, int] = {}
        """How many more replicas of a server models wait for, by server; others are left out."""
        self.lag: dict[str, int] = {}
        """How many calls wait in streams, by model; of those that are scaled by their load."""
        self.arms: dict[tuple[str, str], ArmCounters] = {}
        """What became of requests of experiments, by experiment and arm."""
        self.shares: Callable[[], Iterable[ArmShare]] = _no_shares
        """Gives the shares that are in force."""
        self._gone: dict[str, ModelCounters] = {}

    def tally(self, plan: Plan) -> PlanTally:
        """Where passages over ``plan`` count."""
        name = (plan.name, plan.single_model)
        counters = self.pipelines.get(name)
        if counters is None:
            counters = PipelineCounters(plan.name, single_model=plan.single_model)
            self.pipelines[name] = counters
        return PlanTally(counters, plan)

    def refuse(self, code: str) -> None:
        """Count a request that did not enter."""
        _bump(self.refused, code)

    def count_unwritten(self, pipeline: str) -> None:
        """Count a record that could not be written to its stream behind an answer."""
        _bump(self.unwritten, pipeline)

    def count_arm(self, experiment: str, arm: str, took_ms: float, *, failed: bool) -> None:
        """A request that an experiment has sent one way has ended."""
        counters = self.arms.get((experiment, arm))
        if counters is None:
            counters = self.arms[experiment, arm] = ArmCounters()
        _bump(counters.requests, "failed" if failed else "ok")
        counters.latency.observe(took_ms)

    def forget_experiment(self, experiment: str) -> None:
        """An experiment is gone for good."""
        for key in [key for key in self.arms if key[0] == experiment]:
            del self.arms[key]

    def forget(self, name: str, *, single_model: bool) -> None:
        """A pipeline (or a model) is gone for good: keep only what its models did."""
        counters = self.pipelines.pop((name, single_model), None)
        if counters is not None:
            for step in counters.steps.values():
                self._gone.setdefault(step.model, ModelCounters()).add(step)
        if single_model:
            self._gone.pop(name, None)
        else:
            self.unwritten.pop(name, None)

    def calls_of(self, models: AbstractSet[str]) -> dict[str, Histogram]:
        """The times of all calls of these models, added up now; nothing of those without any."""
        added: dict[str, Histogram] = {}
        for counters in self.pipelines.values():
            for step in counters.steps.values():
                if step.model in models:
                    added.setdefault(step.model, Histogram()).add(step.calls)
        for name in models & self._gone.keys():
            added.setdefault(name, Histogram()).add(self._gone[name].calls)
        return added

    def models(self) -> dict[str, ModelCounters]:
        """Each model's counters, added up now."""
        added: dict[str, ModelCounters] = {}
        for name, gone in self._gone.items():
            total = added.setdefault(name, ModelCounters())
            total.calls.add(gone.calls)
            _merge(total.failures, gone.failures)
        for counters in self.pipelines.values():
            for step in counters.steps.values():
                added.setdefault(step.model, ModelCounters()).add(step)
        return added
