"""Which process behind the address has what a worker is asked for."""

from __future__ import annotations

from collections.abc import Mapping

from penstock.core.contracts.elsewhere import Elsewhere
from penstock.core.contracts.gateway import Target
from penstock.core.identity import whereabouts_of, worker_of
from penstock.core.inference import InferenceRequest
from penstock.core.workers.doors import Door, Doors
from penstock.core.workers.homed_gateway import HomedGateway, HomedTarget


class OtherWorkers(Elsewhere):
    """What worker ``own`` passes on.

    Only the public front ends of a worker do: what is passed on comes in at the door of another.
    ``gateway`` knows where requests have to be, None where each may be anywhere.
    """

    def __init__(self, doors: Doors, own: int, gateway: HomedGateway | None) -> None:
        self._doors = doors
        self._own = own
        self._gateway = gateway

    @property
    def scheduler(self) -> Door:
        return self._doors.scheduler

    def who_has(self, identity: str) -> Door | None:
        if whereabouts_of(identity) is not None:
            return None  # a stream has it, which anybody can read
        number = worker_of(identity)
        if number is None or number == self._own or number not in self._doors.numbers:
            return None
        return self._doors.worker(number)

    def home(
        self, target: Target, request: InferenceRequest, headers: Mapping[str, str]
    ) -> Door | None:
        if self._gateway is None or not isinstance(target, HomedTarget):
            return None
        home = self._gateway.home(target.inner, request, headers)
        return None if home is None else self._doors.worker(home)
