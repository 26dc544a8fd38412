"""Model gateways, as owners of requests see them: calls are carried out at least once.

They are made up, unlike owners: a gateway that dies leaves its calls to others, and may have
written what came of them before; one that hangs goes on with them when others have them, too.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from oracle.model import Attempt, Never, Produces, Raises
from penstock.core.contracts.transport import Delivery, Output
from penstock.core.plan.single_step import put_out_nothing, step_of
from penstock.core.records import Absent, Body, Failed, Port, Record, Tensors
from penstock.core.resources import Step
from penstock.core.streams.headers import CALL_HEADER, SETTINGS_HEADER

if TYPE_CHECKING:
    from simulation.case import Fault
    from simulation.world import World

MOST_DELIVERIES: Final = 5
_HEADERS: Final = (CALL_HEADER, SETTINGS_HEADER)


@dataclass(slots=True)
class Gateway:
    """One process after another; ``life`` counts them."""

    number: int
    life: int = 0
    dead_until: float = 0.0
    hung_until: float = 0.0


@dataclass(slots=True)
class Taken:
    """A call in the hands of a gateway, for the ``attempt``-th time. ``over`` says that it need not
    be made any more."""

    output: Output
    attempt: int = 0
    over: bool = False

    @property
    def step(self) -> str:
        """The step that is to be called."""
        step = self.output.record.port.step
        assert step is not None, "it is at the inputs of a step"
        return step


class Gateways:
    """All of them, and the streams between them and the owners."""

    def __init__(self, world: World, number: int) -> None:
        self._world = world
        self._gateways = [Gateway(each) for each in range(number)]
        self._heard: list[tuple[int, Callable[[Delivery], None]]] = []
        self._written = 0

    # What owners see ----------------------------------------------------------------------------

    def hear(self, partition: int, hear: Callable[[Delivery], None]) -> None:
        """An owner wants to know what comes of calls from now on."""
        self._heard.append((partition, hear))

    def append(self, call: Output) -> None:
        """A call is written."""
        self._world.later(self._world.latency_ms(), self._take, Taken(call))

    def befall(self, fault: Fault, number: int) -> None:
        """Something happens to a gateway. One that leaves in order finishes what it has."""
        gateway = self._gateways[number]
        self._world.tell(f"gateway {number}", "%s for %d ms", fault.trouble, fault.for_ms)
        until = self._world.now + fault.for_ms
        if fault.trouble == "hang":
            gateway.hung_until = max(gateway.hung_until, until)
        elif fault.trouble == "crash":
            self._die(gateway, until)
        else:
            gateway.dead_until = max(gateway.dead_until, until)

    # What they do -------------------------------------------------------------------------------

    def _die(self, gateway: Gateway, until: float) -> None:
        gateway.life += 1
        gateway.dead_until = max(gateway.dead_until, until)
        gateway.hung_until = 0.0

    def _take(self, taken: Taken) -> None:
        """Whoever lives has it now; if nobody does, it waits in its stream."""
        if taken.over:
            return
        world = self._world
        living = [each for each in self._gateways if each.dead_until <= world.now]
        if not living:
            world.later(50, self._take, taken)
            return
        gateway = living[zlib.crc32(taken.step.encode()) % len(living)]
        taken.attempt += 1
        life = gateway.life
        record = taken.output.record
        if taken.attempt > MOST_DELIVERIES:
            self._write(taken, Failed("lost", "as told", taken.step))
            return
        if record.identity in world.poison:
            world.laws.poisoned(record.identity)
            self._die(gateway, world.now + 20)
        step = step_of(record.headers[SETTINGS_HEADER])
        takes_ms, body = self._outcome(record, step)
        # Missed when it is silent for the time of a session, for the next to have it.
        world.later(world.case.session_ms, self._miss, (gateway, life, taken))
        if body is not None:
            world.later(takes_ms, self._come_back, (gateway, life, taken, body))
        elif record.deadline_ms < float("inf"):
            late = Failed("deadline", "as told", taken.step)
            after_ms = max(0.0, record.deadline_ms - world.broker.time_ms)
            world.later(after_ms, self._give_up, (taken, late))

    def _miss(self, what: tuple[Gateway, int, Taken]) -> None:
        """Look whether a gateway is there that has a call; another one has it then."""
        gateway, life, taken = what
        if taken.over:
            return
        if gateway.life != life or gateway.hung_until > self._world.now:
            self._take(taken)
        else:
            self._world.later(self._world.case.session_ms, self._miss, what)

    def _come_back(self, what: tuple[Gateway, int, Taken, Body]) -> None:
        """A call has come back where it was made, if that is still there."""
        gateway, life, taken, body = what
        world = self._world
        if gateway.hung_until > world.now:
            world.later(gateway.hung_until - world.now, self._come_back, what)
        elif gateway.life == life:
            self._write(taken, body)
            # Only then it is finished: who dies between has written it, and it is made again.
            world.later(world.latency_ms(), self._finish, (gateway, life, taken))

    def _finish(self, what: tuple[Gateway, int, Taken]) -> None:
        gateway, life, taken = what
        taken.over = taken.over or gateway.life == life

    def _give_up(self, what: tuple[Taken, Failed]) -> None:
        """The time of the request is over; its owner knows by itself."""
        taken, late = what
        if not taken.over:
            taken.over = True
            self._write(taken, late, awaited=False)

    def _write(self, taken: Taken, body: Body, *, awaited: bool = True) -> None:
        stream, call, partition = taken.output
        assert partition is not None, "owners say where a call belongs"
        world = self._world
        headers = {name: text for name, text in call.headers.items() if name not in _HEADERS}
        if awaited:
            headers[CALL_HEADER] = call.headers[CALL_HEADER]
        port = Port(taken.step, "outputs")
        record = call._replace(port=port, body=body, headers=headers)
        world.laws.outcome(record)
        self._written += 1
        told = Delivery(stream, partition, self._written, record, 0, world.broker.time_ms)
        for heard, hear in self._heard:
            if heard == partition:
                hear(told)

    def _outcome(self, call: Record, step: Step) -> tuple[float, Body | None]:
        """After which time how a call ends, with its attempts; None if it has no end of its own."""
        at_ms = 0.0
        for number in range(step.retries + 1):
            attempt = self._attempt(call, step, number)
            over = step.timeout_ms
            if over is not None and (
                isinstance(attempt.outcome, Never) or attempt.duration_ms >= over
            ):
                attempt = Attempt(int(over), Raises("timeout", retriable=True))
            at_ms += attempt.duration_ms
            outcome = attempt.outcome
            if isinstance(outcome, Never):
                return at_ms, None
            if isinstance(outcome, Produces):
                return at_ms, self._produced(call, step, outcome) or put_out_nothing(step.name)
            if not outcome.retriable:
                break
            at_ms += step.retry_backoff_ms * 2**number
        assert isinstance(outcome, Raises), "it was tried as often as it may be"
        failed = Failed(outcome.code, "as told", step.name)
        absent = Absent(f"step '{step.name}' failed", "error")
        return at_ms, absent if step.on_error == "absent" else failed

    def _attempt(self, call: Record, step: Step, number: int) -> Attempt:
        attempts = self._world.kind_of(call.identity).behaviours[step.name]
        return attempts[min(number, len(attempts) - 1)]

    def _produced(self, call: Record, step: Step, outcome: Produces) -> Tensors:
        assert not isinstance(call.body, Absent | Failed), "a marker is no call"
        tensors = call.body
        return self._world.models.made_of(
            call.identity, step.name, tensors, tensors[0].shape[0], outcome.names
        )
