"""What a manifest may say under ``parameters`` of an explainer ``lux``."""

from __future__ import annotations

from pydantic import Field

from penstock.core.explaining.tabular.options import TabularOptions


class LuxOptions(TabularOptions):
    """Its rows, its output, and how far it looks around a row."""

    output: str | None = Field(
        default=None,
        description="The output tensor that has the class; not needed where there is one.",
    )
    class_names: tuple[str, ...] | None = Field(
        default=None,
        min_length=2,
        description="The names of the classes, in the order of the columns of the output, or of "
        "the whole numbers that it puts out from 0 on.",
    )
    background_rows: int = Field(
        default=300,
        ge=2,
        description="How many rows of the background are used at most. Rules are learned from two "
        "thirds of them, and judged by the others.",
    )
    neighbourhood: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="The share of the rows of each class that a rule is learned from, those "
        "nearest to the row that is explained.",
    )
    leaf_rows: int = Field(
        default=3,
        ge=1,
        description="How many rows that are learned from a rule covers at least, unless none such "
        "leads to the class of the row. Fewer make rules that fit the row and little else.",
    )
    counterfactuals: int = Field(
        default=3, ge=0, description="How many rules that lead to other classes are told at most."
    )
