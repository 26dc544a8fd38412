"""The table of all metrics: names, kinds, labels, and what each counts.

``docs/reference/metrics.md`` is made from it. Names and labels are an interface: dashboards and
alerts rely on them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True, slots=True)
class Family:
    """One metric. A counter's name is without the ``_total`` that its samples end in."""

    name: str
    kind: Literal["counter", "gauge", "histogram", "info"]
    labels: tuple[str, ...]
    text: str

    @property
    def sample_name(self) -> str:
        """The name that queries use."""
        suffix = {"counter": "_total", "info": "_info"}.get(self.kind, "")
        return self.name + suffix


FINE: Final = range(4, 27)
"""Buckets from 16 µs to 67 s, each twice as wide as the one before."""

COARSE: Final = range(6, 27, 2)
"""Buckets from 64 µs to 67 s, each four times as wide: for the steps, of which there are many."""

SIZES: Final = range(13)
"""Buckets up to 4,096 rows, each twice as wide as the one before."""

BUILD = Family("penstock_build", "info", ("version",), "Which Penstock this is; always 1.")

PIPELINE_REQUESTS = Family(
    "penstock_pipeline_requests",
    "counter",
    ("pipeline", "code"),
    "Requests answered, by code: ok, or the code of the error. Those of other Kafka clients are "
    "counted by the workers that answer them.",
)
PIPELINE_SECONDS = Family(
    "penstock_pipeline_request_seconds",
    "histogram",
    ("pipeline",),
    "From intake to answer, in seconds.",
)
PIPELINE_IN_FLIGHT = Family(
    "penstock_pipeline_requests_in_flight",
    "gauge",
    ("pipeline",),
    "Requests of which anything is under way, answered ones with work left over included.",
)
PIPELINE_DEAD_LETTERS = Family(
    "penstock_pipeline_dead_letters",
    "counter",
    ("pipeline",),
    "Failures that no caller could be told of.",
)
STEP_SECONDS = Family(
    "penstock_step_call_seconds",
    "histogram",
    ("pipeline", "step", "model"),
    "Calls of a step's model, each attempt on its own, in seconds.",
)
STEP_BATCH_ROWS = Family(
    "penstock_step_batch_rows",
    "histogram",
    ("pipeline", "step", "model"),
    "Rows of the calls of a step with batch, whether visits share them or not.",
)
STEP_FAILURES = Family(
    "penstock_step_failures",
    "counter",
    ("pipeline", "step", "model", "code"),
    "Visits that failed by themselves after their retries, by code.",
)
STEP_SKIPPED = Family(
    "penstock_step_skipped",
    "counter",
    ("pipeline", "step", "model", "cause"),
    "Visits that were skipped, by cause.",
)
STEP_RETRIES = Family(
    "penstock_step_retries",
    "counter",
    ("pipeline", "step", "model"),
    "Attempts after the first one.",
)
STEP_DROPPED = Family(
    "penstock_step_dropped",
    "counter",
    ("pipeline", "step", "model"),
    "Values that came to a turn of a loop after the first of their round.",
)
MODEL_REQUESTS = Family(
    "penstock_model_requests",
    "counter",
    ("model", "code"),
    "Requests to a model on its own, by code: ok, or the code of the error.",
)
MODEL_REQUEST_SECONDS = Family(
    "penstock_model_request_seconds",
    "histogram",
    ("model",),
    "Requests to a model on its own, from intake to answer, in seconds.",
)
MODEL_IN_FLIGHT = Family(
    "penstock_model_requests_in_flight",
    "gauge",
    ("model",),
    "Requests to a model on its own that are under way.",
)
MODEL_SECONDS = Family(
    "penstock_model_call_seconds",
    "histogram",
    ("model",),
    "All calls of a model, those of steps and those on its own, each attempt, in seconds.",
)
MODEL_FAILURES = Family(
    "penstock_model_failures",
    "counter",
    ("model", "code"),
    "Visits of a model that failed after their retries, by code.",
)
REFUSED = Family(
    "penstock_requests_refused",
    "counter",
    ("code",),
    "Requests that were not let in, by code: overloaded, not-ready, ...",
)
UNWRITTEN = Family(
    "penstock_records_unwritten",
    "counter",
    ("pipeline",),
    "Records of answered requests that could not be written to their streams (layout direct).",
)
REPLICAS_WANTED = Family(
    "penstock_server_replicas_wanted",
    "gauge",
    ("server",),
    "How many more replicas it takes at least to hold the models that fit nowhere.",
)
LAG = Family(
    "penstock_model_lag",
    "gauge",
    ("model",),
    "Calls that can be expected of what waits in streams, of models that are scaled by their load.",
)
ARM_REQUESTS = Family(
    "penstock_experiment_requests",
    "counter",
    ("experiment", "arm", "outcome"),
    "Requests that an experiment has sent to one of its arms, by outcome: ok or failed.",
)
ARM_SECONDS = Family(
    "penstock_experiment_request_seconds",
    "histogram",
    ("experiment", "arm"),
    "How long they took, in seconds.",
)
ARM_SHARE = Family(
    "penstock_experiment_share",
    "gauge",
    ("experiment", "arm"),
    "How much of the requests an arm gets by the weights in force, from 0 to 1.",
)

FAMILIES: Final = (
    BUILD,
    PIPELINE_REQUESTS,
    PIPELINE_SECONDS,
    PIPELINE_IN_FLIGHT,
    PIPELINE_DEAD_LETTERS,
    STEP_SECONDS,
    STEP_BATCH_ROWS,
    STEP_FAILURES,
    STEP_SKIPPED,
    STEP_RETRIES,
    STEP_DROPPED,
    MODEL_REQUESTS,
    MODEL_REQUEST_SECONDS,
    MODEL_IN_FLIGHT,
    MODEL_SECONDS,
    MODEL_FAILURES,
    REFUSED,
    UNWRITTEN,
    REPLICAS_WANTED,
    LAG,
    ARM_REQUESTS,
    ARM_SECONDS,
    ARM_SHARE,
)
"""Every metric, in the order of the page."""
