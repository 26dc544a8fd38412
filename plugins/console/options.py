"""The options of the console."""

from __future__ import annotations

from pydantic import Field

from penstock.core.config import Section


class ConsoleOptions(Section):
    """Where the console is served. ``plugins.disable`` leaves it out altogether."""

    path: str = Field(
        default="/console",
        pattern=r"^(/[A-Za-z0-9_-]+)+$",
        description="The path of the console at the address of REST.",
    )
