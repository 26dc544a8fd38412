"""Where a server is, as people write it: ``host:port``, or a URL."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

from penstock.core.errors import InvalidRequestError


def place_of(address: str) -> SplitResult:
    """The parts of an address. Raises InvalidRequestError for what is none."""
    try:
        place = urlsplit(address if "//" in address else f"//{address}")
        named = bool(place.hostname) and place.port != 0  # the port is read here
    except ValueError:
        named = False
    if not named:
        raise InvalidRequestError(f"'{address}' is no address of a server; write HOST:PORT")
    return place
