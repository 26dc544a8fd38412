"""Every command is documented, and the page is fresh."""

from __future__ import annotations

from pathlib import Path

from penstock.core.cli.main import COMMANDS
from penstock.core.cli.reference_page import reference_page

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "cli.md"


def test_the_page_is_fresh() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference_page(), (
        "run: python -m penstock.core.cli.reference_page docs/reference/cli.md"
    )


def test_every_command_and_every_option_says_what_it_does() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for name in COMMANDS:
        assert f"\n## penstock {name}" in page
    assert "|  |" not in page
