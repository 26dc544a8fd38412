"""What Envoy is to have: resources by kind and name, each with the version of its content."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Final, NamedTuple, TypeAlias

from penstock.proto.envoy_pb2 import (
    Cluster,
    ClusterLoadAssignment,
    Listener,
    RouteConfiguration,
    Runtime,
)
from penstock.transports.envoy.messages import type_url

RUNTIME: Final = type_url(Runtime)
CLUSTERS: Final = type_url(Cluster)
ENDPOINTS: Final = type_url(ClusterLoadAssignment)
LISTENERS: Final = type_url(Listener)
ROUTES: Final = type_url(RouteConfiguration)

KINDS: Final = (RUNTIME, CLUSTERS, ENDPOINTS, LISTENERS, ROUTES)
"""In the order in which Envoy may learn of new ones: who is named comes before who names it."""


class Resource(NamedTuple):
    """A message on the wire, and its version: the same content has the same one, also after this
    process has been started again."""

    version: str
    content: bytes


Resources: TypeAlias = Mapping[str, Mapping[str, Resource]]
"""By kind (a type URL), then by name."""

NOTHING: Final[Resources] = {kind: {} for kind in KINDS}


def resource(content: bytes) -> Resource:
    """The resource with this content."""
    return Resource(blake2b(content, digest_size=12).hexdigest(), content)
