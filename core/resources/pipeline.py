"""A pipeline: a named graph of steps, with an optional input section and output section."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from penstock.core.resources.dataflow import PipelineDataflow
from penstock.core.resources.join_field import INNER, JoinField
from penstock.core.resources.manifest import Manifest
from penstock.core.resources.step import Step
from penstock.core.resources.value import (
    AutoWindow,
    Count,
    Flag,
    PositiveCount,
    PositiveMilliseconds,
    Text,
    Value,
    Window,
)


class PipelineInput(Value):
    """The ``input`` section: what a pipeline reads of others, and how its requests are taken up.

    ``deadline_ms`` is that of asynchronous requests, None for the configured one. ``key`` names a
    header (what begins with ``x-``) or an input tensor, where each request has its key.
    """

    external_inputs: tuple[str, ...] = ()
    external_triggers: tuple[str, ...] = ()
    join_type: JoinField = INNER
    triggers_join_type: JoinField = INNER
    join_window_ms: Window = None
    tensor_map: Mapping[str, Text] = Field(default_factory=dict)
    key: Text | None = None
    match: Literal["identity", "key"] = "identity"
    deadline_ms: PositiveMilliseconds | None = None


class Output(Value):
    """The ``output`` section: the references in ``steps``, joined by ``steps_join``.

    ``order`` keeps the order of the inputs, and ``max_held`` bounds the answers held back for it
    in a partition.
    """

    steps: tuple[str, ...]
    steps_join: JoinField = INNER
    join_window_ms: AutoWindow = None
    tensor_map: Mapping[str, Text] = Field(default_factory=dict)
    order: Literal["key", "partition"] | None = None
    max_held: PositiveCount | None = None


class PipelineDeclaration(Value):
    """The ``spec`` of a pipeline.

    ``record`` says which streams are kept, None for what is configured; ``delivery`` None is at
    least once, or exactly once where something needs it. Without ``output`` the pipeline is
    asynchronous only.
    """

    steps: tuple[Step, ...]
    input: PipelineInput | None = None
    output: Output | None = None
    allow_cycles: Flag = False
    max_step_revisits: Count = 100
    record: Literal["boundary", "all", "none"] | None = None
    layout: Literal["fused", "spread", "direct"] = "fused"
    delivery: Literal["at-least-once", "exactly-once"] | None = None
    dataflow: PipelineDataflow | None = None


class Pipeline(Manifest):
    """The manifest of a pipeline."""

    kind: Literal["Pipeline"] = "Pipeline"
    spec: PipelineDeclaration
