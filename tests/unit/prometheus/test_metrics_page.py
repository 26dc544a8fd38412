"""The page that Prometheus reads."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

import penstock
from penstock.core.engine import Call, Passage
from penstock.core.metrics import ArmShare, Metrics, PlanTally
from penstock.core.plan import Plan
from penstock.core.plan.compiler import compile_pipeline
from penstock.core.plan.single_model import compile_model
from penstock.core.records import Failed
from penstock.core.resources import Pipeline
from penstock.plugins.prometheus.families import COARSE, FAMILIES, FINE
from penstock.plugins.prometheus.observer import PrometheusObserver
from penstock.plugins.prometheus.plugin import penstock_register_observers
from penstock.plugins.prometheus.reference_page import reference_page
from penstock.testing.joins import Joins

DOCS = Path(__file__).parents[3] / "docs/reference/metrics.md"

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def observer(metrics: Metrics) -> PrometheusObserver:
    observer = PrometheusObserver()
    observer.start(metrics)
    return observer


def read(observer: PrometheusObserver) -> Samples:
    page = observer.pages()["/metrics"]({})
    assert page.media_type.startswith("text/plain")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page.body.decode())
        for sample in family.samples
    }


def own(samples: Samples) -> Samples:
    return {key: value for key, value in samples.items() if key[0].startswith("penstock_")}


def labels(**labels: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(labels.items()))


def plan(name: str) -> Plan:
    manifest = Pipeline.model_validate(
        {
            "metadata": {"name": name},
            "spec": {"steps": [{"name": "s", "model": "m"}], "output": {"steps": ["s"]}},
        }
    )
    return compile_pipeline(manifest, 1, Joins(), record="none")


def pipeline(metrics: Metrics, name: str = "p") -> PlanTally:
    return metrics.tally(plan(name))


def second_attempt() -> Call:
    of = plan("p")
    return Call(Passage(of, "request", 0.0, 1.0), of.steps[0], (), 1.0, 2, 0.0)


def test_an_idle_process_says_what_it_is(observer: PrometheusObserver) -> None:
    samples = read(observer)
    build = ("penstock_build_info", labels(version=penstock.__version__))
    assert own(samples) == {build: 1.0}
    assert ("process_resident_memory_bytes", ()) in samples


def test_requests_of_a_pipeline(metrics: Metrics, observer: PrometheusObserver) -> None:
    tally = pipeline(metrics)
    tally.count_answer("ok", 3.0)
    tally.count_answer("ok", 5.0)
    tally.count_answer("deadline", 0.5)
    tally.counters.in_flight = 2
    tally.counters.dead_letters = 1

    samples = read(observer)

    def sample(name: str, **more: str) -> float:
        return samples[f"penstock_pipeline_{name}", labels(pipeline="p", **more)]

    assert sample("requests_total", code="ok") == 2
    assert sample("requests_total", code="deadline") == 1
    assert sample("requests_in_flight") == 2
    assert sample("dead_letters_total") == 1
    assert sample("request_seconds_count") == 3
    assert sample("request_seconds_sum") == pytest.approx(0.0085)
    assert sample("request_seconds_bucket", le="+Inf") == 3
    buckets = {
        float(dict(key)["le"]): value
        for (name, key), value in samples.items()
        if name == "penstock_pipeline_request_seconds_bucket"
    }
    assert len(buckets) == len(FINE) + 1
    assert {bound: count for bound, count in buckets.items() if 0.0004 < bound < 0.01} == {
        0.000512: 1,
        0.001024: 1,
        0.002048: 1,
        0.004096: 2,
        0.008192: 3,
    }


def test_steps_and_their_models(metrics: Metrics, observer: PrometheusObserver) -> None:
    tally = pipeline(metrics)
    tally.steps[0].calls.observe(1.0)
    tally.count_skip(0, "absent")
    tally.count_failure(0, "step-failed")
    tally.count_retry(second_attempt(), Failed("deadline", "late"))
    other = pipeline(metrics, "q")
    other.steps[0].calls.observe(2.0)

    samples = read(observer)

    step = {"pipeline": "p", "step": "s", "model": "m"}
    assert samples["penstock_step_call_seconds_count", labels(**step)] == 1
    assert samples["penstock_step_skipped_total", labels(cause="absent", **step)] == 1
    assert samples["penstock_step_failures_total", labels(code="step-failed", **step)] == 1
    assert samples["penstock_step_retries_total", labels(**step)] == 1
    assert samples["penstock_model_call_seconds_count", labels(model="m")] == 2
    assert samples["penstock_model_call_seconds_sum", labels(model="m")] == pytest.approx(0.003)
    assert samples["penstock_model_failures_total", labels(model="m", code="step-failed")] == 1
    buckets = [key for key in samples if key[0] == "penstock_step_call_seconds_bucket"]
    assert len(buckets) == 2 * (len(COARSE) + 1)


def test_a_model_on_its_own_is_no_pipeline(metrics: Metrics, observer: PrometheusObserver) -> None:
    tally = metrics.tally(compile_model("m", 1, Joins()))
    tally.count_answer("ok", 1.0)
    tally.steps[0].calls.observe(0.9)

    samples = read(observer)

    assert samples["penstock_model_requests_total", labels(model="m", code="ok")] == 1
    assert samples["penstock_model_request_seconds_count", labels(model="m")] == 1
    assert samples["penstock_model_call_seconds_count", labels(model="m")] == 1
    assert not any(name.startswith("penstock_pipeline") for name, _ in samples)


def test_what_is_not_let_in_is_counted(metrics: Metrics, observer: PrometheusObserver) -> None:
    metrics.refuse("overloaded")
    samples = read(observer)
    assert samples["penstock_requests_refused_total", labels(code="overloaded")] == 1


def test_a_plug_in_s_words_cannot_break_the_page(
    metrics: Metrics, observer: PrometheusObserver
) -> None:
    cause = 'a "quoted"\nword\\'
    pipeline(metrics).count_skip(0, cause)
    samples = read(observer)
    step = {"pipeline": "p", "step": "s", "model": "m"}
    assert samples["penstock_step_skipped_total", labels(cause=cause, **step)] == 1


def test_rows_of_calls_that_are_batched(metrics: Metrics, observer: PrometheusObserver) -> None:
    tally = pipeline(metrics)
    for rows in (0, 1, 2, 3, 32, 33, 1 << 40):
        tally.count_batch(0, rows)
    samples = read(observer)
    step = {"pipeline": "p", "step": "s", "model": "m"}
    name = "penstock_step_batch_rows"
    below = {le: samples[f"{name}_bucket", labels(le=le, **step)] for le in ("1", "2", "4", "32")}
    assert below == {"1": 2, "2": 3, "4": 4, "32": 5}
    assert samples[f"{name}_bucket", labels(le="4096", **step)] == 6
    assert samples[f"{name}_count", labels(**step)] == 7
    assert samples[f"{name}_sum", labels(**step)] == 71 + (1 << 40)


def test_every_family_says_what_it_is(observer: PrometheusObserver) -> None:
    body = observer.pages()["/metrics"]({}).body
    for family in FAMILIES:
        kind = "gauge" if family.kind == "info" else family.kind
        assert f"# TYPE {family.sample_name} {kind}\n" in body.decode()


def test_what_took_longer_than_every_bucket_is_counted(
    metrics: Metrics, observer: PrometheusObserver
) -> None:
    pipeline(metrics).count_answer("ok", 1e9)
    samples = read(observer)
    name = "penstock_pipeline_request_seconds_bucket"
    assert samples[name, labels(pipeline="p", le="+Inf")] == 1
    assert samples[name, labels(pipeline="p", le="67.108864")] == 0


def test_every_metric_has_a_name_of_its_own() -> None:
    names = [family.sample_name for family in FAMILIES]
    assert len(set(names)) == len(names)


def test_the_plug_in_registers_it() -> None:
    (name, factory), *others = penstock_register_observers().items()
    assert (name, others) == ("prometheus", [])
    assert isinstance(factory(), PrometheusObserver)


def test_the_page_of_the_documentation_is_fresh() -> None:
    assert DOCS.read_text(encoding="utf-8") == reference_page(), (
        "run: python -m penstock.plugins.prometheus.reference_page docs/reference/metrics.md"
    )


def test_arms_of_experiments_have_requests_latencies_and_shares(
    metrics: Metrics, observer: PrometheusObserver
) -> None:
    metrics.count_arm("trial", "new", 1.5, failed=False)
    metrics.count_arm("trial", "new", 2.5, failed=True)
    metrics.shares = lambda: [ArmShare("trial", "old", 0.75), ArmShare("trial", "new", 0.25)]
    samples = read(observer)
    name = "penstock_experiment_requests_total"
    for outcome in ("ok", "failed"):
        assert samples[name, labels(experiment="trial", arm="new", outcome=outcome)] == 1.0
    arm = labels(experiment="trial", arm="new")
    assert samples["penstock_experiment_request_seconds_count", arm] == 2.0
    assert samples["penstock_experiment_request_seconds_sum", arm] == pytest.approx(0.004)
    assert samples["penstock_experiment_share", arm] == 0.25
