"""Options that servers of every kind have, about calls of their models."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field

from penstock.core.config.sections import Bound

Concurrency: TypeAlias = Annotated[
    Bound, Field(description="Calls of one model at a time, where its manifest sets none.")
]

MaxWaiting: TypeAlias = Annotated[
    int,
    Field(
        ge=0,
        le=2**31 - 1,
        description="Calls that may wait for a free place at one model.",
    ),
]
