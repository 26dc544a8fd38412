"""A step: one use of a model, or of another pipeline, in a pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import Field, model_validator

from penstock.core.resources.join_field import INNER, JoinField
from penstock.core.resources.value import (
    AutoWindow,
    Count,
    Flag,
    Milliseconds,
    Name,
    PositiveCount,
    PositiveMilliseconds,
    Text,
    Value,
)


class Batch(Value):
    """How visits of a step are run as one call.

    ``size`` counts rows along the first axis, ``window_ms`` is how long a first visit waits for
    others. ``rolling`` is Seldon's, and has no meaning here.
    """

    size: PositiveCount | None = None
    window_ms: Milliseconds = 5
    rolling: Flag = False


class Step(Value):
    """One step, as written.

    ``inputs`` and ``triggers`` are references in the order in which they are written; no
    ``inputs`` means the pipeline's input. ``tensor_map`` has full references as keys
    (``step.outputs.t``) and new names as values. ``timeout_ms`` is for one attempt, None for what
    is left of the deadline; ``retry_backoff_ms`` doubles with every retry. Of ``model`` and
    ``pipeline`` at most one is written.
    """

    name: Name
    model: Name | None = None
    pipeline: Name | None = None
    inputs: tuple[str, ...] = ()
    triggers: tuple[str, ...] = ()
    tensor_map: Mapping[str, Text] = Field(default_factory=dict)
    inputs_join_type: JoinField = INNER
    triggers_join_type: JoinField = INNER
    join_window_ms: AutoWindow = None
    batch: Batch | None = None
    retries: Count = 0
    retry_backoff_ms: Milliseconds = 50
    timeout_ms: PositiveMilliseconds | None = None
    on_error: Literal["fail", "absent"] = "fail"

    @model_validator(mode="after")
    def _calls_one(self) -> Self:
        if self.model is not None and self.pipeline is not None:
            raise ValueError("a step calls a model or a pipeline; write either model or pipeline")
        return self

    @property
    def model_name(self) -> str:
        """The name of the model that the step calls; it is the step's own unless written."""
        return self.model or self.name
