"""The service ``penstock.routes.v1.Routes``: what is served here, for gateways elsewhere."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing

from penstock.core.routing.book import RouteBook
from penstock.core.routing.messages import read_acknowledgement, write_update
from penstock.proto import routes_pb2 as pb
from penstock.transports.grpc.agents import host_of
from penstock.transports.grpc.closing import Closing
from penstock.transports.grpc.errors import Context


class RouteCalls:
    """Every method may raise PenstockError."""

    def __init__(self, book: RouteBook, closing: Closing) -> None:
        self._book = book
        self._closing = closing

    async def follow(
        self, messages: AsyncIterator[pb.Acknowledgement], context: Context
    ) -> AsyncIterator[pb.Update]:
        """Follow; ends when the server drains."""
        host = host_of(context.peer())
        said = (read_acknowledgement(message, host) async for message in messages)
        async with aclosing(self._book.follow(said)) as updates:
            async for update in self._closing.until(updates):
                for message in write_update(update):
                    yield message
