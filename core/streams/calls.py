"""Calls that an owner leaves to model gateways: which are waited for, and what came of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias, cast, final

from penstock.core.contracts.model import ModelCall, ModelInstance, VisitEnded
from penstock.core.contracts.transport import Delivery
from penstock.core.engine import Call
from penstock.core.following.course import passenger_of
from penstock.core.records import Absent, Body, Failed, Tensors
from penstock.core.streams.headers import CALL_HEADER
from penstock.core.streams.hearing import Hearing

if TYPE_CHECKING:
    from penstock.core.streams.request import StreamRequest

TakeOutcome: TypeAlias = Callable[[Body], None]


def _nobody(outcome: Body) -> None:
    """Nobody waits."""


_NOBODY: Final[tuple[str, TakeOutcome]] = ("", _nobody)


class CallDesk:
    """What one owner waits for, by the names that it gave its calls.

    A name holds the epoch of the ownership and the place of the request's record. So what came of
    the calls of an earlier owner, who began the same request, is nobody's here.
    """

    __slots__ = ("_epoch", "_hearings", "_waiting")

    def __init__(self, epoch: int) -> None:
        self._epoch = epoch
        self._waiting: dict[str, tuple[str, TakeOutcome]] = {}
        """Each with its step."""
        self._hearings: dict[str, Hearing] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def name(self, place: str, step: str, round_number: int) -> str:
        """The name of the call of one visit."""
        return f"{self._epoch}.{place}.{step}.{round_number}"

    def hear_by(self, step: str, hearing: Hearing) -> None:
        """What comes of calls of a step is read from now on."""
        self._hearings[step] = hearing

    def expect(self, name: str, step: str, take: TakeOutcome) -> None:
        """Tell ``take`` what comes of a call."""
        self._waiting[name] = step, take
        hearing = self._hearings.get(step)
        if hearing is not None:
            hearing.expects(name)

    def forget(self, name: str) -> None:
        """Nobody waits for a call any more."""
        step, _ = self._waiting.pop(name, _NOBODY)
        if step in self._hearings:
            self._hearings[step].forgets(name)

    def tell(self, name: str, body: Body) -> None:
        """This has come of a call, as is said in this process; only the first time counts."""
        step, take = self._waiting.pop(name, _NOBODY)
        if step in self._hearings:
            self._hearings[step].told(name)
        take(body)

    def refuse(self, name: str, failure: Failed) -> None:
        """A call is not made."""
        _, take = self._waiting.get(name, _NOBODY)
        self.forget(name)
        take(failure)

    def reads(self, step: str, name: str) -> bool:
        """What came of a call is read. Says whether somebody still waits for it."""
        hearing = self._hearings.get(step)
        if hearing is not None:
            hearing.read(name)
        return name in self._waiting

    def heard(self, delivery: Delivery) -> None:
        """A record of the outputs of a step has come."""
        _, take = self._waiting.pop(delivery.record.headers[CALL_HEADER], _NOBODY)
        take(delivery.record.body)

    def close(self) -> None:
        """Nothing is heard any more."""
        for hearing in self._hearings.values():
            hearing.close()
        self._hearings.clear()


@final
class CalledElsewhere(ModelInstance):
    """Stands where a step has its model, and leaves the call to the request, which writes it.

    The requests of what is called so are those of a :class:`StreamWorker`.
    """

    __slots__ = ()

    def infer(self, call: ModelCall) -> Awaitable[Tensors]:
        assert isinstance(call, Call), "the engine makes the calls of steps"
        request = cast("StreamRequest", passenger_of(call.passage))
        assert request.elsewhere is not None, "its plan leaves the calls of this step to others"
        outcome: asyncio.Future[Tensors] = asyncio.get_running_loop().create_future()
        name = request.elsewhere.call(call, partial(_settle, outcome))
        outcome.add_done_callback(partial(_forget, request.tenure.calls, name))
        return outcome


def _settle(outcome: asyncio.Future[Tensors], body: Body) -> None:
    if outcome.done():
        return
    if isinstance(body, Absent | Failed):
        outcome.set_exception(VisitEnded(body))
    else:
        outcome.set_result(body)


def _forget(calls: CallDesk, name: str, outcome: asyncio.Future[Tensors]) -> None:
    if outcome.cancelled():
        calls.forget(name)
