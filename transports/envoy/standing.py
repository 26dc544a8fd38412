"""How endpoints stand, as Envoy's administration tells it. No I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from penstock.core.contracts.forwarder import Endpoint, Health
from penstock.transports.envoy.clusters import Place, Protocol, cluster_name, place_of, speaks


class Standing(NamedTuple):
    """The health of one endpoint, and why it is not asked."""

    health: Health
    why: str = ""


UNKNOWN = Standing("unknown")

Standings = Mapping[tuple[str, Place], Standing]
"""By the name of the cluster, and where the endpoint listens."""


def standings_of(statuses: Sequence[Mapping[str, Any]]) -> Standings:
    """The answer to ``/clusters?format=json``, by cluster and place."""
    return dict(_hosts(statuses))


def standing_of(found: Standings, key: str, endpoint: Endpoint) -> Standing:
    """How an endpoint stands over all protocols that it speaks: the worst of them."""
    told = [
        found.get((cluster_name(protocol, key), place_of(url)), UNKNOWN)
        for protocol, url in _urls(endpoint)
    ]
    order = ("ejected", "unhealthy", "unknown", "healthy")
    return min(told, key=lambda each: order.index(each.health), default=UNKNOWN)


def _urls(endpoint: Endpoint) -> Iterator[tuple[Protocol, str]]:
    if speaks(endpoint, "rest"):
        yield "rest", endpoint.rest
    if speaks(endpoint, "grpc"):
        yield "grpc", endpoint.grpc


def _hosts(
    statuses: Sequence[Mapping[str, Any]],
) -> Iterator[tuple[tuple[str, Place], Standing]]:
    for cluster in statuses:
        for host in cluster.get("host_statuses", ()):
            address = host["address"].get("socket_address")
            if address is not None:
                place = Place(address["address"], address["port_value"])
                yield (cluster["name"], place), _standing(host.get("health_status", {}))


def _standing(health: Mapping[str, Any]) -> Standing:
    if health.get("failed_outlier_check"):
        return Standing("ejected", "it failed several times in a row")
    if health.get("failed_active_health_check"):
        return Standing("unhealthy", "it does not answer when it is asked whether it is up")
    return Standing("healthy")
