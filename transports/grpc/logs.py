"""The method of the control service that tells what the server logs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing

import orjson

from penstock.core.log_ring import LogQuery, LogRing
from penstock.proto import control_pb2 as pb
from penstock.transports.grpc.closing import Closing
from penstock.transports.grpc.errors import Context


class LogCalls:
    """Every method may raise PenstockError."""

    def __init__(self, ring: LogRing, closing: Closing) -> None:
        self._ring = ring
        self._closing = closing

    async def logs(
        self, request: pb.LogsRequest, context: Context
    ) -> AsyncIterator[pb.LogsResponse]:
        """Logs; ends when the server drains."""
        query = LogQuery.read(
            request.kind or None, request.name or None, request.since_ms, request.level or None
        )
        lines = self._ring.read(query, follow=request.follow)
        async with aclosing(lines):
            async for told in self._closing.until(lines):
                record = "" if told.record is None else orjson.dumps(told.record).decode()
                yield pb.LogsResponse(record=record, lost=told.lost)
