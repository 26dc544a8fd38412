"""Which web pages may change what is served."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from penstock.core.errors import ForbiddenError
from penstock.transports.rest.origins import Origins

ORIGINS = Origins(["https://console.example.org"])


def request(**headers: str) -> Request:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "headers": raw})


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"host": "models.example.org"},
        {"origin": "http://127.0.0.1:8900", "host": "127.0.0.1:8900"},
        {"origin": "http://localhost:8900", "host": "localhost:8900"},
        {"origin": "http://[::1]:8900", "host": "[::1]:8900"},
        {"origin": "https://console.example.org", "host": "10.0.0.1:8900"},
    ],
)
def test_who_may(headers: dict[str, str]) -> None:
    ORIGINS.check(request(**headers))


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "null", "host": "127.0.0.1:8900"},
        {"origin": "", "host": ""},
        {"origin": "https://example.org", "host": "127.0.0.1:8900"},
        {"origin": "http://127.0.0.1:9999", "host": "127.0.0.1:8900"},
        {"origin": "http://127.0.0.1:8900"},
        # A name that its owner leads to this machine.
        {"origin": "http://rebound.example.org:8900", "host": "rebound.example.org:8900"},
        {"origin": "http://[::1", "host": "[::1"},
    ],
)
def test_who_may_not(headers: dict[str, str]) -> None:
    with pytest.raises(ForbiddenError, match=r"rest\.origins"):
        ORIGINS.check(request(**headers))
