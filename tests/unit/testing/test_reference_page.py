"""The page of the test kit is fresh, and says something of everything."""

from __future__ import annotations

from pathlib import Path

import penstock.testing
from penstock.testing import JoinLaws
from penstock.testing.reference_page import reference_page

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "testing.md"


def test_the_page_is_fresh() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference_page(), (
        "run: python -m penstock.testing.reference_page docs/reference/testing.md"
    )


def test_everything_public_is_on_it_with_a_text() -> None:
    sections = PAGE.read_text(encoding="utf-8").split("\n## ")[1:]
    assert {text.partition("\n")[0] for text in sections} == set(penstock.testing.__all__)
    for text in sections:
        prose = [line for line in text.splitlines()[1:] if line and line[0] not in "`#|"]
        assert prose, text
    laws = {name for name in vars(JoinLaws) if name.startswith("test_")}
    assert all(f"| `{name}` |" in sections[0] for name in laws)
