"""An explainer: a model that explains the answers of another model or of a pipeline."""

from __future__ import annotations

from typing import Self

from pydantic import model_validator

from penstock.core.resources.value import Name, Text, Value


class Explainer(Value):
    """The ``explainer`` section of a model.

    ``type`` names the method (``anchor_tabular``, ``kernel_shap``, ...); one of ``model_ref`` and
    ``pipeline_ref`` names what is explained.
    """

    type: Text
    model_ref: Name | None = None
    pipeline_ref: Name | None = None

    @model_validator(mode="after")
    def _explains_one(self) -> Self:
        if (self.model_ref is None) == (self.pipeline_ref is None):
            raise ValueError(
                "an explainer explains one model or one pipeline; "
                "write either modelRef or pipelineRef"
            )
        return self
