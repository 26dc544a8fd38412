"""Tokens of OAUTHBEARER as librdkafka asks for them."""

from __future__ import annotations

import binascii
import json
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable
from typing import TypeAlias

from penstock.core.credentials import Token
from penstock.core.credentials.tokens import FRESH_S

OauthToken: TypeAlias = tuple[str, float]
"""A token, and until when it is good, in seconds since the epoch."""

OauthSource: TypeAlias = Callable[[str], OauthToken]
"""Called by a client of Kafka, from a thread of its own, with ``sasl.oauthbearer.config``; again
when most of the token's time is over."""


def oauth_source(token: Token, now_s: Callable[[], float] = time.time) -> OauthSource:
    """Gives the token as it is, until the time that stands in it (``exp`` of a JWT), or for as long
    as one in a file may be old."""

    def current(_: str) -> OauthToken:
        text = token()
        end_s = end_of_token(text)
        return text, now_s() + FRESH_S if end_s is None else end_s

    return current


def end_of_token(token: str) -> float | None:
    """Until when a JWT says that it is good (RFC 7519, section 4.1.4); None where nothing does."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError):
        return None
    end = claims.get("exp") if isinstance(claims, dict) else None
    return float(end) if isinstance(end, int | float) and not isinstance(end, bool) else None
