"""The options that all servers have which are processes of their own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field

from penstock.core.config import Section
from penstock.core.config.sections import MIB, ByteCount
from penstock.servers.call_options import Concurrency, MaxWaiting

Word = Annotated[str, Field(min_length=1)]


class ChildOptions(Section):
    """How a server is started, watched and called."""

    installation: Path | None = Field(
        default=None,
        description="The folder that penstock servers install has filled; else where it puts the "
        "server by itself.",
    )
    command: tuple[Word, ...] = Field(
        default=(),
        description="A program of your own that is the server, with its first arguments; the "
        "adapter's come after them.",
    )
    arguments: tuple[Word, ...] = Field(
        default=(), description="More arguments, after the adapter's."
    )
    environment: Mapping[Word, str] = Field(
        default_factory=dict, description="Environment variables of the server."
    )
    capabilities: tuple[Word, ...] = Field(
        default=(),
        description="The words that models may write under requirements, in place of those that "
        "are found out.",
    )
    concurrency: Concurrency = 64
    max_waiting: MaxWaiting = 256
    max_message_bytes: ByteCount = Field(
        default=64 * MIB, description="The largest request and answer."
    )
    start_timeout_s: float = Field(
        default=120.0, gt=0.0, description="Time for the server to come up."
    )
    load_timeout_s: float = Field(
        default=300.0, gt=0.0, description="Time for the server to load or unload a model."
    )
    stop_timeout_s: float = Field(
        default=10.0, gt=0.0, description="Time for the server to end before it is killed."
    )
    look_s: float = Field(
        default=2.0, gt=0.0, description="How often the server is asked whether it lives."
    )
    hang_s: float = Field(
        default=30.0,
        gt=0.0,
        description="After how long without an answer the server is killed and started again.",
    )
