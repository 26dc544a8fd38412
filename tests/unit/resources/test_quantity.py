"""Amounts of memory."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.resources.quantity import MAX_BYTES, format_bytes, parse_bytes


@pytest.mark.parametrize(
    ("written", "amount"),
    [
        (0, 0),
        (1024, 1024),
        ("1024", 1024),
        ("100Ki", 102_400),
        ("100Mi", 104_857_600),
        ("1.5Gi", 1_610_612_736),
        ("1k", 1000),
        ("2.5M", 2_500_000),
        ("1e3", 1000),
        ("1E", 10**18),
        ("1E2", 100),
        ("1500m", 2),
        (".5Ki", 512),
        (" 1Ti ", 2**40),
        ("3Pi", 3 * 2**50),
    ],
)
def test_read(written: object, amount: int) -> None:
    assert parse_bytes(written) == amount


@pytest.mark.parametrize(
    "written", ["", "Mi", "1 Mi", "-1Mi", "1Q", "1KI", "1.2.3", True, 1.5, None, []]
)
def test_what_is_no_amount(written: object) -> None:
    with pytest.raises(ValueError, match=r"is no amount of memory; write it as 100Mi or 1\.5G$"):
        parse_bytes(written)


@pytest.mark.parametrize("written", ["8Ei", "1e99", -1, 2**63])
def test_what_is_out_of_bounds(written: object) -> None:
    with pytest.raises(
        ValueError, match=f"^an amount of memory is between 0 and {MAX_BYTES} bytes$"
    ):
        parse_bytes(written)


@pytest.mark.parametrize(
    ("amount", "written"), [(0, "0"), (1, "1"), (1000, "1000"), (1024, "1Ki"), (3 * 2**30, "3Gi")]
)
def test_written(amount: int, written: str) -> None:
    assert format_bytes(amount) == written


@given(st.integers(0, MAX_BYTES))
def test_what_is_written_is_read_as_the_same(amount: int) -> None:
    assert parse_bytes(format_bytes(amount)) == amount
