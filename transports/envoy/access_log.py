"""Envoy's access log: what it says of requests that experiments have sent one way."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable
from typing import Final

import grpc

from penstock.core.contracts.forwarder import Forwarded, Way
from penstock.core.experiments.fault import fault_of_grpc, fault_of_status
from penstock.core.grpc_errors import DETAILS_KEY, code_in
from penstock.proto.envoy_pb2 import (
    HTTPAccessLogEntry,
    StreamAccessLogsMessage,
    StreamAccessLogsResponse,
)

ARM_HEADER: Final = "x-penstock-arm"
"""Goes to who answers, and into the log: the experiment, its version and the arm."""

STATUS_HEADER: Final = "grpc-status"

LOGGED: Final = (STATUS_HEADER, DETAILS_KEY)
"""The headers and trailers of answers that it needs."""

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
    """The request that the entry is about; None when no experiment sent it, and when how it ended
    says nothing of the arm."""
    words = entry.request.request_headers.get(ARM_HEADER, "").split(" ", 2)
    fault = _fault(entry)
    if len(words) != 3 or fault is None:
        return None
    experiment, version, arm = words
    duration = entry.common_properties.duration
    latency_ms = duration.seconds * 1000.0 + duration.nanos / 1e6
    return Forwarded(experiment, int(version), arm, fault, latency_ms)


def _fault(entry: HTTPAccessLogEntry) -> bool | None:
    flags, response = entry.common_properties.response_flags, entry.response
    if flags.downstream_connection_termination or flags.upstream_overflow:
        return None  # who went away has seen nothing, and what is full is a bound of ours
    told = {**response.response_headers, **response.response_trailers}
    status = told.get(STATUS_HEADER)
    if status is None:
        return fault_of_status(int(response.response_code.value))
    name = _GRPC_NAMES.get(int(status), "UNKNOWN") if status.isdigit() else "UNKNOWN"
    return fault_of_grpc(name, _code(told.get(DETAILS_KEY)))


def _code(details: str | None) -> str | None:
    """The code of our error in the details of a status, as they stand in a header."""
    if details is None:
        return None
    try:
        return code_in(base64.b64decode(details + "=" * (-len(details) % 4)))
    except ValueError:
        return None
