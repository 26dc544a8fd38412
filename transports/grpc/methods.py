"""Which method of which service is answered by what."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NoReturn, TypeAlias

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest
from grpc_reflection.v1alpha import reflection
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest

from penstock.core.errors import NotTakenError, PenstockError, UnsupportedError
from penstock.core.nearest import did_you_mean
from penstock.proto import agent_pb2 as agent
from penstock.proto import control_pb2 as control
from penstock.proto import open_inference_pb2 as v2
from penstock.proto import requests_pb2 as requests
from penstock.proto import routes_pb2 as routes
from penstock.transports.grpc.agents import AgentCalls
from penstock.transports.grpc.async_requests import AsyncRequestCalls
from penstock.transports.grpc.closing import Closing
from penstock.transports.grpc.control import ControlCalls
from penstock.transports.grpc.errors import Context, fail
from penstock.transports.grpc.guard import Handler, MethodGuard
from penstock.transports.grpc.health import HealthCalls
from penstock.transports.grpc.inference import InferenceCalls
from penstock.transports.grpc.logs import LogCalls
from penstock.transports.grpc.repository import RepositoryCalls
from penstock.transports.grpc.requests import RequestCalls
from penstock.transports.grpc.routes import RouteCalls
from penstock.transports.grpc.service import InformationCalls

INFERENCE_SERVICE: Final = "inference.GRPCInferenceService"
AGENT_SERVICE: Final = "penstock.agent.v1.Agent"
CONTROL_SERVICE: Final = "penstock.control.v1.Control"
REQUESTS_SERVICE: Final = "penstock.requests.v1.Requests"
ROUTES_SERVICE: Final = "penstock.routes.v1.Routes"
HEALTH_SERVICE: Final = "grpc.health.v1.Health"
REFLECTION_SERVICE: Final = reflection.SERVICE_NAME

HEALTH_WATCH: Final = f"/{HEALTH_SERVICE}/Watch"

ANSWERED_TO_THE_END: Final = frozenset(
    (
        f"/{HEALTH_SERVICE}/Check",
        f"/{HEALTH_SERVICE}/Watch",
        f"/{INFERENCE_SERVICE}/ServerLive",
        f"/{INFERENCE_SERVICE}/ServerReady",
        f"/{INFERENCE_SERVICE}/ModelReady",
    )
)
"""Methods that tell whoever asks that the server is about to go."""

Handlers: TypeAlias = Mapping[str, Handler]
"""Handlers by the full name of the method: ``/package.Service/Method``."""


def inference_handlers(
    inference: InferenceCalls, information: InformationCalls, guard: MethodGuard
) -> Handlers:
    """V2. The inference methods take and give bytes and end their calls themselves."""
    methods = {
        "ModelInfer": grpc.unary_unary_rpc_method_handler(inference.infer),
        "ModelStreamInfer": grpc.stream_stream_rpc_method_handler(inference.stream_infer),
        "ServerLive": guard.unary(information.server_live, v2.ServerLiveRequest),
        "ServerReady": guard.unary(information.server_ready, v2.ServerReadyRequest),
        "ModelReady": guard.unary(information.model_ready, v2.ModelReadyRequest),
        "ServerMetadata": guard.unary(information.server_metadata, v2.ServerMetadataRequest),
        "ModelMetadata": guard.unary(information.model_metadata, v2.ModelMetadataRequest),
        "RepositoryIndex": guard.unary(information.repository_index, v2.RepositoryIndexRequest),
    }
    return _of_service(INFERENCE_SERVICE, methods)


def repository_handlers(calls: RepositoryCalls, guard: MethodGuard) -> Handlers:
    """What of V2 changes models; the control plane does it."""
    methods = {
        "RepositoryModelLoad": guard.unary(calls.load, v2.RepositoryModelLoadRequest),
        "RepositoryModelUnload": guard.unary(calls.unload, v2.RepositoryModelUnloadRequest),
    }
    return _of_service(INFERENCE_SERVICE, methods)


def request_handlers(calls: RequestCalls, guard: MethodGuard) -> Handlers:
    """What the control plane knows of requests."""
    methods = {
        "Inspect": guard.unary(calls.inspect, control.InspectRequest),
        "Export": guard.streaming(calls.export, control.ExportRequest),
        "Tap": guard.streaming(calls.tap, control.TapRequest),
        "ListRequests": guard.unary(calls.list_requests, control.ListRequestsRequest),
        "GetDeadLetter": guard.unary(calls.get_dead_letter, control.GetDeadLetterRequest),
        "ListDeadLetters": guard.unary(calls.list_dead_letters, control.ListDeadLettersRequest),
        "SendDeadLetter": guard.unary(calls.send_dead_letter, control.SendDeadLetterRequest),
    }
    return _of_service(CONTROL_SERVICE, methods)


def async_request_handlers(calls: AsyncRequestCalls, guard: MethodGuard) -> Handlers:
    """Requests that nobody waits for."""
    methods = {
        "Submit": guard.unary(calls.submit, requests.SubmitRequest),
        "Fetch": guard.unary(calls.fetch, requests.FetchRequest),
        "Follow": guard.streaming(calls.follow, requests.FollowRequest),
    }
    return _of_service(REQUESTS_SERVICE, methods)


def control_handlers(calls: ControlCalls, guard: MethodGuard) -> Handlers:
    """The control plane."""
    methods = {
        "Apply": guard.unary(calls.apply, control.ApplyRequest),
        "Delete": guard.unary(calls.delete, control.DeleteRequest),
        "Describe": guard.unary(calls.describe, control.DescribeRequest),
        "Drain": guard.unary(calls.drain, control.DrainRequest),
        "CompareArms": guard.unary(calls.compare_arms, control.CompareArmsRequest),
        "Settle": guard.unary(calls.settle, control.SettleRequest),
        "FollowDrain": guard.streaming(calls.follow_drain, control.FollowDrainRequest),
        "Explain": guard.unary(calls.explain, control.ExplainRequest),
        "Scaling": guard.unary(calls.scaling, control.ScalingRequest),
        "Get": guard.unary(calls.get, control.GetRequest),
        "List": guard.unary(calls.list, control.ListRequest),
        "Watch": guard.streaming(calls.watch, control.WatchRequest),
    }
    return _of_service(CONTROL_SERVICE, methods)


def log_handlers(calls: LogCalls, guard: MethodGuard) -> Handlers:
    """What the server logs."""
    methods = {"Logs": guard.streaming(calls.logs, control.LogsRequest)}
    return _of_service(CONTROL_SERVICE, methods)


def agent_handlers(calls: AgentCalls, guard: MethodGuard) -> Handlers:
    """Where agents follow a scheduler."""
    methods = {"Follow": guard.talking(calls.follow, agent.FromAgent)}
    return _of_service(AGENT_SERVICE, methods)


def route_handlers(calls: RouteCalls, guard: MethodGuard) -> Handlers:
    """Routes, for gateways elsewhere."""
    return _of_service(
        ROUTES_SERVICE, {"Follow": guard.talking(calls.follow, routes.Acknowledgement)}
    )


def health_handlers(calls: HealthCalls, guard: MethodGuard) -> Handlers:
    """Health."""
    methods = {
        "Check": guard.unary(calls.check, HealthCheckRequest),
        "Watch": guard.streaming(calls.watch, HealthCheckRequest),
    }
    return _of_service(HEALTH_SERVICE, methods)


def reflection_handlers(services: list[str], pool: object, guard: MethodGuard) -> Handlers:
    """gRPC's reflection of ``services``, whose files are in ``pool``."""
    servicer = reflection.aio.ReflectionServicer(services, pool=pool)  # type: ignore[attr-defined]
    methods = {
        "ServerReflectionInfo": guard.talking(
            servicer.ServerReflectionInfo, ServerReflectionRequest
        ),
    }
    return _of_service(REFLECTION_SERVICE, methods)


class MethodTable(grpc.GenericRpcHandler):  # type: ignore[type-arg]  # generic in stubs only
    """Finds handlers by the name of the method; says which is nearest when there is none.

    When closing has begun, calls are refused, but for those that ask how the server is.
    """

    def __init__(
        self,
        handlers: Handlers,
        closing: Closing,
        others: Callable[[str], Handler] | None = None,
    ) -> None:
        """``others`` makes handlers of all other methods, where somebody else answers those."""
        self._handlers = handlers
        self._others = others
        self._closing = closing

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Handler:
        """The handler of a call. Hot."""
        method = handler_call_details.method
        if self._closing.begun and method not in ANSWERED_TO_THE_END:
            return grpc.stream_stream_rpc_method_handler(self._refuse)
        return self._handlers.get(method) or (self._others or self._unknown)(method)

    async def _refuse(self, messages: object, context: Context) -> NoReturn:
        await self._closing.refusal()
        await fail(
            context,
            NotTakenError("the server is stopping; send the request again to another one"),
        )

    def _unknown(self, method: str) -> Handler:
        hint = did_you_mean(method, self._handlers)
        said = f"there is no method {method}" + (f"; {hint}" if hint else "")
        return refusing(UnsupportedError(said))


def refusing(error: PenstockError) -> Handler:
    """What ends every call with ``error``."""

    async def refuse(messages: object, context: Context) -> NoReturn:
        await fail(context, error)

    # A handler of streams answers calls of every shape.
    return grpc.stream_stream_rpc_method_handler(refuse)


def _of_service(service: str, methods: Handlers) -> Handlers:
    return {f"/{service}/{name}": handler for name, handler in methods.items()}
