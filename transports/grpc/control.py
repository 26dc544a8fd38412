"""The service ``penstock.control.v1.Control``: the control plane for those outside the process."""

from __future__ import annotations

from collections.abc import AsyncIterator

import orjson

from penstock.core.client.resource_messages import (
    read_manifest,
    write_change,
    write_event,
    write_resource,
)
from penstock.core.contracts.control import CONFIDENCE, ControlPlane, ResourceDocument
from penstock.core.routing.book import RouteBook
from penstock.proto import control_pb2 as pb
from penstock.transports.grpc.closing import Closing
from penstock.transports.grpc.errors import Context


class ControlCalls:
    """Every method may raise PenstockError. ``book`` knows those that follow the scheduler."""

    def __init__(
        self, control: ControlPlane, closing: Closing, book: RouteBook | None = None
    ) -> None:
        self._control = control
        self._closing = closing
        self._book = book

    async def apply(self, request: pb.ApplyRequest, context: Context) -> pb.ApplyResponse:
        """Apply."""
        manifests = [read_manifest(message) for message in request.manifests]
        changes = await self._control.apply(manifests, dry_run=request.dry_run)
        return pb.ApplyResponse(changes=[write_change(change) for change in changes])

    async def delete(self, request: pb.DeleteRequest, context: Context) -> pb.DeleteResponse:
        """Delete."""
        change = await self._control.delete(request.kind, request.name, force=request.force)
        return pb.DeleteResponse(change=write_change(change))

    async def get(self, request: pb.GetRequest, context: Context) -> pb.GetResponse:
        """Get."""
        document = self._control.get(request.kind, request.name)
        return pb.GetResponse(resource=write_resource(document))

    async def list(self, request: pb.ListRequest, context: Context) -> pb.ListResponse:
        """List."""
        documents = self._control.list(request.kind or None)
        return pb.ListResponse(
            resources=[write_resource(document) for document in documents],
            troubles=() if self._book is None else self._book.troubles(),
        )

    async def explain(self, request: pb.ExplainRequest, context: Context) -> pb.ExplainResponse:
        """Explain."""
        placement = self._control.explain(request.model)
        return pb.ExplainResponse(placement=_text(placement))

    async def scaling(self, request: pb.ScalingRequest, context: Context) -> pb.ScalingResponse:
        """Scaling."""
        return pb.ScalingResponse(scaling=_text(self._control.scaling()))

    async def describe(self, request: pb.DescribeRequest, context: Context) -> pb.DescribeResponse:
        """Describe."""
        description = self._control.describe(request.kind, request.name)
        return pb.DescribeResponse(description=_text(description))

    async def drain(self, request: pb.DrainRequest, context: Context) -> pb.DrainResponse:
        """Drain."""
        replica = request.replica if request.HasField("replica") else None
        state = await self._control.drain(request.server, replica, undo=request.undo)
        return pb.DrainResponse(state=_text(state))

    async def follow_drain(
        self, request: pb.FollowDrainRequest, context: Context
    ) -> AsyncIterator[pb.FollowDrainResponse]:
        """FollowDrain; ends when the server drains itself."""
        states = self._control.follow_drain(request.server)
        async for state in self._closing.until(states):
            yield pb.FollowDrainResponse(state=_text(state))

    async def compare_arms(
        self, request: pb.CompareArmsRequest, context: Context
    ) -> pb.CompareArmsResponse:
        """CompareArms."""
        confidence = request.confidence if request.HasField("confidence") else CONFIDENCE
        baseline = request.baseline or None
        report = self._control.compare_arms(request.experiment, baseline, confidence)
        return pb.CompareArmsResponse(report=_text(report))

    async def settle(self, request: pb.SettleRequest, context: Context) -> pb.SettleResponse:
        """Settle."""
        document = await self._control.settle(request.experiment, request.arm or None)
        return pb.SettleResponse(resource=write_resource(document))

    async def watch(
        self, request: pb.WatchRequest, context: Context
    ) -> AsyncIterator[pb.WatchResponse]:
        """Watch; ends when the server drains."""
        events = self._control.watch(request.kind or None, request.from_revision)
        async for event in self._closing.until(events):
            yield write_event(event)


def _text(document: ResourceDocument) -> str:
    return orjson.dumps(document).decode()
