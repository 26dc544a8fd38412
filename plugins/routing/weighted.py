"""The router ``weighted``: candidates get requests in proportion to their weights, by chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from penstock.core.contracts.router import Candidate, RoutedRequest, Router
from penstock.core.plugins import hookimpl

penstock_api = 1


class Weighted(Router):
    """Every request is a draw of its own."""

    def choose(self, candidates: Sequence[Candidate], request: RoutedRequest, random: float) -> int:
        left = random * sum(candidate.weight for candidate in candidates)
        for index, candidate in enumerate(candidates):
            left -= candidate.weight
            if left < 0.0:
                return index
        return len(candidates) - 1  # what is left is a rounding error


@hookimpl
def penstock_register_routers() -> Mapping[str, type[Router]]:
    """The router ``weighted``."""
    return {"weighted": Weighted}
