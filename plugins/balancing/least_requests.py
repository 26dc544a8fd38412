"""The balancer ``least-requests``: the process that has the least to do is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from penstock.core.contracts.balancer import BalancedRequest, Balancer, Loaded
from penstock.core.forwarding.load import load_of
from penstock.core.plugins import hookimpl

penstock_api = 1


class LeastRequests(Balancer):
    """Looks at every process. Among those that are equal, each gets its turn by chance."""

    def pick(self, choices: Sequence[Loaded], request: BalancedRequest, random: float) -> int:
        loads = [load_of(choice) for choice in choices]
        least = min(loads)
        equal = [index for index, load in enumerate(loads) if load == least]
        return equal[int(random * len(equal))]


@hookimpl
def penstock_register_balancers() -> Mapping[str, type[Balancer]]:
    """The balancer ``least-requests``."""
    return {"least-requests": LeastRequests}
