"""The counters of a process as a document; who reads it twice knows what happened in between."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from typing import Any, Final, TypeAlias

from penstock.core.metrics import Histogram, Metrics, PipelineCounters, StepCounters


def figures_document(metrics: Metrics) -> dict[str, Any]:
    """Every counter since the start of the process."""
    return {
        "pipelines": [_pipeline(each) for each in metrics.pipelines.values()],
        "refused": metrics.refused,
    }


def merged_figures(documents: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What several processes have counted, added up."""
    return {
        "pipelines": _added(documents, "pipelines", ("name", "kind"), _PIPELINE),
        "refused": _sum([each["refused"] for each in documents]),
    }


def _added(
    documents: Sequence[dict[str, Any]],
    under: str,
    names: Sequence[str],
    kinds: Mapping[str, Add],
) -> list[dict[str, Any]]:
    """The entries under a key, those with the same names added up."""
    same: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for document in documents:
        for entry in document[under]:
            same.setdefault(tuple(entry[name] for name in names), []).append(entry)
    return [
        {
            **dict(zip(names, name, strict=True)),
            **{key: add([entry[key] for entry in entries]) for key, add in kinds.items()},
        }
        | (
            {"steps": _added(entries, "steps", ("step", "model"), _STEP)}
            if "steps" in entries[0]
            else {}
        )
        for name, entries in same.items()
    ]


def _sum(counts: Sequence[dict[str, int]]) -> dict[str, int]:
    """Counts by word."""
    words = dict.fromkeys(word for each in counts for word in each)
    return {word: sum(each.get(word, 0) for each in counts) for word in words}


def _sum_of_buckets(counts: Sequence[list[int]]) -> list[int]:
    """Counts by place."""
    return [sum(each) for each in zip_longest(*counts, fillvalue=0)]


Add: TypeAlias = Callable[[Any], Any]

_PIPELINE: Final[Mapping[str, Add]] = {
    "answers": _sum,
    "in_flight": sum,
    "dead_letters": sum,
    "latency": _sum_of_buckets,
}
_STEP: Final[Mapping[str, Add]] = {
    "calls": _sum_of_buckets,
    "failures": _sum,
    "skips": _sum,
    "retries": sum,
    "dropped": sum,
}


def _pipeline(counters: PipelineCounters) -> dict[str, Any]:
    return {
        "name": counters.name,
        "kind": "model" if counters.single_model else "pipeline",
        "answers": counters.answers,
        "in_flight": counters.in_flight,
        "dead_letters": counters.dead_letters,
        "latency": _histogram(counters.latency),
        "steps": [_step(each) for each in counters.steps.values()],
    }


def _step(counters: StepCounters) -> dict[str, Any]:
    return {
        "step": counters.step,
        "model": counters.model,
        "calls": _histogram(counters.calls),
        "failures": counters.failures,
        "skips": counters.skips,
        "retries": counters.retries,
        "dropped": counters.dropped,
    }


def _histogram(histogram: Histogram) -> list[int]:
    """Counts by powers of two of a microsecond, up to the last that is not 0."""
    counts = histogram.counts
    length = next((i for i in range(len(counts), 0, -1) if counts[i - 1]), 0)
    return counts[:length]
