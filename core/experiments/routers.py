"""Routers as experiments write them: ``weighted``, ``sticky-hash(x-user)``."""

from __future__ import annotations

from typing import TypeAlias

from penstock.core.contracts.router import Router
from penstock.core.written_call import Factories, make_called, read_call

RouterFactories: TypeAlias = Factories[Router]


def make_router(written: str, factories: RouterFactories) -> Router:
    """The router that ``written`` names.

    Raises WrittenCallError (an InvalidRequestError) with how it is written.
    """
    call = read_call(written, "router", words=True)
    # An abstract class is what is checked here, and no instance is made of it.
    return make_called(call, factories, Router, "router")  # type: ignore[type-abstract]
