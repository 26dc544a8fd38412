"""The visits of one request that model gateways carry out: who writes which of their records."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from penstock.core.engine import Call, Emit
from penstock.core.following.course import FollowedOrigin
from penstock.core.plan import Plan
from penstock.core.records import Body, Failed, Port, Record
from penstock.core.streams.calls import TakeOutcome
from penstock.core.streams.headers import CALL_HEADER, FOLLOWED, FOLLOWED_HEADER, SETTINGS_HEADER

if TYPE_CHECKING:
    from penstock.core.streams.request import StreamRequest

_Visit: TypeAlias = tuple[str, int]
"""The step, and the round."""


class VisitsElsewhere:
    """Of a visit that is called, the record of its inputs *is* the call, and whoever carries it out
    writes its outputs. Of all others the request writes both, as in every layout.
    """

    __slots__ = ("_called", "_joined", "_request", "_settings")

    def __init__(self, request: StreamRequest, plan: Plan) -> None:
        self._request = request
        self._settings = plan.called_elsewhere
        self._joined: dict[_Visit, Body] = {}
        """What visits run with of which it is not known yet whether they are called."""
        self._called: set[_Visit] = set()

    def sees_to(self, record: Emit) -> bool:
        """Whether it is written otherwise that a port has ended."""
        step, side = record.port
        if step is None or step not in self._settings:
            return False
        visit = (step, record.round)
        if side == "inputs":
            if type(record.body) is not tuple:
                return False
            self._joined[visit] = record.body
            return True
        if visit in self._called:
            self._called.remove(visit)
            return True
        if visit in self._joined:
            # It had its inputs, and failed or was given up before it was called.
            request = self._request
            body = self._joined.pop(visit)
            request.write(Port(step, "inputs"), body, record.round, request.headers)
        return False

    def call(self, call: Call, take: TakeOutcome) -> str:
        """Have a call written, and say by which name it is waited for."""
        request = self._request
        calls = request.tenure.calls
        name = calls.name(request.place, call.step, call.round)
        visit = (call.step, call.round)
        self._joined.pop(visit, None)
        self._called.add(visit)
        calls.expect(name, call.step, take)
        settings = self._settings[call.step]
        origin = call.origin
        headers = {**origin.headers, CALL_HEADER: name, SETTINGS_HEADER: settings}
        if isinstance(origin, FollowedOrigin):
            headers[FOLLOWED_HEADER] = FOLLOWED
        port = Port(call.step, "inputs")
        record = request.output(port, call.tensors, call.round, headers)
        request.tenure.leave_call(request, record)
        return name

    def refused(self, record: Record, failure: Failed) -> Record:
        """The transport will not have a call: it fails here, and its record is no call any more."""
        step = record.port.step
        assert step is not None, "it is at the inputs of a step"
        self._called.discard((step, record.round))
        headers = dict(record.headers)
        name = headers.pop(CALL_HEADER)
        del headers[SETTINGS_HEADER]
        headers.pop(FOLLOWED_HEADER, None)
        self._request.tenure.calls.refuse(name, failure)
        return record._replace(headers=headers)
