"""How calls end when something is wrong: with the error's status, sentence and details."""

from __future__ import annotations

from typing import Any, NoReturn, TypeAlias

import grpc
import structlog

from penstock.core.errors import InternalError, PenstockError
from penstock.core.grpc_errors import BUDGET_KEY, DETAILS_BUDGET, DETAILS_KEY, status_message
from penstock.core.request_headers import IDENTITY_HEADER, ROUTE_HEADERS
from penstock.core.statuses import grpc_status

Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]
_log = structlog.get_logger(__name__)


async def fail(context: Context, error: PenstockError, identity: str | None = None) -> NoReturn:
    """End the call with ``error``; raises what grpcio wants to be raised for that.

    ``identity`` is that of the request, where one was given already.
    """
    status = status_message(error, identity, _details_budget(context))
    trailing: list[tuple[str, str | bytes]] = [(DETAILS_KEY, status.SerializeToString())]
    if identity:
        trailing.append((IDENTITY_HEADER, identity))
    if error.route:
        trailing += route_metadata(error.route)
    await context.abort(grpc_status(error.code), status.message, tuple(trailing))


def route_metadata(route: str) -> tuple[tuple[str, str], ...]:
    """What tells a caller of the way that its request took through experiments."""
    return tuple((name, route) for name in ROUTE_HEADERS)


def defect(error: Exception, method: str) -> PenstockError:
    """What the caller is told of an exception that nobody expected; the log gets the whole."""
    _log.error("grpc_method_failed", method=method, exc_info=error)
    return InternalError(f"{method} failed by a defect of Penstock; the server's log has the cause")


def _details_budget(context: Context) -> int:
    for key, value in context.invocation_metadata() or ():
        if key == BUDGET_KEY and isinstance(value, str) and value.isdecimal():
            return int(value)
    return DETAILS_BUDGET
