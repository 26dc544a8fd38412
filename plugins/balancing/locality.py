"""The balancer ``locality``: processes in the zone of who asks come first.

What is not fit to be asked is no choice at all, so a zone that has failed is left by itself; one
that is loaded (``spill`` requests in flight for each of its processes) gets help from the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from penstock.core.contracts.balancer import BalancedRequest, Balancer, Loaded
from penstock.core.forwarding.load import load_of
from penstock.core.plugins import hookimpl

penstock_api = 1


class Locality(Balancer):
    """Within a zone, and among the others, the one that has the least to do is asked."""

    def __init__(self, spill: int = 16) -> None:
        if spill < 1:
            raise ValueError("spill must be at least 1")
        self._spill = spill

    def pick(self, choices: Sequence[Loaded], request: BalancedRequest, random: float) -> int:
        near = [index for index, choice in enumerate(choices) if choice.zone == request.zone]
        roomy = [index for index in near if load_of(choices[index]) <= self._spill]
        among: Sequence[int] = roomy or range(len(choices))
        start = int(random * len(among))
        # From a place that chance has named, so that those that are equal share.
        turned = [*among[start:], *among[:start]]
        return min(turned, key=lambda index: load_of(choices[index]))


@hookimpl
def penstock_register_balancers() -> Mapping[str, type[Balancer]]:
    """The balancer ``locality``."""
    return {"locality": Locality}
