"""The gRPC front end over a real connection, in front of a gateway that does as it is told."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import grpc
import numpy as np
import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2_grpc

from fakes.control import FakeControlPlane
from fakes.gateway import FakeGateway, FakeTarget, FakeTicket
from penstock.core.config import GrpcSection
from penstock.core.contracts.frontend import FrontEndContext
from penstock.core.log_ring import LogRing
from penstock.proto import open_inference_pb2 as v2
from penstock.proto.open_inference_pb2_grpc import GRPCInferenceServiceStub
from penstock.transports.grpc.front_end import GrpcFrontEnd

LIMIT: Final = 64 * 1024
"""Bytes that a message may have."""

HEADER_LIMIT: Final = 8 * 1024

PATIENCE_S: Final = 10.0
"""How long a test waits for what must come; only a test that fails waits that long."""

# The stub files of grpcio know neither this nor which arguments have defaults.
aio: Any = grpc.aio
EOF: Final = aio.EOF


class Rig:
    """A front end that listens, and a channel to it. ``refused`` are the codes that it counted."""

    def __init__(self) -> None:
        self.gateway = FakeGateway()
        self.control = FakeControlPlane()
        self.logs = LogRing(100)
        self.front_end = GrpcFrontEnd(GrpcSection(port=0))
        self.address = ""
        self.refused: list[str] = []

    async def start(self, *, with_desk: bool = False) -> None:
        self.address = await self.front_end.start(
            FrontEndContext(
                self.gateway,
                self.control,
                max_request_bytes=LIMIT,
                max_header_bytes=HEADER_LIMIT,
                passed_headers=frozenset(("x-tenant",)),
                count_refused=self.refused.append,
                desk=self.gateway.desk if with_desk else None,
                logs=self.logs,
            )
        )
        self.channel: Any = aio.insecure_channel(self.address)
        self.v2: Any = GRPCInferenceServiceStub(self.channel)
        self.health: Any = health_pb2_grpc.HealthStub(self.channel)
        self.reflection: Any = reflection_pb2_grpc.ServerReflectionStub(self.channel)

    async def stop(self) -> None:
        await self.channel.close()
        await self.front_end.stop()

    def slow_target(self) -> tuple[FakeTarget, asyncio.Event, asyncio.Event]:
        """A target that never answers, and when a request for it has come in and was cancelled."""
        target = self.gateway.add("slow", lambda request: None)
        submitted, cancelled = asyncio.Event(), asyncio.Event()

        def watch(ticket: FakeTicket) -> None:
            ticket.on_cancel = cancelled.set
            submitted.set()

        target.on_submit = watch
        return target, submitted, cancelled


def request_of(model: str = "echo", *, size: int = 3, **fields: Any) -> v2.ModelInferRequest:
    """A request with one tensor x of so many FP32."""
    contents = np.arange(size, dtype="<f4").tobytes()
    tensor = v2.ModelInferRequest.InferInputTensor(name="x", datatype="FP32", shape=[size])
    return v2.ModelInferRequest(
        model_name=model, inputs=[tensor], raw_input_contents=[contents], **fields
    )


async def failure_of(call: Any) -> grpc.aio.AioRpcError:
    """The error with which a call must end."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await asyncio.wait_for(call, PATIENCE_S)
    return caught.value


def trailing(error: grpc.aio.AioRpcError) -> dict[str, Any]:
    """The metadata that came with an error."""
    metadata: Any = error.trailing_metadata()
    return dict(metadata)


def rpc_status(error: grpc.aio.AioRpcError) -> Any:
    """The ``google.rpc.Status`` of an error."""
    return status_pb2.Status.FromString(trailing(error)["grpc-status-details-bin"])


def error_info(error: grpc.aio.AioRpcError) -> Any:
    """The ``google.rpc.ErrorInfo`` of an error."""
    info = error_details_pb2.ErrorInfo()
    assert rpc_status(error).details[0].Unpack(info)
    return info
