"""The client of a running server's control plane."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import Any, Final, NamedTuple, Self, TypeAlias, TypeVar

import grpc
import orjson

from penstock.core.client.remote_server import RemoteServer
from penstock.core.client.resource_messages import (
    read_change,
    read_event,
    read_resource,
    write_manifest,
)
from penstock.core.contracts.control import Change, ManifestText, ResourceDocument, WatchEvent
from penstock.core.contracts.inquiries import FROM_NOW_ON, Begin, Search
from penstock.core.grpc_errors import BUDGET_KEY, error_of_call
from penstock.proto import control_pb2 as pb
from penstock.proto.control_pb2_grpc import ControlStub

MAX_DETAILS_BYTES: Final = 4 * 1024 * 1024
"""All problems of a large set of manifests come in the metadata of one answer."""

MAX_BACKOFF_MS: Final = 1_000
"""So soon a server that is only starting is tried again."""

RequestT = TypeVar("RequestT")
ResponseT = TypeVar("ResponseT")

Document: TypeAlias = dict[str, Any]

METADATA: Final = ((BUDGET_KEY, str(MAX_DETAILS_BYTES)),)


class Standing(NamedTuple):
    """What a control plane has, and a sentence for each process that does not do all it says."""

    resources: list[ResourceDocument]
    troubles: list[str]


class ControlClient:
    """Calls ``penstock.control.v1`` at ``server``. To be used with ``async with``.

    Every method raises the PenstockError that the server raised; NotReadyError when nobody answers
    there, DeadlineError when the answer takes longer than ``timeout_s``.
    """

    def __init__(self, server: RemoteServer, *, timeout_s: float = 30.0) -> None:
        self._server = server
        self._timeout_s = timeout_s

    async def __aenter__(self) -> Self:
        limit = 2 * MAX_DETAILS_BYTES
        options = (
            ("grpc.max_metadata_size", limit),
            ("grpc.absolute_max_metadata_size", limit),
            ("grpc.max_receive_message_length", -1),
            ("grpc.max_reconnect_backoff_ms", MAX_BACKOFF_MS),
        )
        self._channel = self._server.channel(options)
        self._stub = ControlStub(self._channel)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._channel.close(None)

    async def reach(self, within_s: float) -> None:
        """Wait for the server to listen; what is asked after ``within_s`` in vain says why."""
        try:
            async with asyncio.timeout(within_s):
                await self._channel.channel_ready()
        except TimeoutError:
            pass

    async def apply(self, manifests: Sequence[ManifestText], *, dry_run: bool) -> list[Change]:
        """As :meth:`penstock.core.contracts.control.ControlPlane.apply`."""
        request = pb.ApplyRequest(
            manifests=[write_manifest(manifest) for manifest in manifests], dry_run=dry_run
        )
        response = await self._ask(self._stub.Apply, request)
        return [read_change(change) for change in response.changes]

    async def delete(self, kind: str, name: str, *, force: bool) -> Change:
        """As :meth:`penstock.core.contracts.control.ControlPlane.delete`."""
        request = pb.DeleteRequest(kind=kind, name=name, force=force)
        return read_change((await self._ask(self._stub.Delete, request)).change)

    async def get(self, kind: str, name: str) -> ResourceDocument:
        """As :meth:`penstock.core.contracts.control.ControlPlane.get`."""
        request = pb.GetRequest(kind=kind, name=name)
        return read_resource((await self._ask(self._stub.Get, request)).resource)

    async def list(self, kind: str | None) -> list[ResourceDocument]:
        """As :meth:`penstock.core.contracts.control.ControlPlane.list`."""
        return (await self.standing(kind)).resources

    async def standing(self, kind: str | None) -> Standing:
        """The same, and why not everything is in force in processes that follow the scheduler."""
        response = await self._ask(self._stub.List, pb.ListRequest(kind=kind or ""))
        return Standing(
            [read_resource(resource) for resource in response.resources], list(response.troubles)
        )

    async def explain(self, model: str) -> Document:
        """As :meth:`penstock.core.contracts.control.ControlPlane.explain`."""
        response = await self._ask(self._stub.Explain, pb.ExplainRequest(model=model))
        return _document(response.placement)

    async def scaling(self) -> Document:
        """As :meth:`penstock.core.contracts.control.ControlPlane.scaling`."""
        return _document((await self._ask(self._stub.Scaling, pb.ScalingRequest())).scaling)

    async def describe(self, kind: str, name: str) -> Document:
        """As :meth:`penstock.core.contracts.control.ControlPlane.describe`."""
        request = pb.DescribeRequest(kind=kind, name=name)
        return _document((await self._ask(self._stub.Describe, request)).description)

    async def drain(self, server: str, replica: int | None, *, undo: bool) -> Document:
        """As :meth:`penstock.core.contracts.control.ControlPlane.drain`."""
        request = pb.DrainRequest(server=server, replica=replica, undo=undo)
        return _document((await self._ask(self._stub.Drain, request)).state)

    async def follow_drain(self, server: str) -> AsyncIterator[Document]:
        """As :meth:`penstock.core.contracts.control.ControlPlane.follow_drain`, without a time
        limit. Ends when the server stops."""
        request = pb.FollowDrainRequest(server=server)
        call = self._stub.FollowDrain(request, metadata=self._beside())
        async for message in self._messages(call):
            yield _document(message.state)

    async def compare_arms(
        self, experiment: str, baseline: str | None, confidence: float
    ) -> Document:
        """As :meth:`penstock.core.contracts.control.ControlPlane.compare_arms`."""
        request = pb.CompareArmsRequest(
            experiment=experiment, baseline=baseline or "", confidence=confidence
        )
        return _document((await self._ask(self._stub.CompareArms, request)).report)

    async def settle(self, experiment: str, arm: str | None) -> ResourceDocument:
        """As :meth:`penstock.core.contracts.control.ControlPlane.settle`."""
        request = pb.SettleRequest(experiment=experiment, arm=arm or "")
        return read_resource((await self._ask(self._stub.Settle, request)).resource)

    async def watch(self, kind: str | None, from_revision: int) -> AsyncIterator[WatchEvent]:
        """As :meth:`penstock.core.contracts.control.ControlPlane.watch`, without a time limit.

        Ends when the server drains.
        """
        request = pb.WatchRequest(kind=kind or "", from_revision=from_revision)
        async for message in self._messages(self._stub.Watch(request, metadata=self._beside())):
            yield read_event(message)

    async def inspect(self, identity: str) -> Document:
        """Everything that is known of one request (see :mod:`penstock.core.journal.documents`)."""
        response = await self._ask(self._stub.Inspect, pb.InspectRequest(request=identity))
        return _document(response.story)

    async def export(self, identity: str) -> bytes:
        """One request as a file (see :mod:`penstock.core.cases`)."""
        call = self._stub.Export(
            pb.ExportRequest(request=identity), timeout=self._timeout_s, metadata=self._beside()
        )
        return b"".join([message.piece async for message in self._messages(call)])

    async def tap(
        self,
        port: str,
        *,
        everything: bool,
        state: str | None,
        most: int,
        begin: Begin = FROM_NOW_ON,
    ) -> AsyncIterator[Document | int | None]:
        """The records of a port as they come: None when it is followed, then records, and how many
        were lost. Ends when the server drains."""
        request = pb.TapRequest(
            port=port,
            everything=everything,
            state=state or "",
            limit=most,
            since_ms=begin.since_ms,
            offset=begin.offset,
            partition=begin.partition,
        )
        async for message in self._messages(self._stub.Tap(request, metadata=self._beside())):
            if message.lost:
                yield message.lost
            else:
                yield _document(message.record) if message.record else None

    async def logs(
        self,
        *,
        kind: str | None,
        name: str | None,
        follow: bool,
        since_ms: float,
        level: str | None,
    ) -> AsyncIterator[Document | int]:
        """Lines of the server's log, the oldest first, and how many were lost before the next one.
        With ``follow`` it ends when the server drains."""
        request = pb.LogsRequest(
            kind=kind or "", name=name or "", follow=follow, since_ms=since_ms, level=level or ""
        )
        async for message in self._messages(self._stub.Logs(request, metadata=self._beside())):
            yield _document(message.record) if message.record else message.lost

    async def list_requests(self, search: Search) -> Sequence[Document]:
        """Requests that are remembered, the latest first."""
        request = pb.ListRequestsRequest(
            pipeline=search.pipeline or "",
            outcome=search.outcome or "",
            since_ms=search.since_ms,
            until_ms=0.0 if math.isinf(search.until_ms) else search.until_ms,
            x_request_id=search.request_id or "",
            limit=search.most,
        )
        response = await self._ask(self._stub.ListRequests, request)
        return [_document(text) for text in response.requests]

    async def letter(self, number: int) -> Document:
        """One dead letter."""
        request = pb.GetDeadLetterRequest(number=number)
        return _document((await self._ask(self._stub.GetDeadLetter, request)).letter)

    async def list_letters(self, *, pipeline: str | None, most: int) -> Sequence[Document]:
        """Dead letters, the latest first."""
        request = pb.ListDeadLettersRequest(pipeline=pipeline or "", limit=most)
        response = await self._ask(self._stub.ListDeadLetters, request)
        return [_document(text) for text in response.letters]

    async def send_again(self, number: int) -> str:
        """Send the request of a dead letter again; the identity of the new one."""
        request = pb.SendDeadLetterRequest(number=number)
        return (await self._ask(self._stub.SendDeadLetter, request)).request

    def _beside(self) -> tuple[tuple[str, str], ...]:
        return (*METADATA, *self._server.headers().items())

    async def _messages(
        self, call: grpc.aio.UnaryStreamCall[Any, ResponseT]
    ) -> AsyncIterator[ResponseT]:
        try:
            async for message in call:
                yield message
        except grpc.aio.AioRpcError as error:
            raise error_of_call(error, self._server.place) from error
        finally:
            call.cancel()

    async def _ask(
        self, method: grpc.aio.UnaryUnaryMultiCallable[RequestT, ResponseT], request: RequestT
    ) -> ResponseT:
        try:
            return await method(request, timeout=self._timeout_s, metadata=self._beside())
        except grpc.aio.AioRpcError as error:
            raise error_of_call(error, self._server.place) from error


def _document(text: str) -> Document:
    document: Document = orjson.loads(text)
    return document
