"""Servers that speak V2 badly, or not at all, as the test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from ssl import SSLContext
from typing import Any, TypeAlias

import grpc

RestAnswer: TypeAlias = Callable[[str, dict[str, str], bytes], Awaitable[bytes | None]]
"""From path, headers and body of a request to all bytes of its answer; None closes instead."""

GrpcAnswer: TypeAlias = Callable[[str, bytes, Any], Awaitable[bytes]]
"""From method, message and context of a call to the message that answers it."""


def http_answer(status: int, body: bytes, **headers: str) -> bytes:
    """An answer of HTTP; underscores in the names of headers stand for hyphens."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


@asynccontextmanager
async def rest_server(
    answer: RestAnswer, ssl: SSLContext | None = None, port: int = 0
) -> AsyncIterator[str]:
    """``host:port`` of a server that answers what ``answer`` says."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                path = line.split()[1].decode()
                headers = {}
                while (line := await reader.readline()).strip():
                    name, _, value = line.decode().partition(":")
                    headers[name.lower()] = value.strip()
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                answered = await answer(path, headers, body)
                if answered is None:
                    break
                writer.write(answered)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", port, ssl=ssl)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class AnyMethod(grpc.GenericRpcHandler):  # type: ignore[type-arg]  # generic in stubs only
    """Answers every method with one function."""

    def __init__(self, answer: GrpcAnswer) -> None:
        self._answer = answer

    def service(self, handler_call_details: Any) -> Any:
        name = handler_call_details.method.rpartition("/")[2]

        async def call(message: bytes, context: Any) -> bytes:
            return await self._answer(name, message, context)

        return grpc.unary_unary_rpc_method_handler(call)


@asynccontextmanager
async def grpc_server(
    answer: GrpcAnswer, credentials: grpc.ServerCredentials | None = None, port: int = 0
) -> AsyncIterator[str]:
    """The same over gRPC."""
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((AnyMethod(answer),))
    if credentials is None:
        port = server.add_insecure_port(f"127.0.0.1:{port}")
    else:
        port = server.add_secure_port(f"127.0.0.1:{port}", credentials)
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)
