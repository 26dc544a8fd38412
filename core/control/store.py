"""The store of resources: what is wanted, how it stands, and every change in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping
from typing import Final, Literal, NamedTuple, TypeAlias

from penstock.core.clock import Clock, SystemClock
from penstock.core.contracts.control import WatchEvent
from penstock.core.database import REMEMBERED
from penstock.core.errors import OverloadedError
from penstock.core.resources import KINDS, Manifest, Resource, Status

HISTORY: Final = 4096
"""How many changes are kept for watchers; one that falls further behind is told so."""

AnyResource: TypeAlias = Resource[Manifest]


class ResourceKey(NamedTuple):
    """The kind as manifests write it, and the name."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind.lower()} '{self.name}'"


class StoredChange(NamedTuple):
    """One change; ``resource`` is what was put, or what there was before it was deleted.
    ``at_ms`` is when, in milliseconds since the epoch."""

    action: Literal["put", "deleted"]
    resource: AnyResource
    at_ms: float = 0.0

    @property
    def key(self) -> ResourceKey:
        """Which resource changed."""
        return ResourceKey(self.resource.kind, self.resource.name)

    def event(self) -> WatchEvent:
        """The change as watchers outside see it."""
        revision = self.resource.status.revision
        return WatchEvent(revision, self.action, self.resource.document())


class ResourceStore:
    """Resources by kind and name, kept in memory.

    Every change of any resource, of its status as well, takes the next revision. Who follows the
    changes reads them from one history that all share, so that a slow reader costs nothing and
    holds nobody up. Not safe for threads, lookups by name apart.
    """

    def __init__(
        self, *, history: int = HISTORY, revision: int = 0, clock: Clock | None = None
    ) -> None:
        """Changes take the revisions after ``revision``."""
        self._clock = clock or SystemClock()
        self._by_kind: dict[str, dict[str, AnyResource]] = {kind: {} for kind in KINDS}
        self._revision = revision
        self._history_length = history
        self._history: dict[int, StoredChange] = {}
        self._last_versions: dict[ResourceKey, int] = {}
        self._waiting: set[asyncio.Future[None]] = set()

    @property
    def revision(self) -> int:
        """That of the last change."""
        return self._revision

    def get(self, key: ResourceKey) -> AnyResource | None:
        """The resource, if it is there."""
        return self._by_kind[key.kind].get(key.name)

    def by_name(self, kind: str) -> Mapping[str, AnyResource]:
        """The resources of one kind. A live view: not to be kept over an await."""
        return self._by_kind[kind]

    def in_order(self, kind: str | None = None) -> Iterator[AnyResource]:
        """All resources, or those of one kind, in the order of kind and name."""
        for each in sorted(self._by_kind) if kind is None else (kind,):
            for _, resource in sorted(self._by_kind[each].items()):
                yield resource

    def next_version(self, key: ResourceKey) -> int:
        """The version of a resource that is created now.

        A name that comes back goes on counting: its old version may still have requests under way,
        and nothing may take the one for the other.
        """
        return self._last_versions.get(key, 0) + 1

    def remember(self, key: ResourceKey, version: int) -> None:
        """A resource that is gone had this version."""
        self._last_versions.pop(key, None)
        self._last_versions[key] = version
        if len(self._last_versions) > REMEMBERED:
            del self._last_versions[next(iter(self._last_versions))]

    def put(self, resource: AnyResource) -> AnyResource:
        """Keep a new or changed resource; it comes back with the revision that it got."""
        stamped = self._stamp(resource)
        self._by_kind[resource.kind][resource.name] = stamped
        self._record("put", stamped)
        return stamped

    def set_status(self, key: ResourceKey, status: Status) -> None:
        """Keep how a resource stands; the very status that it has changes nothing."""
        resource = self._by_kind[key.kind][key.name]
        if status is not resource.status:
            self.put(resource.with_status(status))

    def remove(self, key: ResourceKey) -> AnyResource:
        """Forget a resource that is there."""
        gone = self._stamp(self._by_kind[key.kind].pop(key.name))
        self.remember(key, gone.status.version)
        self._record("deleted", gone)
        return gone

    def changes_of(self, key: ResourceKey) -> list[StoredChange]:
        """The changes of one resource that are remembered, since it was last created, the oldest
        first. Looks through all that are."""
        changes: list[StoredChange] = []
        for change in self._history.values():
            if change.key != key:
                continue
            if change.action == "deleted":
                changes.clear()
            else:
                changes.append(change)
        return changes

    async def follow(
        self, kind: str | None, from_revision: int
    ) -> AsyncGenerator[StoredChange, None]:
        """Changes after ``from_revision`` as they happen, of one kind or of all.

        When the history does not reach back to ``from_revision`` (0 means just that), each
        resource that there is comes first, in the order of kind and name. Raises OverloadedError
        when changes come faster than they are taken.
        """
        at = from_revision
        if not 0 < at <= self._revision or at < self._revision - len(self._history):
            at = self._revision
            # Listed at once: over the awaits of the reader, resources come and go.
            for resource in list(self.in_order(kind)):
                yield StoredChange("put", resource)
        while True:
            while at < self._revision:
                change = self._history.get(at + 1)
                if change is None:
                    raise OverloadedError(
                        f"the watcher fell more than {self._history_length} changes behind; "
                        "watch again from revision 0"
                    )
                at += 1
                if kind is None or change.resource.kind == kind:
                    yield change
            await self._next_change()

    async def _next_change(self) -> None:
        waiting = asyncio.get_running_loop().create_future()
        self._waiting.add(waiting)
        try:
            await waiting
        finally:
            self._waiting.discard(waiting)

    def _stamp(self, resource: AnyResource) -> AnyResource:
        revision = self._revision + 1
        return resource.with_status(resource.status.model_copy(update={"revision": revision}))

    def _record(self, action: Literal["put", "deleted"], resource: AnyResource) -> None:
        change = StoredChange(action, resource, self._clock.now_ms())
        self._revision += 1
        self._history[self._revision] = change
        self._history.pop(self._revision - self._history_length, None)
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)
