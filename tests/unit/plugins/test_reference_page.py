"""Every hook is documented, with its exact arguments, and the page is fresh."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from penstock.core.plugins.inspection import specified_hooks
from penstock.core.plugins.kinds import KINDS
from penstock.core.plugins.reference_page import reference_page

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "hooks.md"


def test_the_page_is_fresh() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference_page(), (
        "run: python -m penstock.core.plugins.reference_page docs/reference/hooks.md"
    )


def test_there_is_a_hook_for_every_kind() -> None:
    assert {kind.hook for kind in KINDS} <= specified_hooks().keys()


@pytest.mark.parametrize("name", specified_hooks())
def test_a_hook_is_documented_with_its_arguments(name: str) -> None:
    section = PAGE.read_text(encoding="utf-8").partition(f"\n## {name}\n")[2].partition("\n## ")[0]
    arguments = inspect.signature(specified_hooks()[name]).parameters
    written = ", ".join(
        f"{argument.name}: {argument.annotation}" for argument in arguments.values()
    )
    assert f"def {name}({written}) -> " in section


@pytest.mark.parametrize("name", specified_hooks())
def test_a_hook_says_when_it_is_called_what_it_returns_and_what_happens_when_it_fails(
    name: str,
) -> None:
    text = inspect.getdoc(specified_hooks()[name]) or ""
    assert "Called " in text
    assert "Returns " in text or "returned is ignored" in text
    assert "raises" in text or "fails" in text
