"""Registers the observer, and loads prometheus_client when it is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from penstock.core.contracts.observer import Observer
from penstock.core.plugins import hookimpl

penstock_api = 1


def prometheus_observer() -> Observer:
    """The observer with the page ``/metrics``."""
    from penstock.plugins.prometheus.observer import PrometheusObserver

    return PrometheusObserver()


@hookimpl
def penstock_register_observers() -> Mapping[str, Callable[..., Observer]]:
    """The observer ``prometheus``."""
    return {"prometheus": prometheus_observer}
