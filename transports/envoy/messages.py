"""Envoy's messages, written as its own documentation writes them: as JSON, with its field names."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from typing import Final, TypeAlias, TypeVar

from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message

from penstock.proto import envoy_pb2

Json: TypeAlias = Mapping[str, object]

M = TypeVar("M", bound=Message)

_EXTENSIONS: Final = "envoy.extensions"

NAMES: Final[Mapping[type[Message], str]] = {
    envoy_pb2.Cluster: "envoy.config.cluster.v3.Cluster",
    envoy_pb2.ClusterLoadAssignment: "envoy.config.endpoint.v3.ClusterLoadAssignment",
    envoy_pb2.Listener: "envoy.config.listener.v3.Listener",
    envoy_pb2.RouteConfiguration: "envoy.config.route.v3.RouteConfiguration",
    envoy_pb2.RouteList: "envoy.config.route.v3.RouteList",
    envoy_pb2.Runtime: "envoy.service.runtime.v3.Runtime",
    envoy_pb2.HttpRequestHeaderMatchInput: "envoy.type.matcher.v3.HttpRequestHeaderMatchInput",
    envoy_pb2.HttpGrpcAccessLogConfig: (
        f"{_EXTENSIONS}.access_loggers.grpc.v3.HttpGrpcAccessLogConfig"
    ),
    envoy_pb2.Lua: f"{_EXTENSIONS}.filters.http.lua.v3.Lua",
    envoy_pb2.LuaPerRoute: f"{_EXTENSIONS}.filters.http.lua.v3.LuaPerRoute",
    envoy_pb2.Router: f"{_EXTENSIONS}.filters.http.router.v3.Router",
    envoy_pb2.HttpConnectionManager: (
        f"{_EXTENSIONS}.filters.network.http_connection_manager.v3.HttpConnectionManager"
    ),
    envoy_pb2.LeastRequest: (
        f"{_EXTENSIONS}.load_balancing_policies.least_request.v3.LeastRequest"
    ),
    envoy_pb2.RingHash: f"{_EXTENSIONS}.load_balancing_policies.ring_hash.v3.RingHash",
    envoy_pb2.PreviousHostsPredicate: (
        f"{_EXTENSIONS}.retry.host.previous_hosts.v3.PreviousHostsPredicate"
    ),
    envoy_pb2.HttpProtocolOptions: f"{_EXTENSIONS}.upstreams.http.v3.HttpProtocolOptions",
}
"""What Envoy calls the messages that stand where any may."""


def type_url(kind: type[Message]) -> str:
    """What a message of this kind is called where any may stand."""
    return f"type.googleapis.com/{NAMES[kind]}"


def typed(kind: type[Message], content: Json) -> Json:
    """A message where any may stand."""
    return {"type_url": type_url(kind), "value": b64encode(encoded(kind, content)).decode()}


def extension(name: str, kind: type[Message], content: Json) -> Json:
    """An extension of Envoy by its name, with its configuration."""
    return {"name": name, "typed_config": typed(kind, content)}


def seconds(milliseconds: float) -> str:
    """A duration as JSON has it."""
    return f"{milliseconds / 1000.0:.6f}s"


def parsed(kind: type[M], content: Json) -> M:
    """The message that JSON says."""
    return ParseDict(dict(content), kind())


def encoded(kind: type[Message], content: Json) -> bytes:
    """A message on the wire; the same content is the same bytes."""
    return parsed(kind, content).SerializeToString(deterministic=True)
