"""Making the client of an endpoint."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from penstock.core.errors import InvalidRequestError
from penstock.servers.v2.client import V2Client
from penstock.servers.v2.endpoint import Endpoint, Tls

T = TypeVar("T")


async def connect(endpoint: Endpoint) -> V2Client:
    """A client on the running loop; connections are opened when they are needed.

    Raises InvalidRequestError for files of TLS that cannot be read.
    """
    if endpoint.protocol == "grpc":
        from penstock.servers.v2.grpc_client import GrpcClient, credentials_of

        return GrpcClient(endpoint, await _secured(endpoint.tls, credentials_of))
    from penstock.servers.v2.rest_client import RestClient, context_of

    return RestClient(endpoint, await _secured(endpoint.tls, context_of))


async def _secured(tls: Tls | None, read: Callable[[Tls], T]) -> T | None:
    if tls is None:
        return None
    try:
        return await asyncio.to_thread(read, tls)
    except OSError as error:
        raise InvalidRequestError(
            f"the files of tls cannot be used ({error}); they are PEM files, and the certificate "
            "and the key belong together"
        ) from error
