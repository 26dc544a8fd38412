"""An explainer: a model that explains the answers of another model or of a pipeline."""

from __future__ import annotations

from typing import Self

from pydantic import model_validator

from penstock.core.contracts.explainer import CALLS_IN_FLIGHT, MAX_EVALUATIONS, Explains
from penstock.core.resources.value import Name, PositiveCount, Text, Value


class Explainer(Value):
    """The ``explainer`` section of a model.

    ``type`` names the method (``anchor_tabular``, ``kernel_shap``, ...); one of ``model_ref`` and
    ``pipeline_ref`` names what is explained. The others are as in :class:`Explains`.
    """

    type: Text
    model_ref: Name | None = None
    pipeline_ref: Name | None = None
    batch_size: PositiveCount | None = None
    calls_in_flight: PositiveCount = CALLS_IN_FLIGHT
    max_evaluations: PositiveCount = MAX_EVALUATIONS

    @model_validator(mode="after")
    def _explains_one(self) -> Self:
        if (self.model_ref is None) == (self.pipeline_ref is None):
            raise ValueError(
                "an explainer explains one model or one pipeline; "
                "write either modelRef or pipelineRef"
            )
        return self

    @property
    def explains(self) -> Explains:
        """What is explained, and how."""
        bounds = (self.batch_size, self.calls_in_flight, self.max_evaluations)
        if self.model_ref is not None:
            return Explains(self.type, "model", self.model_ref, *bounds)
        assert self.pipeline_ref is not None, "it explains one of them"
        return Explains(self.type, "pipeline", self.pipeline_ref, *bounds)
