"""Who may do what, by bearer tokens."""

from __future__ import annotations

import pytest

from penstock.core.credentials import Access
from penstock.core.errors import ForbiddenError, UnauthenticatedError

WRONG = [None, "", "Bearer", "Bearer  ", "Basic boss", "boss", "Bearer bos", "Bearer boss2"]


@pytest.mark.parametrize("header", ["Bearer boss", "bearer boss", " BEARER  boss "])
def test_the_control_token_opens_everything(header: str) -> None:
    access = Access(lambda: "boss", lambda: "guest")
    access.check_control(header)
    access.check_inference(header)


@pytest.mark.parametrize("header", WRONG)
def test_nobody_comes_in_without_it(header: str | None) -> None:
    access = Access(lambda: "boss", lambda: "guest")
    for check in (access.check_control, access.check_inference):
        with pytest.raises(UnauthenticatedError, match=r"--token-file or PENSTOCK_TOKEN"):
            check(header)


@pytest.mark.parametrize("header", [None, "Bearer wrong"])
def test_requests_need_none_unless_there_is_one_for_them(header: str | None) -> None:
    access = Access(lambda: "boss")
    assert not access.guards_inference
    access.check_inference(header)
    with pytest.raises(UnauthenticatedError):
        access.check_control(header)


def test_the_token_of_requests_is_for_requests_alone() -> None:
    access = Access(lambda: "boss", lambda: "guest")
    assert access.guards_inference
    access.check_inference("Bearer guest")
    with pytest.raises(ForbiddenError, match=r"scheduler\.access\.token"):
        access.check_control("Bearer guest")


def test_a_token_that_is_replaced_counts_at_once() -> None:
    tokens = ["new", "old"]
    access = Access(lambda: tokens[-1])
    access.check_control("Bearer old")
    tokens.pop()
    access.check_control("Bearer new")
    with pytest.raises(UnauthenticatedError):
        access.check_control("Bearer old")


def test_tokens_need_not_be_ascii() -> None:
    access = Access(lambda: "ключ")
    access.check_control("Bearer ключ")
    with pytest.raises(UnauthenticatedError):
        access.check_control("Bearer \udcff")
