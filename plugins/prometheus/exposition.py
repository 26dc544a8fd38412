"""Writes the counters of a process in Prometheus' text format, version 0.0.4.

Format: https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format. It is
written here and not by prometheus_client because a page is made on the event loop: over a thousand
busy pipelines the library takes seven tenths of a second, in which nobody is served.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from penstock.core.metrics import Histogram, Metrics, PipelineCounters, Sizes
from penstock.plugins.prometheus import families
from penstock.plugins.prometheus.families import COARSE, FAMILIES, FINE, SIZES, Family

_BOUNDS: Final = [repr(bound) for bound in Histogram().bounds_s()]

_ESCAPES: Final = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


def exposition(metrics: Metrics, version: str) -> str:
    """The page for ``metrics`` as they are now, every family in the order of the table.

    What never happened has no sample, so that a thousand idle pipelines cost a reader nothing.
    """
    page = _Page()
    page.write(families.BUILD, (version,), 1)
    for counters in metrics.pipelines.values():
        if counters.single_model:
            page.write_model_requests(counters)
        else:
            page.write_pipeline(counters)
    for name, model in metrics.models().items():
        page.write_histogram(families.MODEL_SECONDS, (name,), model.calls, FINE)
        page.write_each(families.MODEL_FAILURES, (name,), model.failures)
    page.write_each(families.REFUSED, (), metrics.refused)
    page.write_each(families.UNWRITTEN, (), metrics.unwritten)
    page.write_each(families.REPLICAS_WANTED, (), metrics.replicas_wanted)
    page.write_each(families.LAG, (), metrics.lag)
    for key, arm in metrics.arms.items():
        page.write_each(families.ARM_REQUESTS, key, arm.requests)
        page.write_histogram(families.ARM_SECONDS, key, arm.latency, FINE)
    for each in metrics.shares():
        page.write(families.ARM_SHARE, (each.experiment, each.arm), each.share)
    return page.text()


class _Page:
    """The samples of each family, one line each."""

    def __init__(self) -> None:
        self._lines: dict[Family, list[str]] = {family: [] for family in FAMILIES}

    def text(self) -> str:
        blocks = []
        for family, lines in self._lines.items():
            name = family.sample_name
            kind = "gauge" if family.kind == "info" else family.kind
            blocks.append(f"# HELP {name} {family.text}\n# TYPE {name} {kind}\n")
            blocks += lines
        return "".join(blocks)

    def write_pipeline(self, counters: PipelineCounters) -> None:
        name = counters.name
        self.write_each(families.PIPELINE_REQUESTS, (name,), counters.answers)
        self.write_histogram(families.PIPELINE_SECONDS, (name,), counters.latency, FINE)
        self.write(families.PIPELINE_IN_FLIGHT, (name,), counters.in_flight)
        if counters.dead_letters:
            self.write(families.PIPELINE_DEAD_LETTERS, (name,), counters.dead_letters)
        for step in counters.steps.values():
            labels = (name, step.step, step.model)
            self.write_histogram(families.STEP_SECONDS, labels, step.calls, COARSE)
            self.write_each(families.STEP_FAILURES, labels, step.failures)
            self.write_each(families.STEP_SKIPPED, labels, step.skips)
            if step.batches is not None:
                self.write_sizes(families.STEP_BATCH_ROWS, labels, step.batches)
            if step.retries:
                self.write(families.STEP_RETRIES, labels, step.retries)
            if step.dropped:
                self.write(families.STEP_DROPPED, labels, step.dropped)

    def write_model_requests(self, counters: PipelineCounters) -> None:
        name = counters.name
        self.write_each(families.MODEL_REQUESTS, (name,), counters.answers)
        self.write_histogram(families.MODEL_REQUEST_SECONDS, (name,), counters.latency, FINE)
        self.write(families.MODEL_IN_FLIGHT, (name,), counters.in_flight)

    def write(self, family: Family, labels: tuple[str, ...], value: float) -> None:
        line = f"{family.sample_name}{{{_labels(family, labels)}}} {value}\n"
        self._lines[family].append(line)

    def write_each(
        self, family: Family, labels: tuple[str, ...], counts: Mapping[str, int]
    ) -> None:
        """One sample for each word, which is the last label."""
        for word, count in counts.items():
            self.write(family, (*labels, word), count)

    def write_histogram(
        self, family: Family, labels: tuple[str, ...], histogram: Histogram, wanted: range
    ) -> None:
        """The buckets whose indexes are ``wanted``, each holding all that took less."""
        if any(histogram.counts):
            bounds = {index: _BOUNDS[index] for index in wanted}
            total_s = repr(histogram.sum_ms / 1000.0)
            self._write_buckets(family, labels, histogram.counts, bounds, total_s)

    def write_sizes(self, family: Family, labels: tuple[str, ...], sizes: Sizes) -> None:
        """Each bucket holding all that were at most as large."""
        bounds = {index: str(2**index) for index in SIZES}
        self._write_buckets(family, labels, sizes.counts, bounds, str(sizes.sum))

    def _write_buckets(
        self,
        family: Family,
        labels: tuple[str, ...],
        counts: Sequence[int],
        bounds: Mapping[int, str],
        sum_text: str,
    ) -> None:
        lines = self._lines[family]
        name, written = family.name, _labels(family, labels)
        total, taken = 0, 0
        for index, bound in bounds.items():
            total += sum(counts[taken : index + 1])
            taken = index + 1
            lines.append(f'{name}_bucket{{{written},le="{bound}"}} {total}\n')
        total += sum(counts[taken:])
        lines.append(
            f'{name}_bucket{{{written},le="+Inf"}} {total}\n'
            f"{name}_count{{{written}}} {total}\n"
            f"{name}_sum{{{written}}} {sum_text}\n"
        )


def _labels(family: Family, values: tuple[str, ...]) -> str:
    pairs = zip(family.labels, values, strict=True)
    return ",".join([f'{name}="{value.translate(_ESCAPES)}"' for name, value in pairs])
