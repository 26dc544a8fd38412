"""Headers of one connection, which do not go on to the next (RFC 9110, 7.6.1)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

OF_A_CONNECTION: Final = frozenset(
    (
        b"connection",
        b"content-length",
        b"expect",
        b"http2-settings",
        b"keep-alive",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    )
)
"""They, and those that say how long what goes over it is: that is written anew."""


def named_by_connection(values: Iterable[bytes]) -> frozenset[bytes]:
    """The headers that a header ``Connection`` declares to be of the connection."""
    return frozenset(name.strip().lower() for value in values for name in value.split(b","))
