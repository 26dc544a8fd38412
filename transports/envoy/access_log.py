"""Envoy's access log: what it says of requests that experiments have sent one way."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Final

import grpc

from penstock.core.contracts.forwarder import Forwarded, Way
from penstock.core.statuses import STATUSES
from penstock.proto.envoy_pb2 import (
    HTTPAccessLogEntry,
    StreamAccessLogsMessage,
    StreamAccessLogsResponse,
)

ARM_HEADER: Final = "x-penstock-arm"
"""Goes to who answers, and into the log: the experiment, its version and the arm."""

STATUS_HEADER: Final = "grpc-status"

_AT_FAULT: Final = frozenset(
    {"UNKNOWN", "DATA_LOSS"} | {each.grpc for each in STATUSES.values() if each.http >= 500}
)

_GRPC_NAMES: Final = {each.value[0]: each.name for each in grpc.StatusCode}


class AccessLogs:
    """Hears from Envoys what became of the requests of experiments."""

    def __init__(self, count: Callable[[Forwarded], None]) -> None:
        self._count = count

    def service(self) -> grpc.GenericRpcHandler[StreamAccessLogsMessage, StreamAccessLogsResponse]:
        """The service as a server takes it."""
        method = grpc.stream_unary_rpc_method_handler(
            self.hear,
            request_deserializer=StreamAccessLogsMessage.FromString,
            response_serializer=StreamAccessLogsResponse.SerializeToString,
        )
        return grpc.method_handlers_generic_handler(
            "envoy.service.accesslog.v3.AccessLogService", {"StreamAccessLogs": method}
        )

    async def hear(
        self,
        requests: AsyncIterator[StreamAccessLogsMessage],
        context: grpc.aio.ServicerContext[StreamAccessLogsMessage, StreamAccessLogsResponse],
    ) -> StreamAccessLogsResponse:
        """One connection of an Envoy's worker."""
        async for message in requests:
            for entry in message.http_logs.log_entry:
                forwarded = forwarded_of(entry)
                if forwarded is not None:
                    self._count(forwarded)
        return StreamAccessLogsResponse()


def arm_words(way: Way, arm: str) -> str:
    """The value of the header for a request that goes to this arm."""
    return f"{way.experiment} {way.version} {arm}"


def forwarded_of(entry: HTTPAccessLogEntry) -> Forwarded | None:
    """The request that the entry is about; None when no experiment sent it."""
    words = entry.request.request_headers.get(ARM_HEADER, "").split(" ", 2)
    if len(words) != 3:
        return None
    experiment, version, arm = words
    duration = entry.common_properties.duration
    latency_ms = duration.seconds * 1000.0 + duration.nanos / 1e6
    return Forwarded(experiment, int(version), arm, _failed(entry), latency_ms)


def _failed(entry: HTTPAccessLogEntry) -> bool:
    response = entry.response
    status = response.response_trailers.get(
        STATUS_HEADER, response.response_headers.get(STATUS_HEADER)
    )
    if status is None:
        return int(response.response_code.value) >= 500
    return not status.isdigit() or _GRPC_NAMES.get(int(status), "UNKNOWN") in _AT_FAULT
