"""The reflection service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from harness.grpc_rig import Rig


async def test_reflection_describes_every_service(rig: Rig) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(rig.channel)
    asked = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(
            file_containing_symbol="inference.GRPCInferenceService"
        ),
        reflection_pb2.ServerReflectionRequest(
            file_containing_symbol="penstock.control.v1.Control"
        ),
    ]
    answers = [answer async for answer in stub.ServerReflectionInfo(_async(asked))]
    names = {service.name for service in answers[0].list_services_response.service}
    assert names == {
        "inference.GRPCInferenceService",
        "penstock.control.v1.Control",
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    }
    assert all(answer.file_descriptor_response.file_descriptor_proto for answer in answers[1:])


async def _async(items: list[Any]) -> AsyncIterator[Any]:
    for item in items:
        yield item
