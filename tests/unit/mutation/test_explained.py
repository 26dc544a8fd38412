"""The explanations are of lines that are still there."""

from __future__ import annotations

import pytest

from mutation.explained import EXPLAINED
from mutation.stage import CHECKOUT


def test_of_each_line_is_known_what_may_be_done_to_it_without_harm() -> None:
    assert all(before != after for before, after in EXPLAINED)
    assert all(EXPLAINED.values())


@pytest.mark.parametrize("before", sorted({before for before, _ in EXPLAINED}))
def test_explained_line_is_in_the_engine_or_the_joins(before: str) -> None:
    modules = [*CHECKOUT.glob("core/engine/*.py"), *CHECKOUT.glob("joins/*.py")]
    assert modules
    texts = (" ".join(module.read_text(encoding="utf-8").split()) for module in modules)
    assert any(" ".join(before.split()) in text for text in texts)
