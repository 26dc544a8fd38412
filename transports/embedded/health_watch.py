"""Asks processes whether they are up, and hangs up what has been idle for too long."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import grpc

from penstock.core.contracts.forwarder import HealthChecks
from penstock.core.errors import PenstockError, UnreachableError
from penstock.transports.embedded.answer_head import AnswerHead
from penstock.transports.embedded.bodies import BodyReader
from penstock.transports.embedded.grpc_asked import SERVICE
from penstock.transports.embedded.grpc_channels import GrpcChannels
from penstock.transports.embedded.upstream import Asker, Upstream

LIVE: Final = b"GET /v2/health/live HTTP/1.1\r\nhost: %b\r\nconnection: close\r\n\r\n"


SERVER_LIVE: Final = f"{SERVICE}ServerLive"


class _Question(Asker):
    """One question over a connection of its own; its end is the status."""

    def __init__(self) -> None:
        self.status: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def answer_began(
        self, head: AnswerHead, pieces: list[bytes], body: BodyReader | None, *, complete: bool
    ) -> None:
        if not self.status.done():
            self.status.set_result(head.status)

    def answer_continued(self, pieces: list[bytes], *, complete: bool) -> None:
        """What it says besides is of no interest."""

    def broken(self, why: str) -> None:
        if not self.status.done():
            self.status.set_exception(UnreachableError(why))

    def pause(self) -> None:
        """The question is short."""

    def resume(self) -> None:
        """The question is short."""


async def ask_over_rest(upstream: Upstream) -> None:
    """Whether a process says that it is up. Raises PenstockError with why it does not."""
    connection = await upstream.connect()
    question = _Question()
    try:
        connection.ask(question, head_only=False)
        connection.transport.write(LIVE % upstream.authority)
        status = await question.status
    finally:
        connection.close()
    if status != 200:
        raise UnreachableError(f"it answers {status} to /v2/health/live")


def ask_over_grpc(channels: GrpcChannels) -> Callable[[Upstream], Awaitable[None]]:
    """The same for processes that answer over gRPC only."""

    async def ask(upstream: Upstream) -> None:
        try:
            await channels.unary(upstream, SERVER_LIVE)(b"")
        except grpc.aio.AioRpcError as error:
            raise UnreachableError(f"it answers {error.code().name} to ServerLive") from None

    return ask


async def watch(
    upstream: Upstream,
    checks: HealthChecks,
    ask: Callable[[Upstream], Awaitable[None]],
    now_ms: Callable[[], float],
) -> None:
    """Ask for ever; the first time at once."""
    while True:
        try:
            async with asyncio.timeout(checks.timeout_ms / 1000.0):
                await ask(upstream)
        except TimeoutError:
            upstream.failed_check(f"it is silent for {checks.timeout_ms:g} ms", checks)
        except PenstockError as error:
            upstream.failed_check(error.message, checks)
        else:
            upstream.passed_check(checks)
        upstream.close_idle(now_ms())
        await asyncio.sleep(checks.interval_ms / 1000.0)
