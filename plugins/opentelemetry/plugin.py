"""Registers the observer; the SDK is loaded when there is somewhere that traces shall go to."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Mapping

from penstock.core.contracts.observer import Observer
from penstock.core.metrics import Metrics
from penstock.core.plugins import hookimpl
from penstock.plugins.opentelemetry.options import TracingOptions

penstock_api = 1

try:
    _found = importlib.util.find_spec("opentelemetry.sdk.trace") is not None
except ModuleNotFoundError:
    _found = False
if not _found:
    raise ModuleNotFoundError("No module named 'opentelemetry'", name="opentelemetry")


class IdleObserver(Observer):
    """Nobody says where traces shall go: there are none, and nothing costs anything."""

    def start(self, metrics: Metrics) -> None:
        """There is nothing to start."""


def tracing_observer(options: TracingOptions) -> Observer:
    """The observer that exports traces, or one that does nothing."""
    if not options.is_on(os.environ):
        return IdleObserver()
    from penstock.plugins.opentelemetry.observer import TracingObserver
    from penstock.plugins.opentelemetry.provider import Tracing

    return TracingObserver(Tracing(options))


@hookimpl
def penstock_register_config() -> type[TracingOptions]:
    """The options of this plug-in."""
    return TracingOptions


@hookimpl
def penstock_register_observers() -> Mapping[str, Callable[..., Observer]]:
    """The observer ``opentelemetry``."""
    return {"opentelemetry": tracing_observer}
