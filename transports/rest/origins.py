"""Web pages that may change what is served: those that come from here, and those that are named."""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.requests import Request

from penstock.core.errors import ForbiddenError


class Origins:
    """A page of some web site, open in a browser here, must not change what is served.

    Browsers say in ``Origin`` whose page sends a request. A page of this server has the address
    in it that is in ``Host``; that proves something only where the address cannot be made to lead
    elsewhere, as a name of somebody's domain can (DNS rebinding).
    """

    def __init__(self, allowed: Collection[str] = ()) -> None:
        self._allowed = frozenset(allowed)

    def check(self, request: Request) -> None:
        """Raises ForbiddenError for a request of a foreign web page."""
        origin = request.headers.get("origin")
        if origin is None or origin in self._allowed:
            return
        if _is_here(origin, request.headers.get("host", "")):
            return
        raise ForbiddenError(
            f"changes are not taken from web pages of other addresses (the request has the header "
            f"Origin: {origin[:100]}); use the command line or a program, or name that address in "
            "rest.origins"
        )


def _is_here(origin: str, host: str) -> bool:
    """Whether a page has the address that it calls, and that is a number or this machine's."""
    try:
        address = urlsplit(origin)
        name = address.hostname
        if name is None or address.netloc != host:
            return False
        return name == "localhost" or bool(ip_address(name))
    except ValueError:
        return False
