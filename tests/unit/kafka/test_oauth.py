"""Tokens of OAUTHBEARER: which, and until when."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode

import pytest

from penstock.transports.kafka.oauth import end_of_token, oauth_source


def a_jwt(claims: object) -> str:
    parts = ({"alg": "none"}, claims)
    return ".".join(
        [*(urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts), ""]
    )


def test_a_jwt_is_good_until_its_own_time() -> None:
    source = oauth_source(lambda: a_jwt({"exp": 1_900_000_000}), lambda: 5.0)
    assert source("") == (a_jwt({"exp": 1_900_000_000}), 1_900_000_000.0)


def test_another_token_is_asked_for_again_within_the_minute() -> None:
    assert oauth_source(lambda: "opaque", lambda: 5.0)("") == ("opaque", 65.0)


def test_a_token_that_is_replaced_is_given_next() -> None:
    tokens = ["new", "old"]
    source = oauth_source(lambda: tokens[-1], lambda: 5.0)
    assert source("")[0] == "old"
    tokens.pop()
    assert source("")[0] == "new"


@pytest.mark.parametrize(
    "token",
    [
        "opaque",
        "a.b",
        "a.!.c",
        "a.AAAA.c",
        "a.\u00e9.c",
        a_jwt([]),
        a_jwt({}),
        a_jwt({"exp": "soon"}),
        a_jwt({"exp": True}),
    ],
)
def test_what_says_nothing_of_its_end(token: str) -> None:
    assert end_of_token(token) is None
