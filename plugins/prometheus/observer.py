"""The observer whose page Prometheus reads."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

import penstock
from penstock.core.contracts.observer import Observer
from penstock.core.contracts.page import MergePages, Page, PageContent
from penstock.core.metrics import Metrics
from penstock.plugins.prometheus.exposition import exposition
from penstock.plugins.prometheus.merging import merged_page


class PrometheusObserver(Observer):
    """Shows ``/metrics``: Penstock's own metrics, and those of the process (CPU, memory, open
    files) that every Prometheus client shows."""

    def __init__(self) -> None:
        # A registry of its own: the library's global one would mix two runtimes of one process.
        self._of_process = CollectorRegistry()
        self._metrics: Metrics | None = None

    def start(self, metrics: Metrics) -> None:
        self._metrics = metrics
        ProcessCollector(registry=self._of_process)
        PlatformCollector(registry=self._of_process)

    def pages(self) -> Mapping[str, Page]:
        return {"/metrics": self._page}

    def merges(self) -> Mapping[str, MergePages]:
        return {"/metrics": merged_page}

    def _page(self, path: Mapping[str, str]) -> PageContent:
        assert self._metrics is not None, "pages are asked for after the start"
        own = exposition(self._metrics, penstock.__version__).encode()
        return PageContent(CONTENT_TYPE_PLAIN_0_0_4, own + generate_latest(self._of_process))
