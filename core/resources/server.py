"""A server: where models are loaded and called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from pydantic import Field, JsonValue

from penstock.core.resources.manifest import Manifest
from penstock.core.resources.quantity import Bytes
from penstock.core.resources.scaling import ReplicaBounds, bounds_of
from penstock.core.resources.value import Count, Flag, Text, Value

Kubernetes: TypeAlias = Mapping[str, JsonValue]
"""A section of Kubernetes' own, kept as it is written and not looked into."""


class ServerDeclaration(Value):
    """The ``spec`` of a server.

    ``server_config`` names the kind of server (``mlserver``, ``triton``); ``capabilities``
    replace what that kind offers to models, ``extra_capabilities`` are added to it. ``memory`` is
    the room for models on each replica, in bytes, None when nobody counts, and
    ``overcommit_percent`` how much more may be registered there. ``options`` are the kind's own,
    over those that its plug-in has in the config file.
    """

    server_config: Text
    capabilities: tuple[Text, ...] = ()
    extra_capabilities: tuple[Text, ...] = ()
    options: Mapping[str, JsonValue] = Field(default_factory=dict)
    memory: Bytes | None = None
    overcommit_percent: Count = 0
    replicas: Count = 1
    min_replicas: Count | None = None
    max_replicas: Count | None = None
    pod_spec: Kubernetes | None = None
    image_overrides: Kubernetes | None = None
    stateful_set_persistent_volume_claim_retention_policy: Kubernetes | None = None
    disable_auto_update: Flag = False

    @property
    def bounds(self) -> ReplicaBounds | None:
        """Between how many replicas it follows the models, None where it does not. A server has
        one at least: what it can hold is known by what it has."""
        return bounds_of(self.replicas, max(self.min_replicas or 1, 1), self.max_replicas)


class Server(Manifest):
    """The manifest of a server."""

    kind: Literal["Server"] = "Server"
    spec: ServerDeclaration
