"""Everything that is known of one resource, for people: one document."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from penstock.core.contracts.control import ResourceDocument
from penstock.core.control.emptying import Emptying
from penstock.core.control.history import events_of
from penstock.core.control.store import AnyResource, ResourceKey, ResourceStore
from penstock.core.control.usage import UsageIndex
from penstock.core.fleet import Fleet
from penstock.core.resources.status import WITHOUT_EFFECT


class Descriptions:
    """Puts together what the parts of the control plane know of a resource.

    ``explain`` tells where the copies of a model are.
    """

    def __init__(
        self,
        store: ResourceStore,
        usage: UsageIndex,
        fleet: Fleet,
        emptying: Emptying,
        explain: Callable[[str], ResourceDocument],
    ) -> None:
        self._store = store
        self._usage = usage
        self._fleet = fleet
        self._emptying = emptying
        self._explain = explain

    def of(self, resource: AnyResource) -> ResourceDocument:
        """The description of a resource that is there.

        ``resource``; ``uses`` and ``used_by``, with whether each is ready (None: it is not there);
        ``placement`` of a model; ``replicas`` of a server; ``warnings``; and ``events``, the
        oldest first, as far back as they are remembered.
        """
        key = ResourceKey(resource.kind, resource.name)
        described: dict[str, Any] = {
            "resource": resource.document(),
            "uses": self._standing(self._usage.needs(key)),
            "used_by": self._standing(self._users(key)),
            "warnings": [
                each.message for each in resource.status.conditions if each.type == WITHOUT_EFFECT
            ],
            "events": events_of(self._store.changes_of(key)),
        }
        if key.kind == "Model":
            described["placement"] = self._explain(key.name)
        elif key.kind == "Server":
            described["replicas"] = self._emptying.state(key.name)["replicas"]
        return described

    def _users(self, key: ResourceKey) -> list[ResourceKey]:
        """Those that name it, and of a server the models that are loaded there."""
        users = set(self._usage.users(key))
        if key.kind == "Server":
            loaded = (each.models for each in self._fleet if each.key.server == key.name)
            users |= {ResourceKey("Model", name) for names in loaded for name in names}
        return sorted(users)

    def _standing(self, keys: Iterable[ResourceKey]) -> list[dict[str, Any]]:
        there = ((key, self._store.get(key)) for key in keys)
        return [
            {
                "kind": key.kind,
                "name": key.name,
                "ready": None if resource is None else resource.status.ready,
            }
            for key, resource in there
        ]
