"""The options of the plug-in ``inprocess``."""

from __future__ import annotations

from pydantic import Field

from penstock.core.config import Section
from penstock.servers.call_options import MaxWaiting


class InProcessOptions(Section):
    """How models in this process are called."""

    max_waiting: MaxWaiting = 256
    async_concurrency: int = Field(
        default=256,
        ge=1,
        le=2**31 - 1,
        description="Calls of one async model at a time, where its manifest sets no concurrency.",
    )
    unload_grace_s: float = Field(
        default=10.0,
        ge=0.0,
        description="How long unloading a model waits for calls that were given up.",
    )
