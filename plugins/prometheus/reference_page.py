"""Makes ``docs/reference/metrics.md`` from the table of metrics.

``python -m penstock.plugins.prometheus.reference_page FILE`` writes it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from penstock.plugins.prometheus.families import FAMILIES, Family

_HEAD: Final = """\
# Metrics

`GET /metrics` on the REST address answers in Prometheus' text format. The counters behind it are
kept all the time and turned into metrics when they are read, so a scrape is all that they cost.

What never happened has no sample yet. A deleted pipeline takes its samples along. `code` is `ok`
or one of the [error codes](errors.md), `cause` a word such as `absent` or `join-expired`.

| metric | kind | labels | what it counts |
|---|---|---|---|
"""

_FOOT: Final = """
Where [several workers](../how-to/workers.md) serve, the page is theirs put together. Each sample
has the label `worker`: a number, or `scheduler` for the process that was started.

Histograms have buckets from 16 µs to 67 s, each twice as wide as the one before; those of steps, of
which there are many, from 64 µs and four times as wide.

Beside these stand `process_*` (CPU, memory, open files) and `python_info`, as every Prometheus
client for Python shows them.

## Questions and queries

Requests per second of each pipeline:

    sum by (pipeline) (rate(penstock_pipeline_requests_total[1m]))

The share of them that fails:

    sum by (pipeline) (rate(penstock_pipeline_requests_total{code!="ok"}[5m]))
      / sum by (pipeline) (rate(penstock_pipeline_requests_total[5m]))

The 99th percentile of each pipeline:

    histogram_quantile(0.99,
      sum by (pipeline, le) (rate(penstock_pipeline_request_seconds_bucket[5m])))

The steps whose calls take longest:

    topk(3, rate(penstock_step_call_seconds_sum[5m]) / rate(penstock_step_call_seconds_count[5m]))

How often a route is not taken:

    rate(penstock_step_skipped_total[5m])

Whether the process is full:

    rate(penstock_requests_refused_total{code="overloaded"}[1m]) > 0

This page is made from the code: `python -m penstock.plugins.prometheus.reference_page FILE`.
"""


def reference_page() -> str:
    """The page."""
    return _HEAD + "".join(map(_row, FAMILIES)) + _FOOT


def _row(family: Family) -> str:
    labels = ", ".join(f"`{label}`" for label in family.labels)
    return f"| `{family.sample_name}` | {family.kind} | {labels} | {family.text} |\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(reference_page(), encoding="utf-8")
