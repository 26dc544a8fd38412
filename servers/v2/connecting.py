"""Making the client of an endpoint."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from penstock.core.credentials import Tls, channel_credentials, ssl_context
from penstock.servers.v2.client import V2Client
from penstock.servers.v2.endpoint import Endpoint

T = TypeVar("T")


async def connect(endpoint: Endpoint) -> V2Client:
    """A client on the running loop; connections are opened when they are needed.

    Raises InvalidRequestError for files of TLS that cannot be read.
    """
    if endpoint.protocol == "grpc":
        from penstock.servers.v2.grpc_client import GrpcClient

        return GrpcClient(endpoint, await _secured(endpoint.tls, channel_credentials))
    from penstock.servers.v2.rest_client import RestClient

    return RestClient(endpoint, await _secured(endpoint.tls, ssl_context))


async def _secured(tls: Tls | None, read: Callable[[Tls], T]) -> T | None:
    if tls is None:
        return None
    return await asyncio.to_thread(read, tls)
