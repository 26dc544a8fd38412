"""Pages of several processes as one."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from penstock.core.contracts.page import PageContent
from penstock.core.metrics import Metrics
from penstock.core.plan.single_model import compile_model
from penstock.plugins.prometheus.merging import merged_page
from penstock.plugins.prometheus.observer import PrometheusObserver
from penstock.testing.joins import Joins


def page(*models: str) -> PageContent:
    metrics = Metrics()
    for model in models:
        tally = metrics.tally(compile_model(model, 1, Joins()))
        tally.count_answer("ok", 3.0)
    metrics.refuse("overloaded")
    observer = PrometheusObserver()
    observer.start(metrics)
    return observer.pages()["/metrics"]({})


def test_every_sample_of_every_page_is_there_and_says_whose_it_is() -> None:
    pages = {"1": page("m"), "2": page("m", 'odd"name'), "scheduler": page()}
    merged = merged_page(pages)
    assert merged.media_type == pages["1"].media_type
    whole = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(merged.body.decode())
        for sample in family.samples
    }
    single = {
        (sample.name, tuple(sorted({**sample.labels, "worker": name}.items()))): sample.value
        for name, each in pages.items()
        for family in text_string_to_metric_families(each.body.decode())
        for sample in family.samples
    }
    assert whole == single
    assert whole["penstock_model_requests_total", _labels("2", "m")] == 1.0


def test_what_is_said_of_a_family_stands_once_and_its_samples_together() -> None:
    text = merged_page({"1": page("m"), "2": page("n")}).body.decode()
    lines = text.splitlines()
    assert len({line for line in lines if line.startswith("#")}) == sum(
        line.startswith("#") for line in lines
    )
    at = [i for i, line in enumerate(lines) if line.startswith("penstock_model_requests_total{")]
    assert at == list(range(at[0], at[0] + 2))


def test_the_observer_says_which_page_is_merged() -> None:
    assert PrometheusObserver().merges() == {"/metrics": merged_page}


def _labels(worker: str, model: str) -> tuple[tuple[str, str], ...]:
    return (("code", "ok"), ("model", model), ("worker", worker))
