"""Registers the observer; the SDK is loaded when there is somewhere that traces shall go to."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Mapping
from importlib.metadata import version

from penstock.core.contracts.observer import Observer
from penstock.core.errors import InvalidRequestError
from penstock.core.metrics import Metrics
from penstock.core.plugins import hookimpl
from penstock.plugins.opentelemetry.options import TracingOptions

penstock_api = 1

_PROTO = "opentelemetry-proto"

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

    try:
        return TracingObserver(Tracing(options))
    except ImportError as error:
        if not (error.name or "").startswith("opentelemetry.proto"):
            raise
        raise InvalidRequestError(
            f"traces cannot be exported, for files of {_PROTO} are not its own ({error}); "
            "xds-protos, of the extra envoy, has others of the same names. Put them right with: "
            f"pip install --force-reinstall --no-deps {_PROTO}=={version(_PROTO)}"
        ) from error


@hookimpl
def penstock_register_config() -> type[TracingOptions]:
    """The options of this plug-in."""
    return TracingOptions


@hookimpl
def penstock_register_observers() -> Mapping[str, Callable[..., Observer]]:
    """The observer ``opentelemetry``."""
    return {"opentelemetry": tracing_observer}
