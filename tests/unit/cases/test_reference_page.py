"""The page about case files is fresh, and tells of every key."""

from __future__ import annotations

from pathlib import Path

from penstock.core.cases.documents import PARTS
from penstock.core.cases.reference_page import reference_page

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "case-files.md"


def test_the_page_is_fresh() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference_page(), (
        "run: python -m penstock.core.cases.reference_page docs/reference/case-files.md"
    )


def test_every_part_and_every_key_is_on_it() -> None:
    sections = PAGE.read_text(encoding="utf-8").split("\n## ")[1:]
    assert len(sections) == len(PARTS)
    for part, section in zip(PARTS, sections, strict=True):
        assert all(f"| `{key}` |" in section for key in part.model_fields)
