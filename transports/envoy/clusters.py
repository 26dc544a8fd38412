"""Endpoints as Envoy's clusters have them, once for each protocol that they speak."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final, Literal, NamedTuple, TypeAlias
from urllib.parse import urlsplit

from penstock.core.contracts.forwarder import GATEWAYS, Endpoint, ForwarderContext
from penstock.proto.envoy_pb2 import (
    Cluster,
    ClusterLoadAssignment,
    HttpProtocolOptions,
    Runtime,
)
from penstock.transports.envoy.balancing import Balancing
from penstock.transports.envoy.bootstrap import LIMITS
from penstock.transports.envoy.messages import Json, encoded, seconds, typed
from penstock.transports.envoy.resources import Resource, resource

Protocol: TypeAlias = Literal["rest", "grpc"]
PROTOCOLS: Final[tuple[Protocol, ...]] = ("rest", "grpc")

_MANY: Final = 1_000_000
"""Of connections and waiting requests, which only the requests under way are to bound."""


class Place(NamedTuple):
    """Where a process listens."""

    host: str
    port: int


def cluster_name(protocol: Protocol, key: str) -> str:
    """What Envoy calls a group of endpoints."""
    return f"{protocol}.{key}"


def speaks(endpoint: Endpoint, protocol: Protocol) -> bool:
    """Whether an endpoint answers over a protocol."""
    return bool(endpoint.rest if protocol == "rest" else endpoint.grpc)


@dataclass(frozen=True, slots=True)
class ClusterMaker:
    """Makes clusters by one policy."""

    context: ForwarderContext
    balancing: Balancing

    def cluster(self, protocol: Protocol, key: str, endpoints: Sequence[Endpoint]) -> Resource:
        """The cluster of those endpoints that speak the protocol."""
        name = cluster_name(protocol, key)
        speaking = [each for each in endpoints if speaks(each, protocol)]
        content = {"name": name, **self._how(protocol, key, speaking)}
        if has_addresses(speaking):
            discovered = {"eds_config": {"ads": {}, "resource_api_version": "V3"}}
            content |= {"type": "EDS", "eds_cluster_config": discovered}
        else:
            assignment = self._assignment(protocol, name, speaking)
            content |= {"type": "STRICT_DNS", "load_assignment": assignment}
        return resource(encoded(Cluster, content))

    def assignment(
        self, protocol: Protocol, key: str, endpoints: Sequence[Endpoint]
    ) -> Resource | None:
        """The endpoints of a cluster; None where names among them make them part of it."""
        speaking = [each for each in endpoints if speaks(each, protocol)]
        if not has_addresses(speaking):
            return None
        content = self._assignment(protocol, cluster_name(protocol, key), speaking)
        return resource(encoded(ClusterLoadAssignment, content))

    def limits(self, clusters: Iterable[tuple[str, Sequence[Endpoint]]]) -> Resource:
        """What goes over the limits of clusters: so many requests under way for each endpoint."""
        layer = {
            f"circuit_breakers.{cluster_name(protocol, key)}.default.max_requests": float(
                self.context.policy.in_flight * sum(speaks(each, protocol) for each in endpoints)
            )
            for key, endpoints in clusters
            for protocol in PROTOCOLS
        }
        return resource(encoded(Runtime, {"name": LIMITS, "layer": layer}))

    def _how(self, protocol: Protocol, key: str, endpoints: Sequence[Endpoint]) -> Json:
        policy = self.context.policy
        at_once = {
            "max_connections": _MANY,
            "max_pending_requests": _MANY,
            "max_requests": policy.in_flight,
            "retry_budget": {"budget_percent": {"value": 20}, "min_retry_concurrency": 10},
        }
        options = typed(HttpProtocolOptions, self._protocol(protocol))
        return {
            "connect_timeout": seconds(policy.connect_timeout_ms),
            "load_balancing_policy": self.balancing.policy,
            "common_lb_config": {
                # Only when none is healthy are the others asked all the same.
                "healthy_panic_threshold": {"value": 1},
                # Else Envoy gathers what it hears of them for a second.
                "update_merge_window": "0s",
            },
            "circuit_breakers": {"thresholds": [at_once]},
            "typed_extension_protocol_options": {
                "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options
            },
            "health_checks": [self._health_check(endpoints)],
            "outlier_detection": self._outliers(key),
            # Requests to an endpoint that is gone end as they began.
            "ignore_health_on_host_removal": True,
        }

    def _protocol(self, protocol: Protocol) -> Json:
        if protocol == "grpc":
            return {"explicit_http_config": {"http2_protocol_options": {}}}
        # Shorter than servers keep idle connections, so that none is closed under a request.
        return {
            "common_http_protocol_options": {"idle_timeout": "3s"},
            "explicit_http_config": {"http_protocol_options": {}},
        }

    def _health_check(self, endpoints: Sequence[Endpoint]) -> Json:
        health = self.context.policy.health
        how: Json = {"tcp_health_check": {}}
        if all(each.rest for each in endpoints):
            how = {"http_health_check": {"path": "/v2/health/live", "codec_client_type": "HTTP1"}}
        return {
            "interval": seconds(health.interval_ms),
            "no_traffic_interval": seconds(health.interval_ms),
            "timeout": seconds(health.timeout_ms),
            "unhealthy_threshold": health.unhealthy_after,
            "healthy_threshold": health.healthy_after,
            **how,
        }

    def _outliers(self, key: str) -> Json:
        outliers = self.context.policy.outliers
        return {
            "consecutive_5xx": outliers.failures,
            # What comes through gateways is of many models, whose failures say nothing of them.
            "enforcing_consecutive_5xx": 0 if key == GATEWAYS else 100,
            "split_external_local_origin_errors": True,
            "consecutive_local_origin_failure": outliers.failures,
            "enforcing_consecutive_local_origin_failure": 100,
            "enforcing_local_origin_success_rate": 0,
            "enforcing_consecutive_gateway_failure": 0,
            "enforcing_success_rate": 0,
            "base_ejection_time": seconds(outliers.eject_ms),
            "interval": seconds(min(1_000.0, outliers.eject_ms)),
            "max_ejection_percent": ceil(outliers.most_percent),
            "always_eject_one_host": True,
            # Who is up may yet fail at what it is asked for.
            "successful_active_health_check_uneject_host": False,
        }

    def _assignment(self, protocol: Protocol, name: str, endpoints: Sequence[Endpoint]) -> Json:
        return {"cluster_name": name, "endpoints": list(self._zones(protocol, endpoints))}

    def _zones(self, protocol: Protocol, endpoints: Sequence[Endpoint]) -> Iterator[Json]:
        """Groups of endpoints, each of them to be asked only where too few before it are well."""
        own = self.context.zone
        near = [each for each in endpoints if not self.balancing.nearest or each.zone == own]
        far = [each for each in endpoints if each not in near]
        for priority, group in enumerate(filter(None, (near, far))):
            lb_endpoints = [_lb_endpoint(protocol, each) for each in group]
            yield {"priority": priority, "lb_endpoints": lb_endpoints}


def place_of(url: str) -> Place:
    """Where a URL leads to."""
    parts = urlsplit(url)
    assert parts.hostname is not None, "an endpoint has a host"
    default = 443 if parts.scheme == "https" else 80
    return Place(parts.hostname, default if parts.port is None else parts.port)


def has_addresses(endpoints: Sequence[Endpoint]) -> bool:
    """Whether all are named by addresses, and none by a name that has to be looked up."""
    urls = [url for each in endpoints for url in (each.rest, each.grpc) if url]
    return all(_is_address(place_of(url).host) for url in urls)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _lb_endpoint(protocol: Protocol, endpoint: Endpoint) -> Json:
    place = place_of(endpoint.rest if protocol == "rest" else endpoint.grpc)
    found: dict[str, object] = {"address": _address(place)}
    if protocol == "grpc" and endpoint.rest:
        # Who is asked over gRPC says over REST whether it is up.
        found["health_check_config"] = {"address": _address(place_of(endpoint.rest))}
    return {"endpoint": found}


def _address(place: Place) -> Json:
    return {"socket_address": {"address": place.host, "port_value": place.port}}
