"""How figures are said."""

from __future__ import annotations

import pytest

from penstock.core.scaling.wording import said


@pytest.mark.parametrize(
    ("figure", "words"), [(0.0, "0"), (5.994, "5.99"), (422.0, "422"), (37_520.4, "37520")]
)
def test_figures_have_no_exponent(figure: float, words: str) -> None:
    assert said(figure) == words
