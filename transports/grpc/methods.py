"""Which method of which service is answered by what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn, TypeAlias

import grpc
from google.protobuf.message import Message
from grpc_health.v1.health_pb2 import HealthCheckRequest

from penstock.core.errors import UnsupportedError
from penstock.core.nearest import did_you_mean
from penstock.proto import control_pb2 as control
from penstock.proto import open_inference_pb2 as v2
from penstock.transports.grpc.control import ControlCalls
from penstock.transports.grpc.errors import (
    Context,
    StreamMethod,
    UnaryMethod,
    fail,
    streaming,
    unary,
)
from penstock.transports.grpc.health import HealthCalls
from penstock.transports.grpc.inference import InferenceCalls
from penstock.transports.grpc.service import InformationCalls

INFERENCE_SERVICE = "inference.GRPCInferenceService"
CONTROL_SERVICE = "penstock.control.v1.Control"
HEALTH_SERVICE = "grpc.health.v1.Health"

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Handlers: TypeAlias = Mapping[str, Handler]
"""Handlers by the full name of the method: ``/package.Service/Method``."""


def inference_handlers(inference: InferenceCalls, information: InformationCalls) -> Handlers:
    """V2. The inference methods take and give bytes and end their calls themselves."""
    methods = {
        "ModelInfer": grpc.unary_unary_rpc_method_handler(inference.infer),
        "ModelStreamInfer": grpc.stream_stream_rpc_method_handler(inference.stream_infer),
        "ServerLive": _unary(information.server_live, v2.ServerLiveRequest),
        "ServerReady": _unary(information.server_ready, v2.ServerReadyRequest),
        "ModelReady": _unary(information.model_ready, v2.ModelReadyRequest),
        "ServerMetadata": _unary(information.server_metadata, v2.ServerMetadataRequest),
        "ModelMetadata": _unary(information.model_metadata, v2.ModelMetadataRequest),
        "RepositoryIndex": _unary(information.repository_index, v2.RepositoryIndexRequest),
        "RepositoryModelLoad": _unary(
            information.repository_model_load, v2.RepositoryModelLoadRequest
        ),
        "RepositoryModelUnload": _unary(
            information.repository_model_unload, v2.RepositoryModelUnloadRequest
        ),
    }
    return _of_service(INFERENCE_SERVICE, methods)


def control_handlers(calls: ControlCalls) -> Handlers:
    """The control plane."""
    methods = {
        "Apply": _unary(calls.apply, control.ApplyRequest),
        "Delete": _unary(calls.delete, control.DeleteRequest),
        "Get": _unary(calls.get, control.GetRequest),
        "List": _unary(calls.list, control.ListRequest),
        "Watch": _streaming(calls.watch, control.WatchRequest),
    }
    return _of_service(CONTROL_SERVICE, methods)


def health_handlers(calls: HealthCalls) -> Handlers:
    """Health."""
    methods = {
        "Check": _unary(calls.check, HealthCheckRequest),
        "Watch": _streaming(calls.watch, HealthCheckRequest),
    }
    return _of_service(HEALTH_SERVICE, methods)


class MethodTable(grpc.GenericRpcHandler):  # type: ignore[type-arg]  # generic in stubs only
    """Finds handlers by the name of the method; says which is nearest when there is none."""

    def __init__(self, handlers: Handlers) -> None:
        self._handlers = handlers

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Handler:
        """The handler of a call. Hot."""
        method = handler_call_details.method
        return self._handlers.get(method) or self._unknown(method)

    def _unknown(self, method: str) -> Handler:
        hint = did_you_mean(method, self._handlers)
        error = UnsupportedError(f"there is no method {method}" + (f"; {hint}" if hint else ""))

        async def refuse(messages: object, context: Context) -> NoReturn:
            await fail(context, error)

        # A handler of streams answers calls of every shape.
        return grpc.stream_stream_rpc_method_handler(refuse)


def _serialize(message: Message) -> bytes:
    return message.SerializeToString()


def _of_service(service: str, methods: Handlers) -> Handlers:
    return {f"/{service}/{name}": handler for name, handler in methods.items()}


def _unary(method: UnaryMethod[Any, Any], request: type[Message]) -> Handler:
    return grpc.unary_unary_rpc_method_handler(unary(method), request.FromString, _serialize)


def _streaming(method: StreamMethod[Any, Any], request: type[Message]) -> Handler:
    return grpc.unary_stream_rpc_method_handler(streaming(method), request.FromString, _serialize)
