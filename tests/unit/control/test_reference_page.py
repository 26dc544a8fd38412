"""The page about statuses is made from the code."""

from __future__ import annotations

from pathlib import Path

from penstock.core.control.reference_page import reference_page

PAGE = Path(__file__).parents[3] / "docs/reference/status.md"


def test_the_page_of_the_documentation_is_fresh() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference_page(), (
        "run: python -m penstock.core.control.reference_page docs/reference/status.md"
    )
