"""Where requests go, once the steering program has said what they are for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from penstock.core.contracts.forwarder import (
    GATEWAYS,
    VERSION_HEADER,
    ForwarderContext,
    Share,
    Way,
)
from penstock.core.request_headers import ROUTE_HEADERS, STRICT_ROUTE_HEADER
from penstock.proto.envoy_pb2 import (
    DataSource,
    HttpRequestHeaderMatchInput,
    LuaPerRoute,
    PreviousHostsPredicate,
    RouteConfiguration,
    RouteList,
)
from penstock.transports.envoy.access_log import ARM_HEADER, arm_words
from penstock.transports.envoy.balancing import Balancing
from penstock.transports.envoy.clusters import Protocol, cluster_name
from penstock.transports.envoy.messages import Json, extension, parsed, type_url, typed
from penstock.transports.envoy.resources import Resource, resource
from penstock.transports.envoy.steering import CLUSTER_HEADER, TRAIL_HEADER, WAY_HEADER, steering

LUA: Final = "envoy.filters.http.lua"

WHOLE: Final = 1_000_000
"""What weights are fractions of."""

SELECTIONS: Final = 64
"""How often an endpoint is chosen anew, for a request that is tried again, when it is one that has
failed. Who fails at once has little to do, so it is chosen often."""

_SAFE: Final = "connect-failure,refused-stream"
"""When a request was never taken in."""

_ENVOYS: Final = ("x-envoy-internal", "x-envoy-external-address")
"""What Envoy says of the caller, to nobody who knows it."""


class Leg(NamedTuple):
    """A share, and where it leads: the cluster's name without its protocol, and the version that
    goes along."""

    share: Share
    cluster: str
    version: str


class Fork(NamedTuple):
    """A name whose requests go more than one way, or are told which one they took."""

    way: Way
    legs: tuple[Leg, ...]
    copied: Leg | None = None


@dataclass(frozen=True, slots=True)
class RouteMaker:
    """Makes the routes of a listener by one policy."""

    context: ForwarderContext
    balancing: Balancing

    def routes(self, protocol: Protocol, names: str, forks: Mapping[str, Fork]) -> Resource:
        """All routes: ``names`` is the steering program's table of names with one way, and forks
        are those that this protocol can go."""
        host: dict[str, object] = {
            "name": protocol,
            "domains": ["*"],
            "retry_policy": self._retries(),
            "request_headers_to_remove": [CLUSTER_HEADER, TRAIL_HEADER, WAY_HEADER, *_ENVOYS],
        }
        plain = self._route(protocol, {"cluster_header": CLUSTER_HEADER})
        if forks:
            host["matcher"] = self._by_name(protocol, forks, plain)
        else:
            host["routes"] = [plain]
        message = parsed(RouteConfiguration, {"name": protocol, "virtual_hosts": [host]})
        source = DataSource(inline_string=steering(protocol, self.context, names))
        program = message.virtual_hosts[0].typed_per_filter_config[LUA]
        program.type_url = type_url(LuaPerRoute)
        program.value = LuaPerRoute(source_code=source).SerializeToString()
        return resource(message.SerializeToString(deterministic=True))

    def _by_name(self, protocol: Protocol, forks: Mapping[str, Fork], plain: Json) -> Json:
        named = typed(HttpRequestHeaderMatchInput, {"header_name": WAY_HEADER})
        actions = {
            name: _action(self._fork(protocol, fork)) for name, fork in sorted(forks.items())
        }
        return {
            "matcher_tree": {
                "input": {"name": "way", "typed_config": named},
                "exact_match_map": {"map": actions},
            },
            "on_no_match": _action([plain]),
        }

    def _fork(self, protocol: Protocol, fork: Fork) -> Sequence[Json]:
        """Who says which way it took goes that way; a way that is not there is chosen anew, or is
        the gateways' to refuse where the caller wants that."""
        trails = [leg for leg in fork.legs if leg.share.trail]
        strict = [_is(TRAIL_HEADER), _is(STRICT_ROUTE_HEADER, "true")]
        gateways = {"cluster": cluster_name(protocol, GATEWAYS)}
        return [
            *(
                self._legs(protocol, fork, [leg], [_is(TRAIL_HEADER, leg.share.trail)])
                for leg in trails
            ),
            *([self._route(protocol, gateways, strict)] if trails else []),
            self._legs(protocol, fork, fork.legs, []),
        ]

    def _legs(
        self, protocol: Protocol, fork: Fork, legs: Sequence[Leg], headers: Sequence[Json]
    ) -> Json:
        total = sum(leg.share.weight for leg in legs)
        weighted = [
            self._weighted(protocol, fork.way, leg, 1.0 if not total else leg.share.weight / total)
            for leg in legs
        ]
        action: dict[str, object] = {"weighted_clusters": {"clusters": weighted}}
        if fork.way.copied is not None and fork.copied is not None:
            percent = fork.way.copied.percent
            action["request_mirror_policies"] = [_mirror(protocol, fork.copied, percent)]
        return self._route(protocol, action, headers)

    def _weighted(self, protocol: Protocol, way: Way, leg: Leg, fraction: float) -> Json:
        share = leg.share
        along = list(_along(leg))
        if way.experiment:
            along.append(_header(ARM_HEADER, arm_words(way, share.arm)))
        told = [_header(name, share.trail) for name in ROUTE_HEADERS] if share.trail else []
        return {
            "name": cluster_name(protocol, leg.cluster),
            "weight": round(fraction * WHOLE) or int(fraction > 0.0),
            "request_headers_to_add": along,
            "request_headers_to_remove": ["seldon-model"] if share.target else [],
            "response_headers_to_add": told,
        }

    def _route(self, protocol: Protocol, action: Json, headers: Sequence[Json] = ()) -> Json:
        how: dict[str, object] = {
            **action,
            "cluster_not_found_response_code": "SERVICE_UNAVAILABLE",
            # The steering program sets one for inference; streams of news have none.
            "timeout": "0s",
            "idle_timeout": "0s",
        }
        if self.balancing.hash_header:
            how["hash_policy"] = [{"header": {"header_name": self.balancing.hash_header}}]
        return {"match": {"prefix": "/", "headers": list(headers)}, "route": how}

    def _retries(self) -> Json:
        policy = self.context.policy
        hedges = policy.hedge_after_ms is not None
        return {
            "retry_on": _SAFE,
            "num_retries": max(policy.retries, int(hedges)),
            "retry_host_predicate": [
                extension("envoy.retry_host_predicates.previous_hosts", PreviousHostsPredicate, {})
            ],
            "host_selection_retry_max_attempts": SELECTIONS,
            "retry_back_off": {"base_interval": "0.005s", "max_interval": "0.1s"},
        }


def _mirror(protocol: Protocol, leg: Leg, percent: float) -> Json:
    parts = {"numerator": round(percent * WHOLE / 100.0), "denominator": "MILLION"}
    return {
        "cluster": cluster_name(protocol, leg.cluster),
        "runtime_fraction": {"default_value": parts},
        "disable_shadow_host_suffix_append": True,
        "request_headers_mutations": [{"append": each} for each in _along(leg)],
    }


def _along(leg: Leg) -> Iterable[Json]:
    """What goes along to who answers."""
    if leg.version:
        yield _header(VERSION_HEADER, leg.version)
    if leg.share.target:
        yield _header("penstock-target", leg.share.target)


def _action(routes: Sequence[Json]) -> Json:
    action = extension("route", RouteList, {"routes": list(routes)})
    return {"action": action}


def _is(header: str, value: str = "") -> Json:
    how: Json = {"string_match": {"exact": value}} if value else {"present_match": True}
    return {"name": header, **how}


def _header(name: str, value: str) -> Json:
    # A percent sign would begin one of Envoy's own commands.
    header = {"key": name, "value": value.replace("%", "%%")}
    return {"header": header, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
