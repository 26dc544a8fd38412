"""Mutants that may survive, each with the reason: they change nothing that anybody could notice."""

from __future__ import annotations

from typing import Final

EXPLAINED: Final[dict[tuple[str, str], str]] = {}
"""By what is taken out and what is put in its place."""
