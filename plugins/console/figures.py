"""The counters of a process as a document; who reads it twice knows what happened in between."""

from __future__ import annotations

from typing import Any

from penstock.core.metrics import Histogram, Metrics, PipelineCounters, StepCounters


def figures_document(metrics: Metrics) -> dict[str, Any]:
    """Every counter since the start of the process."""
    return {
        "pipelines": [_pipeline(each) for each in metrics.pipelines.values()],
        "refused": metrics.refused,
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
