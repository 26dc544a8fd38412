"""Where Envoy listens, and what it does with a request before it is routed."""

from __future__ import annotations

from math import ceil
from typing import Final

from penstock.core.contracts.forwarder import ForwarderContext
from penstock.proto.envoy_pb2 import (
    HttpConnectionManager,
    HttpGrpcAccessLogConfig,
    Listener,
    Lua,
    Router,
)
from penstock.transports.envoy.access_log import ARM_HEADER, LOGGED
from penstock.transports.envoy.bootstrap import grpc_service
from penstock.transports.envoy.clusters import Protocol
from penstock.transports.envoy.messages import Json, encoded, extension, seconds
from penstock.transports.envoy.replies import local_replies
from penstock.transports.envoy.resources import Resource, resource
from penstock.transports.envoy.routes import LUA

FLUSH_MS: Final = 200.0
"""How long what became of a request may wait until it is told."""


def listener(protocol: Protocol, port: int, context: ForwarderContext) -> Resource:
    """The listener of one protocol."""
    manager = extension(
        "envoy.filters.network.http_connection_manager",
        HttpConnectionManager,
        _manager(protocol, context),
    )
    content = {
        "name": protocol,
        "address": {"socket_address": {"address": context.host, "port_value": port}},
        "filter_chains": [{"filters": [manager]}],
        "enable_reuse_port": context.shared_port,
    }
    return resource(encoded(Listener, content))


def _manager(protocol: Protocol, context: ForwarderContext) -> Json:
    return {
        "stat_prefix": protocol,
        "codec_type": "AUTO" if protocol == "rest" else "HTTP2",
        "rds": {
            "route_config_name": protocol,
            "config_source": {"ads": {}, "resource_api_version": "V3"},
        },
        "http_filters": [
            # Its program comes with the routes, so that a listener never changes.
            extension(LUA, Lua, {}),
            extension("envoy.filters.http.router", Router, {"suppress_envoy_headers": True}),
        ],
        "access_log": [_access_log()],
        "local_reply_config": local_replies(protocol),
        "max_request_headers_kb": ceil(context.max_header_bytes / 1024),
        # What is said of a request is its caller's and the answerer's.
        "server_header_transformation": "PASS_THROUGH",
        "generate_request_id": False,
        "preserve_external_request_id": True,
        "skip_xff_append": True,
        # Streams of news say nothing for hours.
        "stream_idle_timeout": "0s",
        "drain_timeout": seconds(context.drain_ms),
    }


def _access_log() -> Json:
    """Only what an experiment has sent one way is told."""
    log = extension(
        "envoy.access_loggers.http_grpc",
        HttpGrpcAccessLogConfig,
        {
            "common_config": {
                "log_name": "experiments",
                "grpc_service": grpc_service(),
                "transport_api_version": "V3",
                "buffer_flush_interval": seconds(FLUSH_MS),
            },
            "additional_request_headers_to_log": [ARM_HEADER],
            "additional_response_headers_to_log": list(LOGGED),
            "additional_response_trailers_to_log": list(LOGGED),
        },
    )
    present = {"header_filter": {"header": {"name": ARM_HEADER, "present_match": True}}}
    return {**log, "filter": present}
