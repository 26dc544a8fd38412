"""Penstock: pipelines of models as flows of data that are joined as streams.

The names below are loaded when they are first used, so that the command line starts without numpy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock.core.contracts.join import (
        JoinStrategy,
        JoinView,
        Keep,
        Kept,
        Run,
        Skip,
        SourceState,
        SourceView,
        Wait,
    )
    from penstock.core.inference import InferenceRequest
    from penstock.core.model import CallContext, Context, InvalidRequest, Model, Retriable, Shape
    from penstock.core.plugins import hookimpl

__all__ = [
    "CallContext",
    "Context",
    "InferenceRequest",
    "InvalidRequest",
    "JoinStrategy",
    "JoinView",
    "Keep",
    "Kept",
    "Model",
    "Retriable",
    "Run",
    "Shape",
    "Skip",
    "SourceState",
    "SourceView",
    "Wait",
    "hookimpl",
]

__version__ = "0.1.0"

_JOIN = "penstock.core.contracts.join"
_MODEL = "penstock.core.model"

_HOMES = {
    "CallContext": _MODEL,
    "Context": _MODEL,
    "InferenceRequest": "penstock.core.inference",
    "InvalidRequest": _MODEL,
    "JoinStrategy": _JOIN,
    "JoinView": _JOIN,
    "Keep": _JOIN,
    "Kept": _JOIN,
    "Model": _MODEL,
    "Retriable": _MODEL,
    "Run": _JOIN,
    "Shape": _MODEL,
    "Skip": _JOIN,
    "SourceState": _JOIN,
    "SourceView": _JOIN,
    "Wait": _JOIN,
    "hookimpl": "penstock.core.plugins",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'penstock' has no attribute '{name}'")
    value: object = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
