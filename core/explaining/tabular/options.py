"""What a manifest may say under ``parameters`` of any explainer of tables."""

from __future__ import annotations

from pydantic import Field

from penstock.core.config import Section


class TabularOptions(Section):
    """Which columns are the features, and what is usual for them."""

    features: tuple[str, ...] | None = Field(
        default=None,
        min_length=1,
        description="The tensors whose columns are the features; not needed where there is one. "
        "Other tensors of a request are held fixed.",
    )
    feature_names: tuple[str, ...] | None = Field(
        default=None, description="The names of the features, in the order of the columns."
    )
    background: tuple[tuple[float, ...], ...] | None = Field(
        default=None,
        min_length=1,
        description="Rows that stand for what is usual, where they are not in a file "
        "(background.npy or background.npz in the folder of storageUri, or that file).",
    )
