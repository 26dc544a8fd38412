"""How figures are said in the reasons of decisions."""

from __future__ import annotations


def said(figure: float) -> str:
    """A figure with three digits that count; a large one with all that stand before its point."""
    return f"{figure:.3g}" if abs(figure) < 999.5 else f"{figure:.0f}"
