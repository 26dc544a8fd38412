"""Follows the routes of a scheduler over gRPC."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Final

import grpc

from penstock.core.client.remote_server import RemoteServer
from penstock.core.grpc_errors import error_of_call
from penstock.core.routing.messages import read_updates, write_acknowledgement
from penstock.core.routing.route import Acknowledgement, Update
from penstock.proto import routes_pb2 as pb
from penstock.proto.routes_pb2_grpc import RoutesStub

OPTIONS: Final = (
    ("grpc.max_receive_message_length", -1),
    # Whoever follows decides itself when it tries again, and a proxy would not be asked elsewhere.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_http_proxy", 0),
)


async def follow_routes(
    server: RemoteServer, said: AsyncIterator[Acknowledgement]
) -> AsyncGenerator[Update]:
    """What the scheduler at ``server`` answers to what a gateway has ``said``.

    Raises the PenstockError that the server raised, NotReadyError when nobody answers there.
    """
    messages = (write_acknowledgement(each) async for each in said)
    async with server.channel(OPTIONS) as channel:
        call = RoutesStub(channel).Follow(messages, metadata=tuple(server.headers().items()))
        try:
            async with aclosing(_received(call)) as received:
                async for update in read_updates(received):
                    yield update
        except grpc.aio.AioRpcError as error:
            raise error_of_call(error, server.place) from error
        finally:
            call.cancel()


async def _received(
    call: grpc.aio.StreamStreamCall[pb.Acknowledgement, pb.Update],
) -> AsyncGenerator[pb.Update]:
    async for message in call:
        yield message
