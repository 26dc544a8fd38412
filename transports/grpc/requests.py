"""The methods of the control service that tell of requests and of dead letters."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, Final

import orjson

from penstock.core.contracts.inquiries import Begin, Inquiries, Search, checked_begin
from penstock.core.errors import InvalidRequestError
from penstock.core.journal.desk import MOST_LISTED
from penstock.proto import control_pb2 as pb
from penstock.transports.grpc.closing import Closing
from penstock.transports.grpc.errors import Context

USUAL_LIMIT: Final = 20

PIECE_BYTES: Final = 1024 * 1024
"""So much of a file is in one message."""


class RequestCalls:
    """Every method may raise PenstockError."""

    def __init__(self, inquiries: Inquiries, closing: Closing) -> None:
        self._inquiries = inquiries
        self._closing = closing

    async def inspect(self, request: pb.InspectRequest, context: Context) -> pb.InspectResponse:
        """Inspect."""
        return pb.InspectResponse(story=_text(await self._inquiries.inspect(request.request)))

    async def list_requests(
        self, request: pb.ListRequestsRequest, context: Context
    ) -> pb.ListRequestsResponse:
        """ListRequests."""
        search = Search(
            request.pipeline or None,
            request.outcome or None,
            request.since_ms,
            request.until_ms or math.inf,
            request.x_request_id or None,
            _limit(request.limit),
        )
        found = await self._inquiries.find(search)
        return pb.ListRequestsResponse(requests=[_text(each) for each in found])

    async def export(
        self, request: pb.ExportRequest, context: Context
    ) -> AsyncIterator[pb.ExportResponse]:
        """Export."""
        case = await self._inquiries.export(request.request)
        for start in range(0, len(case), PIECE_BYTES):
            yield pb.ExportResponse(piece=case[start : start + PIECE_BYTES])

    async def tap(self, request: pb.TapRequest, context: Context) -> AsyncIterator[pb.TapResponse]:
        """Tap; ends when the server drains."""
        if request.limit < 0:
            raise InvalidRequestError(f"the limit is {request.limit}; it is 0 (none) or more")
        tapped = await self._inquiries.tap(
            request.port,
            everything=request.everything,
            state=request.state or None,
            most=request.limit,
            begin=_begin(request),
        )
        async with aclosing(tapped):
            async for told in self._closing.until(tapped):
                if told.kind == "lost":
                    yield pb.TapResponse(lost=told.document["lost"])
                else:
                    yield pb.TapResponse(
                        record=_text(told.document) if told.kind == "record" else ""
                    )

    async def get_dead_letter(
        self, request: pb.GetDeadLetterRequest, context: Context
    ) -> pb.GetDeadLetterResponse:
        """GetDeadLetter."""
        return pb.GetDeadLetterResponse(letter=_text(await self._inquiries.letter(request.number)))

    async def list_dead_letters(
        self, request: pb.ListDeadLettersRequest, context: Context
    ) -> pb.ListDeadLettersResponse:
        """ListDeadLetters."""
        found = await self._inquiries.letters(
            pipeline=request.pipeline or None, most=_limit(request.limit)
        )
        return pb.ListDeadLettersResponse(letters=[_text(each) for each in found])

    async def send_dead_letter(
        self, request: pb.SendDeadLetterRequest, context: Context
    ) -> pb.SendDeadLetterResponse:
        """SendDeadLetter."""
        return pb.SendDeadLetterResponse(request=await self._inquiries.send_again(request.number))


def _begin(request: pb.TapRequest) -> Begin:
    return checked_begin(
        request.since_ms if request.HasField("since_ms") else None,
        request.offset if request.HasField("offset") else None,
        request.partition if request.HasField("partition") else None,
    )


def _text(document: dict[str, Any]) -> str:
    return orjson.dumps(document).decode()


def _limit(limit: int) -> int:
    if not 0 <= limit <= MOST_LISTED:
        raise InvalidRequestError(f"the limit is {limit}; it is 1 to {MOST_LISTED}")
    return limit or USUAL_LIMIT
