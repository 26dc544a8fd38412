"""Envoy's messages, written as its own documentation writes them: as JSON, with its field names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias, TypeVar

from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.config.route.v3.route_components_pb2 import RouteList
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from envoy.extensions.access_loggers.grpc.v3.als_pb2 import HttpGrpcAccessLogConfig
from envoy.extensions.filters.http.lua.v3.lua_pb2 import Lua, LuaPerRoute
from envoy.extensions.filters.http.router.v3.router_pb2 import Router
from envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2,
)
from envoy.extensions.load_balancing_policies.least_request.v3.least_request_pb2 import (
    LeastRequest,
)
from envoy.extensions.load_balancing_policies.ring_hash.v3.ring_hash_pb2 import RingHash
from envoy.extensions.retry.host.previous_hosts.v3.previous_hosts_pb2 import (
    PreviousHostsPredicate,
)
from envoy.extensions.upstreams.http.v3.http_protocol_options_pb2 import HttpProtocolOptions
from envoy.service.runtime.v3.rtds_pb2 import Runtime
from envoy.type.matcher.v3.http_inputs_pb2 import HttpRequestHeaderMatchInput
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message

Json: TypeAlias = Mapping[str, object]

M = TypeVar("M", bound=Message)

_TYPES: Final = {
    kind.DESCRIPTOR.name: kind.DESCRIPTOR.full_name
    for kind in (
        Cluster,
        ClusterLoadAssignment,
        Listener,
        RouteConfiguration,
        RouteList,
        HttpGrpcAccessLogConfig,
        Lua,
        LuaPerRoute,
        Router,
        http_connection_manager_pb2.HttpConnectionManager,
        LeastRequest,
        RingHash,
        PreviousHostsPredicate,
        HttpProtocolOptions,
        HttpRequestHeaderMatchInput,
        Runtime,
    )
}
"""By their short names; that they are imported is what lets JSON name them."""


def type_url(name: str) -> str:
    """What a message of this kind is called where any may stand."""
    return f"type.googleapis.com/{_TYPES[name]}"


def typed(name: str, content: Json) -> Json:
    """A message where any may stand."""
    return {"@type": type_url(name), **content}


def extension(name: str, kind: str, content: Json) -> Json:
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
