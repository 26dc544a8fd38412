"""A request that records of other pipelines begin, which are brought together in one stream."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from penstock.core.contracts.transport import Delivery
from penstock.core.dataflow import Deployment
from penstock.core.engine import Answer, Effects, Emit, ExternalPassage
from penstock.core.plan import ExternalPort
from penstock.core.records import Failed, Port
from penstock.core.streams.headers import ANSWERED_HEADER
from penstock.core.streams.request import StreamRequest

if TYPE_CHECKING:
    from penstock.core.streams.tenure import Tenure

_INPUTS = Port(None, "inputs")


def port_of(delivery: Delivery) -> ExternalPort:
    """The port that a record is of, which another pipeline reads."""
    return ExternalPort(delivery.record.pipeline, delivery.record.port)


class GatheredRequest(StreamRequest):
    """Waits for its input first, and is finished with all the records that were brought to it.

    A worker has all of them in hand until then: whoever takes over from it gathers them again. Its
    input is written to the input stream of its pipeline as one that needs no worker any more.
    """

    __slots__ = ("_arrived", "_brought", "_external", "_is_decided")

    def __init__(self, tenure: Tenure, delivery: Delivery, deployment: Deployment) -> None:
        super().__init__(tenure, delivery, deployment)
        self._arrived = delivery
        self._brought: dict[ExternalPort, Delivery] = {}
        self._external: ExternalPassage | None = None
        self._is_decided = False

    @property
    def waits(self) -> bool:
        """Whether nothing is done for it yet, since it waits for other pipelines."""
        return not self._is_decided

    @property
    def deliveries(self) -> Sequence[Delivery]:
        return list(self._brought.values()) or [self.delivery]

    @property
    def place(self) -> str:
        return f"x{self.delivery.offset}"

    def reads(self, port: ExternalPort) -> bool:
        """Whether its version reads a port."""
        return port in self.deployment.plan.external

    def lacks(self, port: ExternalPort) -> bool:
        """Whether it waits, and has not heard of a port that its version reads."""
        return self.waits and self.reads(port) and port not in self._brought

    def begin(self, now_ms: float, failure: Failed | None = None) -> None:
        self._is_decided = True
        super().begin(now_ms, failure)

    def comes_in(self, delivery: Delivery) -> None:
        """A port that its version reads has ended; :meth:`gather` takes note of it."""
        self._brought[port_of(delivery)] = self._arrived = delivery

    def gather(self, now_ms: float) -> None:
        """Join what has come in last with what it has."""
        if self.ended:
            return  # its window ended before it could be alone
        feed = self.deployment.plan.external[port_of(self._arrived)]
        begins = self._external is None
        passage = self._external if self._external is not None else self._begun(now_ms)
        self.tenure.carrier.bring(passage, feed, self._arrived.record.body, begins=begins)

    def end_wait(self) -> None:
        """There is no room to wait on: its input is what there is."""
        assert self._external is not None, "it waits"
        self.tenure.carrier.end_join(self._external)

    # What the dataflow says of it ---------------------------------------------------------------

    def emitted(self, record: Emit, now_ms: float, out: Effects) -> None:
        self._goes_in()
        if record.port == _INPUTS:
            self.write(_INPUTS, record.body, 0, {**self.headers, ANSWERED_HEADER: "1"})
        super().emitted(record, now_ms, out)

    def answered(self, answer: Answer, now_ms: float) -> None:
        self._goes_in()
        super().answered(answer, now_ms)

    def closed(self) -> None:
        self._goes_in()
        super().closed()
        self._external = None

    def is_to_bury(self) -> bool:
        # What came of another pipeline was told or buried there.
        return self._external is None or self._external.foreign is None

    # How it begins ------------------------------------------------------------------------------

    def _begun(self, now_ms: float) -> ExternalPassage:
        pipeline = self.tenure.pipeline
        plan = self.deployment.plan
        deadline_ms = now_ms + (plan.async_deadline_ms or pipeline.limits.deadline_ms)
        self._external = self.passage = self.on_its_way(
            ExternalPassage, plan, self.deployment.tally, self, now_ms, deadline_ms
        )
        self._see_to_calls(plan)
        return self._external

    def _goes_in(self) -> None:
        """Its input is decided: from now on it is at work."""
        if self._external is not None and not self._is_decided:
            self._is_decided = True
            self.tenure.pipeline.running += 1
            self.tenure.went_in(self)
