"""What ``penstock plugins`` shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeAlias

PluginState: TypeAlias = Literal["active", "disabled", "unavailable", "failed"]
"""*Unavailable*: what the plug-in needs is an extra that is not installed."""


@dataclass(frozen=True, slots=True)
class PluginDescription:
    """One plug-in that is installed.

    ``registers`` maps kinds (``joins``) to the names that it registers; ``reason`` says in a
    sentence why it is not active.
    """

    name: str
    module: str
    distribution: str | None
    version: str | None
    state: PluginState
    hooks: tuple[str, ...] = ()
    registers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    reason: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The description as it is printed with ``-o json``."""
        return asdict(self)
