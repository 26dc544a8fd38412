"""One worker's process: its clock, its engine, its models, and its hands on the broker.

A node is one incarnation. When it crashes, what it still meant to do does not happen.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

from oracle.model import Never, Produces, Raises
from penstock.core.clock import Clock
from penstock.core.contracts.transport import Delivery, Ownership
from penstock.core.dataflow import Deployment
from penstock.core.engine import (
    Abandon,
    Answer,
    Call,
    Closed,
    DeadLetter,
    Effects,
    Emit,
    Engine,
    Passage,
)
from penstock.core.records import Failed, Tensors
from penstock.core.streams import GLANCES, Batch, Glance, StreamedPipeline, Tenure
from penstock.core.tensors import Tensor
from simulation.broker import EPOCH_MS

if TYPE_CHECKING:
    from simulation.world import World


ROUND_TRIP_MS = 60
"""No message takes longer than half of this, lost acknowledgements apart."""


class NodeClock(Clock):
    """A clock that is wrong by ``skew_ms``."""

    __slots__ = ("_skew_ms", "_world")

    def __init__(self, world: World, skew_ms: int) -> None:
        self._world = world
        self._skew_ms = skew_ms

    def now_ms(self) -> float:
        return EPOCH_MS + self._world.now + self._skew_ms


class Node:
    """A worker that runs the real engine and the real decisions of :mod:`penstock.core.streams`."""

    def __init__(
        self, world: World, number: int, streams: ModuleType, skew_ms: int, deployment: Deployment
    ) -> None:
        self._world = world
        self.number = number
        self.name = f"worker {'ABCDEFGH'[number]}"
        self.dead = False
        self.hung_until = 0.0
        self.left_for_ms = 0
        self.engine = Engine(_no_jitter)
        self.clock = streams.TransportClock(NodeClock(world, skew_ms))
        self._now_ms = self.clock.now_ms
        self.pipeline: StreamedPipeline = streams.StreamedPipeline(
            deployment, world.names, world.limits, exactly_once=world.case.exactly_once
        )
        self.turnstile = streams.Turnstile()
        self._tenure_type = streams.Tenure
        self.tenures: dict[int, Hands] = {}
        self.running: dict[str, Passage] = {}
        self._timer_ms = float("inf")
        self.sent_until = 0.0

    @property
    def answers(self) -> bool:
        """Whether the broker hears of it."""
        return not self.dead and self.hung_until <= self._world.now

    def start(self) -> None:
        """Ask for the time first; then compete."""
        world = self._world
        glances: list[Glance] = []

        def ask() -> None:
            asked_ms = self.clock.local_ms()

            def hear(time_ms: float) -> None:
                glances.append(Glance(asked_ms, self.clock.local_ms(), time_ms))
                if len(glances) < GLANCES:
                    ask()
                else:
                    self.clock.set_by(glances)
                    world.to_broker(self, world.broker.join, self)

            world.to_broker(self, lambda: world.to_node(self, hear, world.broker.time_ms))

        ask()

    # What the broker says -----------------------------------------------------------------------

    def win(self, ownership: Ownership) -> None:
        """A partition is its own."""
        hands = Hands(self._world, self, ownership)
        self.tenures[ownership.partition] = hands
        hands.tenure = self._tenure_type(
            self.pipeline, ownership, hands, self, self.turnstile, self._now_ms
        )
        hands.tenure.pump()

    def lose(self, ownership: Ownership) -> None:
        """A partition is to be given up."""
        hands = self.tenures.get(ownership.partition)
        if hands is not None and hands.ownership == ownership:
            hands.hand_over()

    def fenced(self, ownership: Ownership) -> None:
        """A partition was taken away."""
        hands = self.tenures.get(ownership.partition)
        if hands is not None and hands.ownership == ownership:
            hands.tenure.fenced()

    def expelled(self, _: None) -> None:
        """It was not heard of for too long: everything is lost, and it joins again."""
        for hands in list(self.tenures.values()):
            hands.tenure.fenced()
        self._world.to_broker(self, self._world.broker.join, self)

    def left(self, _: None) -> None:
        """It has given everything up, and stops."""
        self._world.stopped(self)

    def look(self, glance: Glance) -> None:
        """It has seen the broker's clock; what is under way when its own moves is not sure."""
        before_ms = self.clock.offset_ms
        self.clock.learn(glance)
        if self.clock.offset_ms != before_ms:
            self._world.laws.disturbed(self)

    def pass_by(self, time_ms: float) -> None:
        """It has read a record of that time."""
        before_ms = self.clock.offset_ms
        self.clock.pass_by(time_ms)
        if self.clock.offset_ms != before_ms:
            self._world.laws.disturbed(self)

    # The carrier of its passages ----------------------------------------------------------------

    def begin(self, passage: Passage, tensors: Tensors) -> None:
        """A request enters its pipeline."""
        self._world.laws.begun(self, passage)
        self.running[passage.identity] = passage
        out: Effects = []
        self.engine.open(passage, tensors, out)
        self._carry_out(out)

    def cancel(self, passage: Passage) -> None:
        """A request is given up."""
        if not passage.closed:
            self._world.laws.cut_short(passage.identity)
            out: Effects = []
            self.engine.cancel(passage, self._now_ms(), out)
            self._carry_out(out)

    def _carry_out(self, out: Effects) -> None:
        now_ms = self._now_ms()
        passenger: Any
        for effect in out:  # grows while it is walked
            if type(effect) is Call:
                self._call(effect)
            elif type(effect) is Abandon:
                continue
            elif type(effect) is Answer:
                passenger = effect.passage.context
                passenger.answered(effect, now_ms)
            elif type(effect) is Emit:
                passenger = effect.passage.context
                passenger.emitted(effect, now_ms, out)
            elif type(effect) is DeadLetter:
                passenger = effect.passage.context
                passenger.buried(effect.failure, now_ms)
            elif type(effect) is Closed:
                passenger = effect.passage.context
                if self.running.get(effect.passage.identity) is effect.passage:
                    del self.running[effect.passage.identity]
                passenger.closed()
        due_ms = self.engine.next_timer_ms()
        if due_ms < self._timer_ms:
            self._timer_ms = due_ms
            self._world.at_node(self, max(0.0, due_ms - now_ms), self._ring, due_ms)

    def _ring(self, due_ms: float) -> None:
        if due_ms == self._timer_ms:
            self._timer_ms = float("inf")
            out: Effects = []
            self.engine.tick(self._now_ms(), out)
            self._carry_out(out)

    def _call(self, call: Call) -> None:
        world = self._world
        identity = call.passage.identity
        if identity in world.poison:
            world.laws.poisoned(identity)
            world.crash(self, 20)
            return
        attempts = world.kind_of(identity).behaviours[call.step]
        attempt = attempts[min(call.attempt, len(attempts)) - 1]
        if isinstance(attempt.outcome, Never):
            return
        back = (call, attempt.outcome)
        world.at_node(self, attempt.duration_ms, self._come_back, back)
        if attempt.duplicate_after_ms is not None:
            again_ms = attempt.duration_ms + attempt.duplicate_after_ms
            world.at_node(self, again_ms, self._come_back, back)

    def _come_back(self, what: tuple[Call, Produces | Raises]) -> None:
        call, outcome = what
        result: Tensors | Failed
        if isinstance(outcome, Produces):
            result = produced(call, outcome.names)
        else:
            result = Failed(outcome.code, "as told", None, outcome.retriable)
        out: Effects = []
        self.engine.done(call, result, self._now_ms(), out)
        self._carry_out(out)


class Hands:
    """What a tenure asks for, as messages to the broker."""

    def __init__(self, world: World, node: Node, ownership: Ownership) -> None:
        self._world = world
        self._node = node
        self.ownership = ownership
        self.tenure: Tenure
        self._giving_up = False
        self._released = False

    def take(self, limit: int) -> None:
        """See :class:`penstock.core.streams.PartitionAccess`."""
        self._world.to_broker(
            self._node,
            self._world.broker.take,
            self._node,
            self.ownership,
            limit,
            self._taken,
        )

    def stop_taking(self) -> None:
        """See :class:`penstock.core.streams.PartitionAccess`."""
        self._world.to_broker(
            self._node, self._world.broker.stop_taking, self._node, self.ownership
        )

    def finish(self, batch: Batch) -> None:
        """In two steps where outputs and progress are not written as one."""
        world, node, ownership = self._world, self._node, self.ownership
        asked_ms = node.clock.local_ms()

        def written(time_ms: float | None) -> None:
            if time_ms is None:
                self.tenure.fenced()
                return
            node.look(Glance(asked_ms, node.clock.local_ms(), time_ms))
            if world.case.exactly_once or not batch.deliveries:
                self.tenure.finished(batch)
            else:
                world.to_broker(
                    node, world.broker.commit, node, ownership, batch.deliveries, committed
                )

        def committed(well: bool) -> None:
            if well:
                self.tenure.finished(batch)
            else:
                self.tenure.fenced()

        world.to_broker(
            node, world.broker.write, node, ownership, batch.deliveries, batch.outputs, written
        )

    def give_back(self, deliveries: Sequence[Delivery]) -> None:
        """See :class:`penstock.core.streams.PartitionAccess`."""
        self._world.to_broker(
            self._node,
            self._world.broker.give_back,
            self._node,
            self.ownership,
            deliveries,
            self._given_back,
        )

    def drained(self) -> None:
        """Tell the broker, if it waits for that."""
        if self._node.tenures.get(self.ownership.partition) is self:
            del self._node.tenures[self.ownership.partition]
        if self._giving_up and not self._released:
            self._released = True
            self._world.to_broker(
                self._node, self._world.broker.release, self._node, self.ownership
            )

    def hand_over(self) -> None:
        """As a holding does it, on the world's clock."""
        self._giving_up = True
        grace_ms = self._world.case.hand_over_ms
        self.tenure.close()
        self._world.at_node(self._node, grace_ms, self._grace_is_over, None)
        self._world.at_node(self._node, 2 * grace_ms + ROUND_TRIP_MS, self._give_up, None)

    def _grace_is_over(self, _: None) -> None:
        self.tenure.abandon()

    def _give_up(self, _: None) -> None:
        self.tenure.fenced()

    def _taken(self, deliveries: Sequence[Delivery]) -> None:
        if deliveries:
            self._node.pass_by(deliveries[-1].time_ms)
        self.tenure.taken(deliveries)

    def _given_back(self, _: None) -> None:
        self.tenure.returned()


def produced(call: Call, names: tuple[str, ...]) -> Tensors:
    """What a step puts out: tokens that say what it was made of, and whose request it is."""
    given = ",".join([f"{each.name}={each.parameters['token']}" for each in call.tensors])
    of = call.passage.identity
    for each in call.tensors:
        assert each.parameters["of"] == of, "a tensor of another request"
    return tuple(
        [
            Tensor(name, "INT32", (0,), b"", {"token": f"{call.step}.{name}({given})", "of": of})
            for name in names
        ]
    )


def _no_jitter() -> float:
    return 0.5
