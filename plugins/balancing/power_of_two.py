"""The balancer ``power-of-two``: the less busy one of two that chance has named is asked.

Source: Mitzenmacher, The Power of Two Choices in Randomized Load Balancing, 2001.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from penstock.core.contracts.balancer import BalancedRequest, Balancer, Loaded
from penstock.core.forwarding.load import load_of
from penstock.core.plugins import hookimpl

penstock_api = 1


class PowerOfTwo(Balancer):
    """Costs the same however many processes there are, and does not run after who came last."""

    def pick(self, choices: Sequence[Loaded], request: BalancedRequest, random: float) -> int:
        count = len(choices)
        # One number gives both: which pair of the ordered ones it is.
        first, second = divmod(int(random * count * (count - 1)), count - 1)
        second += second >= first
        return first if load_of(choices[first]) <= load_of(choices[second]) else second


@hookimpl
def penstock_register_balancers() -> Mapping[str, type[Balancer]]:
    """The balancer ``power-of-two``."""
    return {"power-of-two": PowerOfTwo}
