"""A request that the gateway or a worker runs as one of its own, and whose streams are written."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final
from zlib import crc32

from penstock.core.contracts.gateway import Reply, Ticket
from penstock.core.contracts.transport import Output
from penstock.core.dataflow import Dataflow, Deployment
from penstock.core.engine import Answer, Effects, Emit
from penstock.core.engine.engine import NO_TENSORS
from penstock.core.inference import InferenceRequest
from penstock.core.pipeline_gateway.followed import Followed
from penstock.core.pipeline_gateway.submission import Submission
from penstock.core.records import Body, Failed, Headers, Port, Record
from penstock.core.streams.headers import ANSWERED_HEADER, answer_headers, dead_letter
from penstock.core.streams.names import StreamNames
from penstock.core.streams.parent import Parent
from penstock.core.streams.readers import StreamReaders

if TYPE_CHECKING:
    from penstock.core.pipeline_gateway.admission import Admission
    from penstock.core.pipeline_gateway.target import ServedTarget

_INPUTS: Final = Port(None, "inputs")
_OUTPUTS: Final = Port(None, "outputs")


class WrittenSubmission(Submission, Parent):
    """Has written what its pipeline keeps, and tells those that read it: with the answer what there
    is by then, the rest when the request has ended."""

    __slots__ = ("_deadline_ms", "_names", "_partition", "_readers", "_unwritten")

    def __init__(
        self,
        admission: Admission,
        target: ServedTarget,
        deployment: Deployment,
        request: InferenceRequest,
        headers: Headers,
        timeout_ms: float,
        reply: Reply,
        identity: str,
        key: bytes,
    ) -> None:
        key = key or identity.encode()
        super().__init__(
            admission, target, deployment, request, headers, timeout_ms, reply, identity, key
        )
        self._names, self._readers = self.places()
        self._partition = crc32(key) % deployment.plan.partitions
        self._unwritten: list[Output] = []
        self._deadline_ms = 0.0

    def begin(self, dataflow: Dataflow, now_ms: float, deadline_ms: float) -> None:
        self._deadline_ms = deadline_ms
        super().begin(dataflow, now_ms, deadline_ms)

    def answered(self, answer: Answer, now_ms: float) -> None:
        super().answered(answer, now_ms)
        if self.deployment.plan.keeps_output:
            more = answer_headers(answer)
            headers = {**self._headers, **more} if more else self._headers
            self._write(_OUTPUTS, answer.body, 0, headers)
        if answer.passage.left:
            self._hand_over()

    def emitted(self, record: Emit, now_ms: float, out: Effects) -> None:
        if record.port in self.deployment.plan.read:
            told = self._record(record.port, record.body, record.round, self._headers)
            self._unwritten += self._readers.told(told)
        if record.port == _INPUTS:
            self._write(_INPUTS, self._input, 0, {**self._headers, ANSWERED_HEADER: "1"})
        elif record.port.step is not None:
            self._write(record.port, record.body, record.round, self._headers)
        # The output is written with what only its answer says.

    def buried(self, failure: Failed, now_ms: float) -> None:
        record = self._record(_INPUTS, self._input, 0, self._headers)
        letter = dead_letter(record, failure, 1, f"{self._stream_of(_INPUTS)}/{self._partition}")
        self._unwritten.append(Output(self._names.dead_letters, letter))

    def closed(self) -> None:
        super().closed()
        self._hand_over()

    @property
    def _input(self) -> Body:
        return self.request.tensors or NO_TENSORS

    def _write(self, port: Port, body: Body, round_number: int, headers: Headers) -> None:
        record = self._record(port, body, round_number, headers)
        self._unwritten.append(Output(self._stream_of(port), record, self._partition))

    def _record(self, port: Port, body: Body, round_number: int, headers: Headers) -> Record:
        plan = self.deployment.plan
        request = self.request
        return Record(
            self._identity,
            self.key,
            plan.name,
            plan.version,
            port,
            round_number,
            body,
            request.parameters,
            headers,
            self._deadline_ms,
            request.id,
        )

    def _stream_of(self, port: Port) -> str:
        return self._names.of(self.deployment.plan.name, port)

    def _hand_over(self) -> None:
        unwritten, self._unwritten = self._unwritten, []
        if unwritten:
            self.hand_over(unwritten)

    @abstractmethod
    def hand_over(self, outputs: list[Output]) -> None:
        """Have records written."""


class WrittenChild(WrittenSubmission):
    """A request to a pipeline that is a step: what it writes goes with what its parent writes."""

    __slots__ = ("_parent",)

    def __init__(
        self,
        parent: Parent,
        admission: Admission,
        target: ServedTarget,
        deployment: Deployment,
        request: InferenceRequest,
        headers: Headers,
        timeout_ms: float,
        reply: Reply,
        identity: str,
        key: bytes,
    ) -> None:
        self._parent = parent
        super().__init__(
            admission, target, deployment, request, headers, timeout_ms, reply, identity, key
        )

    def begin(self, dataflow: Dataflow, now_ms: float, deadline_ms: float) -> None:
        self._parent.child_began(self)
        super().begin(dataflow, now_ms, deadline_ms)

    def closed(self) -> None:
        super().closed()
        self._parent.child_ended(self)

    def hand_over(self, outputs: list[Output]) -> None:
        self._parent.child_wrote(outputs)

    # What its own children say: who began all of them writes what they write.

    def places(self) -> tuple[StreamNames, StreamReaders]:
        return self._parent.places()

    def child_began(self, child: Ticket) -> None:
        self._parent.child_began(child)

    def child_wrote(self, outputs: Sequence[Output]) -> None:
        self._parent.child_wrote(outputs)

    def child_ended(self, child: Ticket) -> None:
        self._parent.child_ended(child)

    def asked(self) -> None:
        self._parent.asked()

    def told(self) -> None:
        self._parent.told()


class FollowedWrittenChild(WrittenChild, Followed):
    """One that is followed."""

    __slots__ = ("course",)
