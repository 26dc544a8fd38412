"""Codes, statuses and the page about them say the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.core.errors import ERROR_TYPES, InternalError, PenstockError, error_of
from penstock.core.errors_page import errors_page
from penstock.core.statuses import STATUSES, grpc_status, http_status

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "errors.md"


def test_every_code_has_its_statuses() -> None:
    assert set(STATUSES) == set(ERROR_TYPES)


def test_the_page_is_fresh() -> None:
    assert PAGE.read_text() == errors_page(), f"run python -m penstock.core.errors_page {PAGE.name}"


@pytest.mark.parametrize("code", sorted(ERROR_TYPES))
def test_error_of_a_code_is_that_error(code: str) -> None:
    error = error_of(code, "a sentence", step="s", details=["d"])
    assert type(error) is ERROR_TYPES[code]
    assert (error.code, str(error), error.step, error.details) == (code, "a sentence", "s", ("d",))


def test_unknown_code_is_an_internal_error() -> None:
    error = error_of("from-the-future", "a sentence")
    assert isinstance(error, InternalError)
    assert http_status("from-the-future") == 500
    assert grpc_status("from-the-future").name == "INTERNAL"


def test_all_errors_have_one_root() -> None:
    assert all(issubclass(kind, PenstockError) for kind in ERROR_TYPES.values())
