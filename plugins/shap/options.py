"""What a manifest may say under ``parameters`` of an explainer that computes SHAP values."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from penstock.core.explaining.tabular.options import TabularOptions


class ShapOptions(TabularOptions):
    """What all kinds have in common."""

    background_rows: int = Field(
        default=100, ge=1, description="How many rows of the background are used at most."
    )
    columns: tuple[int, ...] | None = Field(
        default=None,
        min_length=1,
        description="The columns of the output that are explained, as classes; all without it.",
    )
    answer: Literal["tensors", "json", "both"] = Field(
        default="tensors",
        description="Whether the answer is tensors, the JSON document that clients of Alibi "
        "Explain read (as the tensor explanation), or both.",
    )


class AskingOptions(ShapOptions):
    """Of those that ask a model or a pipeline."""

    output: str | None = Field(
        default=None,
        description="The output tensor that is explained; not needed where there is one.",
    )
    seed: int = Field(
        default=0,
        ge=0,
        description="Of the random numbers that coalitions of features are drawn by. With the same "
        "a request has the same answer; with others it shows how much chance is in it.",
    )


class KernelOptions(AskingOptions):
    """Of ``kernel_shap``."""

    samples: int | None = Field(
        default=None,
        ge=1,
        description="How many masks of the features are tried for each row; by default 2048 and "
        "two for each feature.",
    )


class PermutationOptions(AskingOptions):
    """Of ``permutation_shap``."""

    permutations: int = Field(
        default=10,
        ge=1,
        description="How many orders of the features are gone through, there and back.",
    )
