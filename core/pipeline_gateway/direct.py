"""Pipelines that the gateway runs itself for who waits, with their streams written behind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from penstock.core.contracts.gateway import Reply, Ticket
from penstock.core.contracts.transport import Output
from penstock.core.dataflow import Deployment
from penstock.core.inference import InferenceRequest
from penstock.core.pipeline_gateway.streamed import StreamedTarget, StreamIntake
from penstock.core.pipeline_gateway.written import WrittenSubmission
from penstock.core.records import Headers, Port
from penstock.core.signature import Signature
from penstock.core.streams.names import StreamNames
from penstock.core.streams.readers import StreamReaders
from penstock.core.streams.write_behind import WriteBehind


class DirectTarget(StreamedTarget):
    """One version of a pipeline in layout direct; who does not wait goes through its streams."""

    __slots__ = ("_streams", "behind", "names", "readers")

    def __init__(
        self,
        intake: StreamIntake,
        deployment: Deployment,
        signature: Signature | None,
        behind: WriteBehind,
        readers: StreamReaders,
    ) -> None:
        super().__init__(intake, deployment, signature)
        self.behind = behind
        self.readers = readers
        self.names = intake.names
        self._streams: dict[Port, str] = {}

    def stream_of(self, port: Port) -> str:
        """The name of a port's stream."""
        stream = self._streams.get(port)
        if stream is None:
            stream = self._streams[port] = self.names.of(self.name, port)
        return stream

    def renewed(self) -> DirectTarget:
        self.expire()
        assert self.deployment is not None, "it serves"
        return type(self)(self._intake, self.deployment, self.signature, self.behind, self.readers)

    def submit(
        self,
        request: InferenceRequest,
        headers: Headers,
        timeout_ms: float | None,
        reply: Reply,
    ) -> Ticket:
        return self._admission.submit(self, request, headers, timeout_ms, reply, self._submission)

    def _submission(
        self,
        request: InferenceRequest,
        headers: Headers,
        limit_ms: float,
        reply: Reply,
        identity: str,
        key: bytes,
    ) -> DirectSubmission:
        return self._made(DirectSubmission, request, headers, limit_ms, reply, identity, key)

    def _made(
        self,
        kind: type[DirectSubmissionT],
        request: InferenceRequest,
        headers: Headers,
        limit_ms: float,
        reply: Reply,
        identity: str,
        key: bytes,
    ) -> DirectSubmissionT:
        deployment = self.deployment
        assert deployment is not None, "who is not ready takes nothing in"
        return kind(
            self._admission, self, deployment, request, headers, limit_ms, reply, identity, key
        )


class DirectSubmission(WrittenSubmission):
    """A request that its gateway answers by itself: all of it is written behind the answer."""

    __slots__ = ()

    target: DirectTarget

    def hand_over(self, outputs: list[Output]) -> None:
        self.target.behind.put(outputs)

    def _stream_of(self, port: Port) -> str:
        return self.target.stream_of(port)

    def places(self) -> tuple[StreamNames, StreamReaders]:
        return self.target.names, self.target.readers

    def child_began(self, child: Ticket) -> None:
        """It may go on when its parent has ended."""

    def child_wrote(self, outputs: Sequence[Output]) -> None:
        self.target.behind.put(outputs)

    def child_ended(self, child: Ticket) -> None:
        """It has handed over what it wrote."""

    def asked(self) -> None:
        """It keeps nobody from being taken."""

    def told(self) -> None:
        """As before."""


DirectSubmissionT = TypeVar("DirectSubmissionT", bound=DirectSubmission)
