"""What an Envoy is started with: whom it asks for everything else."""

from __future__ import annotations

import json
from typing import Final

from penstock.proto.envoy_pb2 import HttpProtocolOptions
from penstock.transports.envoy.messages import Json, type_url

CONTROL_PLANE: Final = "penstock-control-plane"

LIMITS: Final = "penstock-limits"

_KEEPALIVE: Final[Json] = {"interval": "5s", "timeout": "5s"}


def address_of(place: str) -> Json:
    """``unix:/path`` or ``host:port`` as Envoy writes it."""
    path = place.removeprefix("unix:")
    if path != place:
        return {"pipe": {"path": path}}
    host, _, port = place.rpartition(":")
    return {"socket_address": {"address": host.strip("[]"), "port_value": int(port)}}


def grpc_service() -> Json:
    """How Envoy reaches its control plane."""
    return {"envoy_grpc": {"cluster_name": CONTROL_PLANE}, "timeout": "0s"}


def bootstrap(node: str, control_plane: str, admin: str) -> str:
    """The bootstrap file, for an Envoy called ``node``; as JSON, which Envoy reads as YAML."""
    discovered: Json = {"ads": {}, "resource_api_version": "V3"}
    return json.dumps(
        {
            "node": {"id": node, "cluster": "penstock"},
            "admin": {"address": address_of(admin)},
            "dynamic_resources": {
                "ads_config": {
                    "api_type": "DELTA_GRPC",
                    "transport_api_version": "V3",
                    "set_node_on_first_message_only": True,
                    "grpc_services": [grpc_service()],
                },
                "cds_config": discovered,
                "lds_config": discovered,
            },
            "layered_runtime": {"layers": [_limits(discovered)]},
            "static_resources": {"clusters": [_control_plane(control_plane)]},
        },
        indent=2,
    )


def _limits(discovered: Json) -> Json:
    """Limits may change without the clusters that they are of being made anew."""
    return {"name": LIMITS, "rtds_layer": {"name": LIMITS, "rtds_config": discovered}}


def _control_plane(place: str) -> Json:
    protocols = {
        "@type": type_url(HttpProtocolOptions),
        "explicit_http_config": {
            "http2_protocol_options": {"connection_keepalive": _KEEPALIVE},
        },
    }
    return {
        "name": CONTROL_PLANE,
        "type": "STATIC" if place.startswith("unix:") else "STRICT_DNS",
        "connect_timeout": "5s",
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": protocols
        },
        "load_assignment": {
            "cluster_name": CONTROL_PLANE,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address_of(place)}}]}],
        },
    }
