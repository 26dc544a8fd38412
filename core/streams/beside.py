"""What a batch says to those who wait for it in the same process.

They need not wait until it comes back to them through a stream: they hear of it when the transport
has the batch on its way in the owner's name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol, TypeAlias

from penstock.core.contracts.transport import Output
from penstock.core.records import Record
from penstock.core.streams.headers import CALL_HEADER

Tell: TypeAlias = Callable[[], None]


class Beside(Protocol):
    """Who waits in this process for what is written in it."""

    def concerned(self, outputs: Sequence[Output]) -> tuple[Tell | None, Sequence[Output]]:
        """What tells them, None where nobody waits; and what is to be written all the same."""


class Callers(Protocol):
    """A gateway: those who wait for answers."""

    def wait_for(self, identity: str) -> bool:
        """Whether somebody waits for the answer to a request."""

    def tell(self, answer: Record) -> None:
        """Give an answer to who waits for it, if somebody still does."""


class Askers(Protocol):
    """A worker: those whose requests wait for the outcomes of calls."""

    def settle(self, outcome: Output) -> None:
        """Go on with what waits for an outcome, if something does."""


class Called(Protocol):
    """A model gateway: who carries out calls."""

    def offer(self, call: Output) -> None:
        """Carry a call out that is on its way to the inputs of its step, if that can be done here
        and now. Else it is when it has come there."""


class WorkersBeside(Beside):
    """For the batches of workers. What a caller here is told is a reply less to be written; calls
    are written, whoever carries them out."""

    def __init__(self, callers: Callers | None, replies: str) -> None:
        self._callers = callers
        self._replies = replies
        self.called: Called | None = None

    def concerned(self, outputs: Sequence[Output]) -> tuple[Tell | None, Sequence[Output]]:
        answers: list[Record] = []
        calls: list[Output] = []
        others: list[Output] = []
        for output in outputs:
            record = output.record
            if output.stream == self._replies and self._is_awaited(record.identity):
                answers.append(record)
                continue
            others.append(output)
            if self.called is not None and CALL_HEADER in record.headers:
                calls.append(output)
        if not (answers or calls):
            return None, outputs
        return partial(self._tell, answers, calls), others

    def _is_awaited(self, identity: str) -> bool:
        return self._callers is not None and self._callers.wait_for(identity)

    def _tell(self, answers: Sequence[Record], calls: Sequence[Output]) -> None:
        if self._callers is not None:
            for answer in answers:
                self._callers.tell(answer)
        if self.called is not None:
            for call in calls:
                self.called.offer(call)


class AskersBeside(Beside):
    """For the batches of model gateways. The outputs of steps are written whoever has heard."""

    def __init__(self, askers: Askers) -> None:
        self._askers = askers

    def concerned(self, outputs: Sequence[Output]) -> tuple[Tell | None, Sequence[Output]]:
        outcomes = [output for output in outputs if CALL_HEADER in output.record.headers]
        return partial(self._tell, outcomes) if outcomes else None, outputs

    def _tell(self, outcomes: Sequence[Output]) -> None:
        for outcome in outcomes:
            self._askers.settle(outcome)
