"""Figures of several processes, added up."""

from __future__ import annotations

import orjson

from penstock.core.contracts.page import PageContent
from penstock.core.metrics import Metrics
from penstock.core.plan.single_model import compile_model
from penstock.plugins.console.figures import figures_document, merged_figures
from penstock.plugins.console.observer import ConsoleObserver
from penstock.plugins.console.options import ConsoleOptions
from penstock.testing.joins import Joins


def counted(*models: str, took_ms: float = 3.0) -> Metrics:
    metrics = Metrics()
    for model in models:
        tally = metrics.tally(compile_model(model, 1, Joins()))
        tally.count_answer("ok", took_ms)
        tally.observe[0](took_ms)
        tally.count_failure(0, "step-failed")
    metrics.refuse("overloaded")
    return metrics


def test_one_process_is_as_it_is() -> None:
    document = figures_document(counted("m", "n"))
    assert merged_figures([document]) == document


def test_counts_are_added_by_name() -> None:
    both = merged_figures(
        [
            figures_document(counted("m", took_ms=3.0)),
            figures_document(counted("m", "n", took_ms=9.0)),
        ]
    )
    assert both["refused"] == {"overloaded": 2}
    m, n = both["pipelines"]
    assert (m["name"], m["answers"]) == ("m", {"ok": 2})
    assert (n["name"], n["answers"]) == ("n", {"ok": 1})
    assert sum(m["latency"]) == 2
    assert len(m["latency"]) == len(n["latency"])
    [step] = m["steps"]
    assert (sum(step["calls"]), step["failures"]) == (2, {"step-failed": 2})


def test_the_page_of_figures_is_merged() -> None:
    observer = ConsoleObserver(ConsoleOptions())
    observer.start(counted("m"))
    [(path, merge)] = observer.merges().items()
    page = observer.pages()[path]({})
    merged = merge({"1": page, "2": PageContent("application/json", page.body)})
    assert orjson.loads(merged.body)["refused"] == {"overloaded": 2}
    assert merged.headers == page.headers
