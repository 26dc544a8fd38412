"""Routers as experiments write them: ``weighted``, ``sticky-hash(x-user)``."""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeAlias

from penstock.core.contracts.router import Router
from penstock.core.errors import InvalidRequestError
from penstock.core.written_call import Factories, make_called, read_call

RouterFactories: TypeAlias = Factories[Router]


def make_router(written: str, factories: RouterFactories, travelling: Collection[str]) -> Router:
    """The router that ``written`` names, of requests with which ``travelling`` headers go.

    Raises InvalidRequestError with how it is written, or what it lacks.
    """
    call = read_call(written, "router", words=True)
    # An abstract class is what is checked here, and no instance is made of it.
    router = make_called(call, factories, Router, "router")  # type: ignore[type-abstract]
    for header in router.headers:
        if header not in travelling:
            raise InvalidRequestError(
                f"the router '{written}' goes by the header '{header}', which does not travel with "
                "requests; name it in defaults.passedHeaders of the configuration"
            )
    return router
