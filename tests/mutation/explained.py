"""Mutants that may survive, each with the reason: they change nothing that anybody could notice."""

from __future__ import annotations

from typing import Final

EXPLAINED: Final[dict[tuple[str, str], str]] = {
    (
        "if type(value) is not tuple:",
        "if type(None) is not tuple:",
    ): "the long way to the same decision",
    (
        "if type(consumer) is StepPlan and consumer.plain:",
        "if type(None) is StepPlan and consumer.plain:",
    ): "the long way to the same call",
    (
        "if passage.loops and not passage.closed:",
        "if passage.loops and passage.closed:",
    ): "the inputs of a visit at the end of a request open no round any more",
}
"""By what is taken out and what is put in its place."""
