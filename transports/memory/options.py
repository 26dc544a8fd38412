"""The options of the transport ``memory``."""

from __future__ import annotations

from pydantic import Field

from penstock.core.config import Section


class MemoryOptions(Section):
    """How much is kept."""

    max_records: int = Field(
        default=10_000, ge=1, le=2**31 - 1, description="Records that one partition holds."
    )
