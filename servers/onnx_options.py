"""What a manifest may say under ``parameters`` of a model in ONNX."""

from __future__ import annotations

import os
from typing import Final, Literal

from pydantic import Field

from penstock.core.config import Section
from penstock.core.config.parameters import options_of_parameters
from penstock.core.contracts.model import ModelSpec

MOST_THREADS: Final = 4
"""Of one model by default. More help only large models, which can say so."""


class OnnxOptions(Section):
    """How ONNX Runtime runs one model."""

    providers: tuple[str, ...] = Field(
        default=("CPUExecutionProvider",),
        min_length=1,
        description="Execution providers of ONNX Runtime, the preferred first.",
    )
    intra_op_threads: int | None = Field(
        default=None,
        ge=1,
        le=1024,
        description="Threads within one operation; by default half of the cores, at most 4.",
    )
    inter_op_threads: int = Field(
        default=1, ge=1, le=1024, description="Operations of one call that run side by side."
    )
    graph_optimization: Literal["none", "basic", "extended", "all"] = Field(
        default="all", description="How far the graph is optimised at load."
    )
    outputs: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="The outputs to compute; all without it."
    )


def options_of(spec: ModelSpec) -> OnnxOptions:
    """The options that the parameters of a model say; raises InvalidRequestError."""
    return options_of_parameters(OnnxOptions, spec.parameters, "models in ONNX")


def default_threads() -> int:
    """Half of the cores that this process may use, within 1 and MOST_THREADS: the others are left
    to the models beside it, and to the event loop."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(MOST_THREADS, (cores or 1) // 2))
