"""One stream of an Envoy: what it has, what it is told next, and what it says to that. No I/O.

Source of the protocol: the incremental variant of xDS in Envoy's documentation ("xDS REST and gRPC
protocol") and in envoy/service/discovery/v3/discovery.proto.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from penstock.proto.envoy_pb2 import DeltaDiscoveryRequest, DeltaDiscoveryResponse
from penstock.transports.envoy.resources import (
    CLUSTERS,
    ENDPOINTS,
    KINDS,
    LISTENERS,
    ROUTES,
    RUNTIME,
    Resource,
    Resources,
)

EVERYTHING: Final = "*"

_UNKNOWN: Final = ""
"""The version of what an Envoy may have in one version or in another."""


class Refusal(NamedTuple):
    """What an Envoy said against what it was told."""

    kind: str
    reason: str


class Told(NamedTuple):
    """What an Envoy was told and has not answered; a version of None is "no more"."""

    nonce: str
    versions: dict[str, str | None]


@dataclass(slots=True)
class Subscription:
    """What one Envoy wants of one kind, and has."""

    everything: bool = False
    names: set[str] = field(default_factory=set)
    has: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str | None] = field(default_factory=dict)
    told: Told | None = None
    answered: bool = False

    def wants(self, name: str) -> bool:
        return self.everything or name in self.names

    def news(self, wanted: Mapping[str, Resource]) -> dict[str, Resource]:
        """What it does not have in the wanted version, and has not refused in it."""
        return {
            name: each
            for name, each in (wanted.items() if self.everything else self._named(wanted))
            if self.has.get(name) != each.version and self.refused.get(name, "") != each.version
        }

    def gone(self, wanted: Mapping[str, Resource]) -> list[str]:
        """What it has and nobody wants any more."""
        return [name for name in self.has if name not in wanted]

    def _named(self, wanted: Mapping[str, Resource]) -> Iterable[tuple[str, Resource]]:
        return [(name, wanted[name]) for name in self.names if name in wanted]


class Session:
    """The state of one stream.

    Limits, new clusters and their endpoints are told first; Envoy says that it has clusters when it
    can use them. Listeners and routes come after that, and what is gone goes last, when no route
    names it.
    """

    def __init__(self) -> None:
        self._kinds: dict[str, Subscription] = {}
        self._count = 0

    def hear(self, request: DeltaDiscoveryRequest) -> Refusal | None:
        """Take in what the Envoy said: the refusal, if it is one."""
        kind = request.type_url
        if kind not in KINDS:
            return None
        subscription = self._kinds.get(kind)
        if subscription is None:
            subscription = self._kinds[kind] = Subscription()
            # Clusters and listeners: who names none at first wants all there are.
            subscription.everything = not request.resource_names_subscribe
            subscription.has.update(request.initial_resource_versions)
        self._subscribe(subscription, request)
        told = subscription.told
        if told is None or request.response_nonce != told.nonce:
            return None
        subscription.told = None
        if request.HasField("error_detail"):
            return self._refused(kind, subscription, told, request.error_detail.message)
        self._taken(kind, subscription, told)
        return None

    def say(self, wanted: Resources) -> DeltaDiscoveryResponse | None:
        """What the Envoy is to be told now; None when it has to answer first, or has it all."""
        for kind in (RUNTIME, CLUSTERS, ENDPOINTS):
            news = self._news(kind, wanted)
            if news is not None:
                return self._tell(kind, news, [])
        if self._waits(CLUSTERS) or self._waits(ENDPOINTS):
            return None
        for kind in (LISTENERS, ROUTES):
            news = self._news(kind, wanted)
            if news is not None:
                return self._tell(kind, news, [])
        if self._waits(LISTENERS) or self._waits(ROUTES):
            return None
        for kind in (LISTENERS, ROUTES, CLUSTERS, ENDPOINTS):
            gone = self._kinds[kind].gone(wanted[kind]) if kind in self._kinds else []
            if gone:
                return self._tell(kind, {}, gone)
        return None

    def has_all(self, wanted: Resources) -> bool:
        """Whether the Envoy has what is wanted of what it asks for, and nothing else."""
        # Limits are asked for by who is started with our bootstrap; others do without.
        if not all(kind in self._kinds for kind in KINDS if wanted[kind] and kind != RUNTIME):
            return False
        return all(
            each.told is None and not each.news(wanted[kind]) and not each.gone(wanted[kind])
            for kind, each in self._kinds.items()
        )

    def _subscribe(self, subscription: Subscription, request: DeltaDiscoveryRequest) -> None:
        for name in request.resource_names_subscribe:
            if name == EVERYTHING:
                subscription.everything = True
                continue
            subscription.names.add(name)
            if name not in request.initial_resource_versions:
                # Who asks for it again wants it again, whatever it has.
                subscription.has.pop(name, None)
        for name in request.resource_names_unsubscribe:
            if name == EVERYTHING:
                subscription.everything = False
                continue
            subscription.names.discard(name)
            if not subscription.everything:
                subscription.has.pop(name, None)

    def _taken(self, kind: str, subscription: Subscription, told: Told) -> None:
        for name, version in told.versions.items():
            subscription.refused.pop(name, None)
            if version is None:
                subscription.has.pop(name, None)
            elif subscription.wants(name):
                subscription.has[name] = version

    def _refused(self, kind: str, subscription: Subscription, told: Told, reason: str) -> Refusal:
        for name, version in told.versions.items():
            # It takes what it finds right and leaves the rest, and does not say which is which.
            subscription.has[name] = _UNKNOWN
            subscription.refused[name] = version
        return Refusal(kind, reason)

    def _news(self, kind: str, wanted: Resources) -> dict[str, Resource] | None:
        """What there is to tell of a kind; None when that is nothing, or nothing now."""
        subscription = self._kinds.get(kind)
        if subscription is None or subscription.told is not None:
            return None
        news = subscription.news(wanted[kind])
        if not news and (subscription.answered or not subscription.everything):
            return None
        return news

    def _waits(self, kind: str) -> bool:
        return kind in self._kinds and self._kinds[kind].told is not None

    def _tell(
        self, kind: str, news: Mapping[str, Resource], gone: list[str]
    ) -> DeltaDiscoveryResponse:
        self._count += 1
        nonce = str(self._count)
        versions: dict[str, str | None] = {name: each.version for name, each in news.items()}
        versions |= dict.fromkeys(gone)
        subscription = self._kinds[kind]
        subscription.told = Told(nonce, versions)
        subscription.answered = True
        if kind == CLUSTERS:
            self._tell_endpoints_again(news)
        response = DeltaDiscoveryResponse(type_url=kind, nonce=nonce, removed_resources=gone)
        for name, each in news.items():
            response.resources.add(
                name=name,
                version=each.version,
                resource={"type_url": kind, "value": each.content},
            )
        return response

    def _tell_endpoints_again(self, clusters: Iterable[str]) -> None:
        """A cluster that is changed is made anew, and waits for its endpoints as a new one does."""
        endpoints = self._kinds.get(ENDPOINTS)
        if endpoints is None:
            return
        for name in clusters:
            endpoints.has.pop(name, None)
            if endpoints.told is not None:
                # They went to the cluster that there was before.
                endpoints.told.versions.pop(name, None)
