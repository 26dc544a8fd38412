"""Balancers as configurations write them: ``power-of-two``, ``consistent-hash(x-user)``."""

from __future__ import annotations

from typing import TypeAlias

from penstock.core.contracts.balancer import Balancer
from penstock.core.written_call import Factories, make_called, read_call

BalancerFactories: TypeAlias = Factories[Balancer]


def make_balancer(written: str, factories: BalancerFactories) -> Balancer:
    """The balancer that ``written`` names.

    Raises WrittenCallError (an InvalidRequestError) with how it is written.
    """
    call = read_call(written, "balancer", words=True)
    # An abstract class is what is checked here, and no instance is made of it.
    return make_called(call, factories, Balancer, "balancer")  # type: ignore[type-abstract]
