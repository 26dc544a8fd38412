"""Names that nothing can have."""

from __future__ import annotations

import pytest

from penstock.core.target_names import impossible, without_suffix


@pytest.mark.parametrize("name", ["a", "a-b_c", "a.b", "x" * 63])
def test_possible_names(name: str) -> None:
    assert impossible(name) is None


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("", "invalid-request", "the request does not say which model or pipeline it is for"),
        ("a b/c", "not-found", "'a b/c' is no name: letters, digits"),
        ("..", "not-found", "'..' is no name"),
        ("x" * 64, "not-found", "has 64 characters, and 63 are allowed"),
    ],
)
def test_impossible_names(name: str, code: str, said: str) -> None:
    error = impossible(name)
    assert error is not None
    assert error.code == code
    assert said in error.message


def test_a_suffix_says_the_kind() -> None:
    assert without_suffix("a.pipeline") == ("a", "pipeline")
    assert without_suffix("a.b") == ("a.b", None)
