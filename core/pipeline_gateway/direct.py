"""Pipelines that the gateway runs itself for who waits, with their streams written behind."""

from __future__ import annotations

from typing import Final

from penstock.core.contracts.gateway import Reply, Ticket
from penstock.core.contracts.transport import Output
from penstock.core.dataflow import Dataflow, Deployment
from penstock.core.engine import Answer, Effects, Emit
from penstock.core.engine.engine import NO_TENSORS
from penstock.core.inference import InferenceRequest
from penstock.core.pipeline_gateway.admission import Admission
from penstock.core.pipeline_gateway.streamed import StreamedTarget, StreamIntake
from penstock.core.pipeline_gateway.submission import Submission
from penstock.core.records import Body, Failed, Headers, Port, Record
from penstock.core.signature import Signature
from penstock.core.streams.headers import ANSWERED_HEADER, answer_headers, dead_letter
from penstock.core.streams.write_behind import WriteBehind

_INPUTS: Final = Port(None, "inputs")
_OUTPUTS: Final = Port(None, "outputs")


class DirectTarget(StreamedTarget):
    """One version of a pipeline in layout direct; who does not wait goes through its streams."""

    __slots__ = ("_streams", "behind", "names")

    def __init__(
        self,
        intake: StreamIntake,
        deployment: Deployment,
        signature: Signature | None,
        behind: WriteBehind,
    ) -> None:
        super().__init__(intake, deployment, signature)
        self.behind = behind
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
        return type(self)(self._intake, self.deployment, self.signature, self.behind)

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
        assert self.deployment is not None, "who is not ready takes nothing in"
        return DirectSubmission(
            self._admission,
            self,
            self.deployment,
            request,
            headers,
            limit_ms,
            reply,
            identity,
            key or identity.encode(),
        )


class DirectSubmission(Submission):
    """Has written what its pipeline keeps: with the answer what there is by then, the rest when
    the request has ended."""

    __slots__ = ("_deadline_ms", "_direct", "_partition", "_unwritten")

    def __init__(
        self,
        admission: Admission,
        target: DirectTarget,
        deployment: Deployment,
        request: InferenceRequest,
        headers: Headers,
        timeout_ms: float,
        reply: Reply,
        identity: str,
        key: bytes,
    ) -> None:
        super().__init__(
            admission, target, deployment, request, headers, timeout_ms, reply, identity, key
        )
        self._direct = target
        self._partition = target.partition_of(key)
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
        if record.port == _INPUTS:
            self._write(_INPUTS, self._input, 0, {**self._headers, ANSWERED_HEADER: "1"})
        elif record.port.step is not None:
            self._write(record.port, record.body, record.round, self._headers)
        # The output is written with what only its answer says.

    def buried(self, failure: Failed, now_ms: float) -> None:
        direct = self._direct
        record = self._record(_INPUTS, self._input, 0, self._headers)
        letter = dead_letter(record, failure, 1, f"{direct.inputs}/{self._partition}")
        self._unwritten.append(Output(direct.names.dead_letters, letter))

    def closed(self) -> None:
        super().closed()
        self._hand_over()

    @property
    def _input(self) -> Body:
        return self.request.tensors or NO_TENSORS

    def _write(self, port: Port, body: Body, round_number: int, headers: Headers) -> None:
        record = self._record(port, body, round_number, headers)
        self._unwritten.append(Output(self._direct.stream_of(port), record, self._partition))

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

    def _hand_over(self) -> None:
        unwritten, self._unwritten = self._unwritten, []
        if unwritten:
            self._direct.behind.put(unwritten)
