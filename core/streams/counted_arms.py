"""How a request ended that experiments have sent to its pipeline, and that nobody waits for.

Whoever waits is answered by the gateway that has split the request, and counted there. Of these
the worker counts what became, when it is written: a worker that dies before has counted nothing,
and the next one carries the request out anew.
"""

from __future__ import annotations

from typing import NamedTuple

from penstock.core.errors import NoOutputError, error_of
from penstock.core.experiments.split import Observe, Result, Split
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.plan import Plan
from penstock.core.records import Absent, Body, Failed, Record
from penstock.core.streams.headers import ARMS_HEADER


class ArmsOutcome(NamedTuple):
    """What is to be counted of one request."""

    split: Split
    request: InferenceRequest
    result: Result
    took_ms: float

    @classmethod
    def of(
        cls, asked: Record, plan: Plan, body: Body, took_ms: float, observe: Observe
    ) -> ArmsOutcome | None:
        """What to count of a request that ``asked`` is the record of, and whose output is ``body``;
        None where no experiment has sent it."""
        text = asked.headers.get(ARMS_HEADER)
        if text is None:
            return None
        tensors = () if isinstance(asked.body, Absent | Failed) else asked.body
        request = InferenceRequest(asked.request_id, tensors, asked.parameters)
        return cls(Split.read(text, observe), request, _result(asked, plan, body), took_ms)

    def tell(self) -> None:
        """Have it counted."""
        self.split.ended(self.request, self.result, self.took_ms)


def _result(asked: Record, plan: Plan, body: Body) -> Result:
    if isinstance(body, Failed):
        return error_of(body.code, body.reason, step=body.step)
    if isinstance(body, Absent):
        return NoOutputError(body.reason)
    return InferenceResponse(plan.name, str(plan.version), asked.request_id, body)
