"""A control plane that holds what a test puts into it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from penstock.core.contracts.control import (
    Change,
    ControlPlane,
    ManifestText,
    ResourceDocument,
    WatchEvent,
)
from penstock.core.errors import ConflictError, InvalidRequestError, NotFoundError, PenstockError


def resource(kind: str, name: str, *, ready: str = "True", message: str = "") -> ResourceDocument:
    """A resource with one condition, ``Ready``."""
    condition = {
        "type": "Ready",
        "status": ready,
        "reason": "Because",
        "message": message,
        "since": "2026-01-02T03:04:05Z",
    }
    return {
        "apiVersion": "penstock.io/v1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": {"big": 2**60, "ratio": 0.1},
        "status": {"revision": 1, "version": 1, "conditions": [condition]},
    }


class FakeControlPlane(ControlPlane):
    """``applied`` holds what came in; ``refusal`` is raised by :meth:`apply` when it is set."""

    def __init__(self) -> None:
        self.resources: dict[tuple[str, str], ResourceDocument] = {}
        self.applied: list[tuple[tuple[ManifestText, ...], bool]] = []
        self.refusal: PenstockError | None = None
        self.repository: list[tuple[str, str]] = []
        self.drains: list[tuple[str, int | None, bool]] = []
        self.settled: list[tuple[str, str | None]] = []
        self.events: asyncio.Queue[WatchEvent] = asyncio.Queue()

    def put(self, document: ResourceDocument) -> None:
        """Hold a resource."""
        self.resources[document["kind"], document["metadata"]["name"]] = document

    async def apply(self, manifests: Sequence[ManifestText], *, dry_run: bool) -> list[Change]:
        self.applied.append((tuple(manifests), dry_run))
        if self.refusal is not None:
            raise self.refusal
        return [Change("Model", "scale", "created", 1, ("a warning",), after={"kind": "Model"})]

    async def delete(self, kind: str, name: str, *, force: bool) -> Change:
        self.get(kind, name)
        if not force:
            raise ConflictError(f"{kind} '{name}' is used by pipeline 'credit'")
        del self.resources[kind, name]
        return Change(kind, name, "deleted", 1)

    def get(self, kind: str, name: str) -> ResourceDocument:
        if (kind, name) not in self.resources:
            raise NotFoundError(f"there is no {kind} '{name}'")
        return self.resources[kind, name]

    def list(self, kind: str | None) -> list[ResourceDocument]:
        return [found for key, found in sorted(self.resources.items()) if kind in (None, key[0])]

    def explain(self, model: str) -> ResourceDocument:
        self.get("Model", model)
        replica = {
            "server": "inprocess",
            "replica": 0,
            "capabilities": ["python"],
            "memory_bytes": None,
            "free_memory_bytes": None,
            "models": 1,
            "rank": None,
            "taken": "has a copy",
            "refusals": {},
            "costs": {},
        }
        placement = {"model": model, "version": 1, "wanted": 1, "loaded": 1, "why": None}
        return {**placement, "servers": [replica]}

    def scaling(self) -> ResourceDocument:
        described = {"policy": "target-in-flight", "every_ms": 2000.0, "dry_run": False}
        return {**described, "decided_ms": 0.0, "workers": 0, "models": []}

    def describe(self, kind: str, name: str) -> ResourceDocument:
        document = self.get(kind, name)
        return {"resource": document, "uses": [], "used_by": [], "warnings": [], "events": []}

    async def load(self, model: str) -> None:
        self.get("Model", model)
        self.repository.append(("load", model))

    async def unload(self, model: str) -> None:
        self.get("Model", model)
        self.repository.append(("unload", model))

    async def drain(self, server: str, replica: int | None, *, undo: bool) -> ResourceDocument:
        self.drained(server)
        self.drains.append((server, replica, undo))
        return self.drained(server)

    def drained(self, server: str) -> ResourceDocument:
        if server != "inprocess":
            raise NotFoundError(f"there is no server '{server}'")
        models: list[ResourceDocument] = []
        drained = bool(self.drains) and not self.drains[-1][2]
        replica = {"replica": 0, "standing": "up", "drained": drained, "models": models}
        return {"server": server, "drained": drained, "replicas": [replica]}

    async def follow_drain(self, server: str) -> AsyncIterator[ResourceDocument]:
        yield self.drained(server)

    def compare_arms(
        self, experiment: str, baseline: str | None, confidence: float
    ) -> ResourceDocument:
        self.get("Experiment", experiment)
        if not 0.5 <= confidence < 1.0:
            raise InvalidRequestError("the confidence is none")
        return {
            "experiment": experiment,
            "version": 1,
            "baseline": baseline or "old",
            "confidence": confidence,
            "since_ms": 0.0,
            "weights_because": "the weights of the manifest",
            "arms": [],
        }

    async def settle(self, experiment: str, arm: str | None) -> ResourceDocument:
        document = self.get("Experiment", experiment)
        self.settled.append((experiment, arm))
        return document

    async def watch(self, kind: str | None, from_revision: int) -> AsyncIterator[WatchEvent]:
        for document in self.list(kind):
            yield WatchEvent(1, "put", document)
        while True:
            yield await self.events.get()
