"""The control plane of a process that has none: it says where there is one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from penstock.core.contracts.control import (
    Change,
    ControlPlane,
    ManifestText,
    ResourceDocument,
    WatchEvent,
)
from penstock.core.errors import UnsupportedError


class ElsewhereControlPlane(ControlPlane):
    """Every method raises UnsupportedError, which names the scheduler's address."""

    def __init__(self, scheduler: str) -> None:
        self._scheduler = scheduler

    async def apply(self, manifests: Sequence[ManifestText], *, dry_run: bool) -> list[Change]:
        raise self._elsewhere()

    async def delete(self, kind: str, name: str, *, force: bool) -> Change:
        raise self._elsewhere()

    def get(self, kind: str, name: str) -> ResourceDocument:
        raise self._elsewhere()

    def list(self, kind: str | None) -> list[ResourceDocument]:
        raise self._elsewhere()

    def scaling(self) -> ResourceDocument:
        raise self._elsewhere()

    def explain(self, model: str) -> ResourceDocument:
        raise self._elsewhere()

    def describe(self, kind: str, name: str) -> ResourceDocument:
        raise self._elsewhere()

    async def load(self, model: str) -> None:
        raise self._elsewhere()

    async def unload(self, model: str) -> None:
        raise self._elsewhere()

    async def drain(self, server: str, replica: int | None, *, undo: bool) -> ResourceDocument:
        raise self._elsewhere()

    def drained(self, server: str) -> ResourceDocument:
        raise self._elsewhere()

    def follow_drain(self, server: str) -> AsyncIterator[ResourceDocument]:
        raise self._elsewhere()

    def compare_arms(
        self, experiment: str, baseline: str | None, confidence: float
    ) -> ResourceDocument:
        raise self._elsewhere()

    async def settle(self, experiment: str, arm: str | None) -> ResourceDocument:
        raise self._elsewhere()

    def watch(self, kind: str | None, from_revision: int) -> AsyncIterator[WatchEvent]:
        raise self._elsewhere()

    def _elsewhere(self) -> UnsupportedError:
        return UnsupportedError(
            f"this process is a gateway, which follows the scheduler at {self._scheduler}; ask "
            f"that one (--server {self._scheduler})"
        )
