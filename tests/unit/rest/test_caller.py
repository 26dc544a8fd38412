"""What callers say in headers."""

from __future__ import annotations

import pytest

from penstock.core.errors import InvalidRequestError
from penstock.transports.rest.caller import SILENT, CallerHeaders, json_length_of


def test_who_says_nothing_costs_nothing() -> None:
    assert CallerHeaders().read({b"host": b"x", b"content-length": b"3"}) is SILENT


def test_the_first_target_header_counts_and_an_empty_one_does_not() -> None:
    read = CallerHeaders().read
    assert read({b"seldon-model": b"a", b"penstock-target": b"b"}).target == "a"
    assert read({b"seldon-model": b"", b"penstock-target": b"b"}).target == "b"
    assert read({b"seldon-model": b""}).target is None


def test_a_version_may_be_named() -> None:
    assert CallerHeaders().read({b"penstock-version": b"2"}).version == "2"
    assert CallerHeaders().read({b"seldon-model": b"a"}).version == ""


def test_what_travels() -> None:
    found = {
        b"x-request-id": b"r",
        b"traceparent": b"t",
        b"x-tenant": b"blue",
        b"x-other": b"no",
        b"authorization": b"secret",
    }
    assert CallerHeaders().read(found).headers == {"x-request-id": "r", "traceparent": "t"}
    with_tenant = CallerHeaders(("X-Tenant",)).read(found)
    assert with_tenant.headers == {"x-request-id": "r", "traceparent": "t", "x-tenant": "blue"}
    assert with_tenant.request_id == b"r"


@pytest.mark.parametrize("name", ["authorization", "cookie", "X-API-Key", "x-auth-token", "x-ü"])
def test_credentials_never_travel(name: str) -> None:
    with pytest.raises(InvalidRequestError, match="passed on"):
        CallerHeaders((name,))


@pytest.mark.parametrize("text", [b"soon", b"", b"0", b"-1", b"nan", b"inf", b"1e400"])
def test_timeouts_that_are_none(text: bytes) -> None:
    with pytest.raises(InvalidRequestError, match="timeout"):
        CallerHeaders().read({b"x-penstock-timeout-ms": text})


def test_the_length_of_the_json() -> None:
    assert json_length_of({}) is None
    assert json_length_of({b"inference-header-content-length": b"12"}) == 12
    for wrong in (b"", b"-1", b"1.0", b"x", b"\xb2", b"9" * 30):
        with pytest.raises(InvalidRequestError, match="number of bytes"):
            json_length_of({b"inference-header-content-length": wrong})
