"""Which operations need which bearer token.

Everything under ``/v1`` is the control plane's, and so is loading and unloading models; requests,
and what is asked about models, are under ``/v2``. Health, metrics, the console's pages and the
OpenAPI document are open to everybody.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from penstock.core.credentials import Access
from penstock.transports.rest.operation import Operation
from penstock.transports.rest.repository import REPOSITORY

HEALTH: Final = "/v2/health/"


def guarded(operation: Operation, access: Access) -> Operation:
    """The operation, for those only who bring what it needs."""
    path = operation.path
    if path.startswith(("/v1/", f"{REPOSITORY}/")):
        check = access.check_control
        codes: tuple[str, ...] = ("unauthenticated", "forbidden")
    elif path.startswith("/v2") and not path.startswith(HEALTH) and access.guards_inference:
        check = access.check_inference
        codes = ("unauthenticated",)
    else:
        return operation
    errors = tuple(dict.fromkeys((*operation.errors, *codes)))
    return replace(operation, app=_checked(operation.app, check), errors=errors)


def _checked(app: ASGIApp, check: Callable[[str | None], None]) -> ASGIApp:
    async def checked(scope: Scope, receive: Receive, send: Send) -> None:
        check(Headers(scope=scope).get("authorization"))
        await app(scope, receive, send)

    return checked
