"""How much a process has to do, beside the others."""

from __future__ import annotations

from penstock.core.contracts.balancer import Loaded


def load_of(choice: Loaded) -> float:
    """What it would have with one request more; a process that grows warm counts for less."""
    return (choice.in_flight + 1) / choice.weight
