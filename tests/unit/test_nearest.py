from __future__ import annotations

import pytest

from penstock.core.nearest import did_you_mean, nearest


@pytest.mark.parametrize(
    ("name", "candidates", "match"),
    [
        ("scael", ["scale", "forest"], "scale"),
        ("SCALE", ["scale"], "scale"),
        ("inputsJoin", ["inputsJoinType", "inputs"], "inputsJoinType"),
        ("xyz", ["scale"], None),
        ("", ["scale"], None),
        ("scale", [], None),
        ("x" * 101, ["x" * 101], None),
    ],
)
def test_nearest(name: str, candidates: list[str], match: str | None) -> None:
    assert nearest(name, candidates) == match


def test_the_question() -> None:
    assert did_you_mean("scael", ["scale"]) == "did you mean 'scale'?"
    assert did_you_mean("xyz", ["scale"]) is None
