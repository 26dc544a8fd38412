"""Streams of server-sent events: heartbeats, errors, and an end when the server drains.

Source of the format: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, Final

from starlette.responses import Response, StreamingResponse

from penstock.core.errors import PenstockError
from penstock.transports.rest.errors import error_body
from penstock.transports.rest.json_response import json_bytes

EVENT_STREAM: Final = "text/event-stream"

HEARTBEAT_S: Final = 15.0
"""After so long without an event a comment is sent, which shows whether the client is there."""


def event(name: str, data: Any) -> bytes:
    """One event."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), json_bytes(data))


def event_response(events: AsyncGenerator[bytes], closing: asyncio.Event) -> Response:
    """The answer that streams ``events``, up to their end or until ``closing`` is set. A
    PenstockError that they raise is the last event, ``error``."""
    return StreamingResponse(
        _streamed(events, closing),
        media_type=EVENT_STREAM,
        headers={"cache-control": "no-store"},
    )


async def _streamed(events: AsyncGenerator[bytes], closing: asyncio.Event) -> AsyncIterator[bytes]:
    closed = asyncio.ensure_future(closing.wait())
    following: asyncio.Future[bytes] | None = None
    async with aclosing(events):
        try:
            while not closed.done():
                if following is None:
                    following = asyncio.ensure_future(_next(events))
                await asyncio.wait(
                    (following, closed), timeout=HEARTBEAT_S, return_when=asyncio.FIRST_COMPLETED
                )
                if not following.done():
                    yield b": still here\n\n"
                    continue
                try:
                    told = following.result()
                except StopAsyncIteration:
                    return
                except PenstockError as error:
                    yield b"event: error\ndata: " + error_body(error) + b"\n"
                    return
                following = None
                yield told
        finally:
            closed.cancel()
            if following is not None and not following.done():
                following.cancel()
                await asyncio.wait((following,))


async def _next(events: AsyncGenerator[bytes]) -> bytes:
    return await anext(events)
