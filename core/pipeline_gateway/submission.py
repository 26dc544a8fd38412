"""One request on its way through the gateway."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from penstock.core.contracts.gateway import Reply, Ticket, code_of
from penstock.core.dataflow import Dataflow, Deployment
from penstock.core.engine import Answer, Effects, Emit, Passage, Retried, StateChanged
from penstock.core.errors import CancelledRequestError, NoOutputError, PenstockError, error_of
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.plan import LineName
from penstock.core.records import Absent, Failed, Headers

logger = logging.getLogger(__name__)

if TYPE_CHECKING:
    from penstock.core.pipeline_gateway.admission import Admission
    from penstock.core.pipeline_gateway.target import ServedTarget


class Submission(Ticket):
    """A request and who waits for its answer: the ticket, and the passage's passenger.

    Before it enters its pipeline it may wait for its turn; ``waiting`` is then the timer that ends
    the wait. ``key`` is empty where the request's key is its identity.
    """

    __slots__ = (
        "_admission",
        "_headers",
        "_identity",
        "_passage",
        "deployment",
        "key",
        "reply",
        "request",
        "target",
        "timeout_ms",
        "waiting",
    )

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
        self._admission = admission
        self._headers = headers
        self._identity = identity
        self._passage: Passage | None = None
        self.target = target
        self.deployment = deployment
        self.request = request
        self.timeout_ms = timeout_ms
        self.reply = reply
        self.key = key
        self.waiting: asyncio.TimerHandle | None = None

    @property
    def line(self) -> LineName | None:
        """Whose order its answer keeps, None where answers come as they get ready."""
        plan = self.deployment.plan
        return None if plan.order is None else plan.line_of(self.key or self._identity.encode())

    @property
    def identity(self) -> str:
        return self._identity

    def begin(self, dataflow: Dataflow, now_ms: float, deadline_ms: float) -> None:
        """Enter the pipeline."""
        request = self.request
        deployment = self.deployment
        # Arguments without names cost half as much.
        passage = self._passage = Passage(
            deployment.plan,
            self._identity,
            now_ms,
            deadline_ms,
            request.id,
            request.parameters,
            self._headers,
            deployment.tally,
            self,
            self.key,
        )
        dataflow.begin(passage, request.tensors)

    def cancel(self) -> None:
        if self._passage is not None:
            self._admission.cancel(self._passage)
        elif self.waiting is not None:
            error = CancelledRequestError("the caller went away before the request's turn came")
            self._admission.stop_waiting(self, error)

    def answered(self, answer: Answer, now_ms: float) -> None:
        """Turn the engine's outcome into what the caller gets."""
        body = answer.body
        result: InferenceResponse | PenstockError
        if type(body) is tuple:
            missing = answer.passage.missing
            result = self.target.response(self.request, body, missing)  # type: ignore[arg-type]  # no marker
        elif isinstance(body, Failed):
            result = error_of(body.code, body.reason, step=body.step)
        elif self.deployment.plan.single_model:
            result = self.target.response_of_nothing(self.request)
        else:
            assert isinstance(body, Absent), "markers are absent or failed"
            result = NoOutputError(body.reason, details=answer.details)
        self.deployment.tally.count_answer(code_of(result), now_ms - answer.passage.opened_ms)
        try:
            self.reply(result)
        except Exception:
            # It must not raise; were it let through, others would lose their answers as well.
            logger.exception("the answer to request %s could not be given", self._identity)

    def closed(self) -> None:
        """Nothing of the request is under way: somebody else may come in."""
        # It knows us, and a circle would leave both to the garbage collector.
        self._passage = None
        self._admission.admit_next()

    def emitted(self, record: Emit, now_ms: float, out: Effects) -> None:
        """Nobody keeps the records of such a request."""

    def headers_of(self, record: Emit) -> Headers:
        """Those of the request."""
        return self._headers

    def retried(self, attempt: Retried) -> None:
        """Nor their attempts."""

    def buried(self, failure: Failed, now_ms: float) -> None:
        """Keep what no caller is told of."""
        self._admission.bury(self, failure, now_ms)

    def changed(self, change: StateChanged) -> None:
        """What joins keep stays where it is: in this process."""

    @property
    def entered(self) -> InferenceRequest:
        """What came into the pipeline."""
        return self.request

    @property
    def admission(self) -> Admission:
        """Who let it in."""
        return self._admission

    @property
    def headers(self) -> Headers:
        """The headers that travel with it."""
        return self._headers
