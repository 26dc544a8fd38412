"""Penstock: pipelines of models as flows of data that are joined as streams."""

from penstock.core.contracts.join import (
    JoinStrategy,
    JoinView,
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
