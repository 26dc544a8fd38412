"""A request in a pipeline that reads others, begun by a record of one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.core.dataflow import Dataflow, Deployment
from penstock.core.engine import Effects, Emit, ExternalPassage
from penstock.core.errors import NoOutputError, PenstockError, error_of
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.journal import Journal
from penstock.core.journal.story import Brought
from penstock.core.pipeline_gateway.matching import Place
from penstock.core.pipeline_gateway.recorded import RecordedSubmission
from penstock.core.plan import ExternalPort
from penstock.core.records import Absent, Body, Failed, Headers

if TYPE_CHECKING:
    from penstock.core.pipeline_gateway.admission import Admission
    from penstock.core.pipeline_gateway.readers import Reader
    from penstock.core.pipeline_gateway.target import ServedTarget


class ExternalSubmission(RecordedSubmission):
    """Nobody waits for it: its story is in the journal, whatever is recorded, and its failures are
    dead letters, but for one that came of another pipeline, where it was told or buried.

    It has the identity, the headers and the parameters of the request whose record began it.
    """

    __slots__ = ("_external", "place", "reader")

    place: Place[ExternalSubmission]

    def __init__(
        self,
        reader: Reader,
        admission: Admission,
        journal: Journal,
        target: ServedTarget,
        deployment: Deployment,
        record: Emit,
        headers: Headers,
        timeout_ms: float,
        now_ms: float,
    ) -> None:
        origin = record.passage
        super().__init__(
            admission,
            journal,
            target,
            deployment,
            InferenceRequest(origin.request_id, (), origin.parameters),
            headers,
            timeout_ms,
            None,
            origin.identity,
            origin.key,
            now_ms,
            external=True,
        )
        self.reader = reader

    def gather(self, dataflow: Dataflow, out: Effects) -> None:
        """Begin to wait for what other pipelines bring."""
        self._external = self._passage = self.passage()
        dataflow.gather(self._external, out)

    def passage(self) -> ExternalPassage:
        """The request on its way."""
        return ExternalPassage(
            self.deployment.plan,
            self._identity,
            self.story.opened_ms,
            self.story.deadline_ms,
            self.request.id,
            self.request.parameters,
            self._headers,
            self.deployment.tally,
            self,
            key=self.key,
        )

    def bring(
        self,
        dataflow: Dataflow,
        record: Emit,
        port: ExternalPort,
        body: Body,
        now_ms: float,
        out: Effects,
    ) -> None:
        """A port of another pipeline has ended, with this record."""
        brought = Brought(port, record.passage.identity, record.at_ms)
        self._journal.note_brought(self.story, brought)
        feed = self.deployment.plan.external.get(port)
        if feed is not None:  # else only another version reads it
            dataflow.engine.gatherings.bring(self._external, feed, body, now_ms, out)

    @property
    def entered(self) -> InferenceRequest:
        inputs = self._external.inputs
        if inputs is None or isinstance(inputs, Absent | Failed):
            return self.request
        return InferenceRequest(self.request.id, inputs, self.request.parameters)

    def closed(self) -> None:
        super().closed()
        self._admission.readers.ended(self)
        # It knows us, and a circle would leave both to the garbage collector.
        del self._external

    def _is_to_bury(self, error: PenstockError) -> bool:
        return self._external.foreign is None and super()._is_to_bury(error)

    def _result_without_output(self) -> InferenceResponse | PenstockError:
        inputs = self._external.inputs
        if isinstance(inputs, Failed):
            return error_of(inputs.code, inputs.reason, step=inputs.step)
        if isinstance(inputs, Absent):
            return NoOutputError(inputs.reason)
        return super()._result_without_output()
