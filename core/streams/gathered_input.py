"""The input of a request that other pipelines begin, where all requests need one order."""

from __future__ import annotations

from dataclasses import replace

from penstock.core.contracts.transport import Output
from penstock.core.engine import Effects, Emit
from penstock.core.plan import Plan
from penstock.core.records import Body, Failed, Port
from penstock.core.streams.gathered import GatheredRequest
from penstock.core.streams.headers import GATHERED_HEADER
from penstock.core.streams.omitted import without_tensors

_INPUTS = Port(None, "inputs")


def entrance_alone(plan: Plan) -> Plan:
    """What is left of a plan that joins the input of a request, and runs nothing."""
    return replace(
        plan,
        steps=(),
        output=None,
        width=0,
        input_feeds=(),
        keeps_input=True,
        keeps_output=False,
        loops=(),
        crossings={},
        read=frozenset(),
        keeping=(),
        order=None,
        called_elsewhere={},
        followed=None,
    )


class GatheredInput(GatheredRequest):
    """Is over when the input is decided. That goes to the input stream of its pipeline, together
    with its end here, and is taken up there in its place among all that is asked of the pipeline.

    What fails here is buried here; who takes it up passes it on.
    """

    __slots__ = ()

    @property
    def known_as(self) -> str:
        # The request that it becomes is another.
        return f"{self.identity} input"

    def begin(self, now_ms: float, failure: Failed | None = None) -> None:
        assert failure is not None, "what can be joined is gathered"
        self._is_decided = True
        self._bury(failure)
        self._write_input(failure)
        self.closed()

    def emitted(self, record: Emit, now_ms: float, out: Effects) -> None:
        self._goes_in()
        self._write_input(record.body)

    def replace(self, refused: list[Output], failure: Failed) -> None:
        self.refused = True
        inputs = self.tenure.pipeline.inputs
        is_too_much = any(each.stream == inputs for each in refused)
        if is_too_much:
            self._bury(failure)
        letters = [each for each in (*refused, *self.unwritten) if each.stream != inputs]
        self.unwritten = [each._replace(record=without_tensors(each.record)) for each in letters]
        if is_too_much:
            self._write_input(failure)

    def _write_input(self, body: Body) -> None:
        self.write(_INPUTS, body, 0, {**self.headers, GATHERED_HEADER: "1"})

    def _tell_end(self) -> None:
        """It goes on as another."""
