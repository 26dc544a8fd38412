"""The router ``sticky-hash``: requests with the same header go to the same candidate.

Weighted rendezvous hashing; when a weight changes, only those values move that have to.
Source: Schindelhauer and Schomaker, Weighted Distributed Hash Tables, 2005 (the logarithmic
method).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from hashlib import blake2b
from math import inf, log

from penstock.core.contracts.router import Candidate, RoutedRequest, Router
from penstock.core.plugins import hookimpl
from penstock.core.request_headers import checked_name

penstock_api = 1

_WHOLE = 2**64


class StickyHash(Router):
    """Goes by ``header``. Requests without it are drawn by chance."""

    def __init__(self, header: str) -> None:
        """Raises InvalidRequestError for a header that must not travel."""
        self._header = checked_name(header)

    @property
    def headers(self) -> Collection[str]:
        return (self._header,)

    def choose(self, candidates: Sequence[Candidate], request: RoutedRequest, random: float) -> int:
        value = request.headers.get(self._header, str(random))
        scores = [_score(candidate, value) for candidate in candidates]
        return scores.index(max(scores))


def _score(candidate: Candidate, value: str) -> float:
    if candidate.weight <= 0.0:
        return -inf
    text = f"{candidate.name}\0{value}".encode("utf-8", "surrogateescape")
    drawn = (int.from_bytes(blake2b(text, digest_size=8).digest()) + 0.5) / _WHOLE
    return -candidate.weight / log(drawn)


@hookimpl
def penstock_register_routers() -> Mapping[str, type[Router]]:
    """The router ``sticky-hash``."""
    return {"sticky-hash": StickyHash}
