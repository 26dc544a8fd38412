"""One worker's process: its clock, its engine, its models, and its hands on the broker.

A node is one incarnation. When it crashes, what it still meant to do does not happen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from oracle.model import Never, Produces, Raises
from penstock.core.clock import Clock
from penstock.core.contracts.transport import Delivery, Output, Ownership
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
    Resumed,
    SharedCall,
    StateChanged,
    Turn,
)
from penstock.core.plan import Plan
from penstock.core.records import Absent, Body, Failed, Record, Tensors
from penstock.core.state import StateChange
from penstock.core.streams import Batch, Glance, StreamedPipeline, StreamRequest, Tenure
from penstock.core.streams.headers import CALL_HEADER
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

    def __init__(self, world: World, number: int, skew_ms: int, deployment: Deployment) -> None:
        engine, streams = world.code
        self._world = world
        self.number = number
        self.name = f"worker {'ABCDEFGH'[number]}"
        self.dead = False
        self.hung_until = 0.0
        self.left_for_ms = 0
        self.engine: Engine = engine.Engine(_no_jitter)
        self._effects: dict[type, Callable[[Any, float, Effects], None]] = {
            engine.Abandon: self._abandon,
            engine.Call: self._call,
            engine.SharedCall: self._call_together,
            engine.Answer: self._answered,
            engine.Emit: self._emitted,
            engine.DeadLetter: self._buried,
            engine.Closed: self._closed,
            engine.Turn: self._take_turn,
            engine.Resumed: self._resumed,
            engine.StateChanged: self._changed,
        }
        self.clock = streams.TransportClock(NodeClock(world, skew_ms))
        self._now_ms = self.clock.now_ms
        self.pipeline: StreamedPipeline = streams.StreamedPipeline(
            deployment, world.names, world.limits, exactly_once=world.case.exactly_once
        )
        self.engine.states.adopt(deployment.plan)
        self.turnstile = streams.Turnstile()
        self._tenure_type = streams.Tenure
        self._are_enough = streams.are_enough
        self.tenures: dict[int, Hands] = {}
        self.running: dict[str, Passage] = {}
        self._left: dict[Call, str] = {}
        """Calls that gateways are to make, by the names that they have."""
        self._timer_ms = float("inf")
        self.sent_until = 0.0

    @property
    def answers(self) -> bool:
        """Whether the broker hears of it."""
        return not self.dead and self.hung_until <= self._world.now

    def deploy(self, deployment: Deployment) -> None:
        """Requests begin with another version from now on."""
        self.engine.states.adopt(deployment.plan)
        self.pipeline.hear(deployment.plan)
        self.pipeline.deployment = deployment

    def start(self) -> None:
        """Ask for the time first; then compete."""
        world = self._world
        glances: list[Glance] = []

        def ask() -> None:
            asked_ms = self.clock.local_ms()

            def hear(time_ms: float) -> None:
                glances.append(Glance(asked_ms, self.clock.local_ms(), time_ms))
                if self._are_enough(glances):
                    self.clock.set_by(glances)
                    world.to_broker(self, world.broker.join, self)
                else:
                    ask()

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
        """It has seen the broker's clock."""
        before_ms = self.clock.offset_ms
        self.clock.learn(glance)
        self._put_right(before_ms)

    def pass_by(self, time_ms: float) -> None:
        """It has read a record of that time."""
        before_ms = self.clock.offset_ms
        self.clock.pass_by(time_ms)
        self._put_right(before_ms)

    def _put_right(self, before_ms: float) -> None:
        """What is under way when its clock moves is not sure, and its timer rings otherwise."""
        if self.clock.offset_ms != before_ms:
            self._world.laws.disturbed(self)
            self._timer_ms = float("inf")
            self._set_timer(self._now_ms())

    # The carrier of its passages ----------------------------------------------------------------

    def begin(self, passage: Passage, given: Body, position: int | None = None) -> None:
        """A request enters its pipeline."""
        self._world.laws.begun(self, passage)
        self.running[passage.identity] = passage
        out: Effects = []
        self.engine.open(passage, given, out, position)
        self._carry_out(out)

    def refuse(self, passage: Passage, failed: Failed) -> None:
        """A request enters that cannot run."""
        self._world.laws.refused(self, passage)
        out: Effects = []
        self.engine.refuse(passage, failed, out)
        self._carry_out(out)

    def room_in(self, plan: Plan, partition: int) -> int:
        """How many requests more may have to be held back."""
        return self.engine.lines.room_in(plan, (plan.name, partition))

    def restore(
        self, plan: Plan, ownership: Ownership, changes: Mapping[str, Sequence[StateChange]]
    ) -> None:
        """What joins have kept is known again."""
        self.engine.states.restore(plan, ownership, changes)

    def release(self, ownership: Ownership) -> None:
        """What joins have kept is somebody else's."""
        self.engine.states.release(ownership)

    def cancel(self, passage: Passage) -> None:
        """A request is given up."""
        if not passage.closed:
            self._world.laws.cut_short(passage.identity)
            out: Effects = []
            self.engine.cancel(passage, self._now_ms(), out)
            self._carry_out(out)

    def _carry_out(self, out: Effects) -> None:
        now_ms = self._now_ms()
        effects = self._effects
        for effect in out:  # grows while it is walked
            if self.dead:
                return  # taken down by a call in this very burst
            carry_out = effects.get(type(effect))
            if carry_out is not None:
                carry_out(effect, now_ms, out)
        self._set_timer(now_ms)

    def _set_timer(self, now_ms: float) -> None:
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

    def _answered(self, effect: Answer, now_ms: float, out: Effects) -> None:
        passenger: Any = effect.passage.context
        self._world.laws.told(self, effect.passage)
        passenger.answered(effect, now_ms)

    def _emitted(self, effect: Emit, now_ms: float, out: Effects) -> None:
        passenger: Any = effect.passage.context
        passenger.emitted(effect, now_ms, out)

    def _buried(self, effect: DeadLetter, now_ms: float, out: Effects) -> None:
        passenger: Any = effect.passage.context
        passenger.buried(effect.failure, now_ms)

    def _take_turn(self, effect: Turn, now_ms: float, out: Effects) -> None:
        self.engine.turn(effect.lane, now_ms, out)

    def _resumed(self, effect: Resumed, now_ms: float, out: Effects) -> None:
        self.turnstile.pump()

    def _changed(self, effect: StateChanged, now_ms: float, out: Effects) -> None:
        passenger: Any = effect.passage.context
        passenger.changed(effect)

    def _closed(self, effect: Closed, now_ms: float, out: Effects) -> None:
        passenger: Any = effect.passage.context
        if self.running.get(effect.passage.identity) is effect.passage:
            del self.running[effect.passage.identity]
        passenger.closed()

    # Its models ---------------------------------------------------------------------------------

    def _call(self, call: Call, now_ms: float, out: Effects) -> None:
        rows = call.tensors[0].shape[0]
        if self._world.case.gateways:
            self._leave(call, rows)
            return
        self._make(call, [(call, rows)], now_ms)

    def _call_together(self, shared: SharedCall, now_ms: float, out: Effects) -> None:
        self._make(shared, list(shared.calls), now_ms)

    def _leave(self, call: Call, rows: int) -> None:
        """Leave a call to model gateways."""
        if call.alive():
            self._world.laws.went_on(call, [(call, rows)])
            passenger: Any = call.passage.context
            self._left[call] = passenger.elsewhere.call(call, partial(self._came_of, call))

    def _came_of(self, call: Call, body: Body) -> None:
        out: Effects = []
        self._left.pop(call, None)
        if isinstance(body, Absent | Failed):
            self.engine.ended_elsewhere(call, body, self._now_ms(), out)
        else:
            self.engine.done(call, body, self._now_ms(), out)
        self._carry_out(out)

    def _abandon(self, effect: Abandon, now_ms: float, out: Effects) -> None:
        name = self._left.pop(effect.call, None)
        if name is not None:
            passenger: Any = effect.call.passage.context
            passenger.tenure.calls.forget(name)

    def _make(self, call: Call, visits: list[tuple[Call, int]], now_ms: float) -> None:
        """Have a model called for these visits, each with its rows."""
        world = self._world
        if not call.alive():
            return  # given up since it was asked for
        poisoned = next((each for each, _ in visits if each.passage.identity in world.poison), None)
        if poisoned is not None:
            world.laws.poisoned(poisoned.passage.identity)
            world.crash(self, 20)
            return
        attempt = world.models.reaction([each for each, _ in visits])
        world.laws.went_on(call, visits)
        if call.plan.batch is not None:
            world.laws.called(self, call, visits, attempt, now_ms)
        if isinstance(attempt.outcome, Never):
            return
        back = (call, visits, attempt.outcome)
        world.at_node(self, attempt.duration_ms, self._come_back, back)
        if attempt.duplicate_after_ms is not None:
            again_ms = attempt.duration_ms + attempt.duplicate_after_ms
            world.at_node(self, again_ms, self._come_back, back)

    def _come_back(self, what: tuple[Call, list[tuple[Call, int]], Produces | Raises]) -> None:
        call, visits, outcome = what
        result: Tensors | Failed
        if isinstance(outcome, Produces):
            result = self._world.models.produced(visits, outcome.names)
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
        if self._giving_up:
            self._world.laws.takes_too_long(self._node, self.ownership)
        self._world.to_broker(
            self._node,
            self._world.broker.take,
            self._node,
            self.ownership,
            limit,
            self._taken,
        )

    def restore(self, streams: Sequence[str]) -> None:
        """See :class:`penstock.core.streams.PartitionAccess`."""
        if self._node.pipeline.heard:
            hear = self._world.broker.hear
            number = self.ownership.partition
            self._world.to_broker(self._node, hear, self._node, number, self._heard)
        self._world.to_broker(
            self._node,
            self._world.broker.read_all,
            self._node,
            self.ownership,
            streams,
            self._restored,
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

    def publish(self, request: StreamRequest, call: Output) -> None:
        """See :class:`penstock.core.streams.PartitionAccess`."""
        world, node = self._world, self._node
        world.laws.calls(call.record)

        def written(_: None) -> None:
            self.tenure.call_written(request)

        world.to_broker_apart(node, world.broker.publish, node, call, written)

    def pump_later(self) -> None:
        """See :class:`penstock.core.streams.PartitionAccess`."""
        self._world.at_node(self._node, 0.0, self._pump, None)

    def _pump(self, _: None) -> None:
        self.tenure.pump()

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

    def _restored(self, kept: Mapping[str, Sequence[Record]]) -> None:
        self.tenure.restored(kept)

    def _heard(self, told: Delivery) -> None:
        self._node.pass_by(told.time_ms)
        if CALL_HEADER in told.record.headers:
            self.tenure.calls.heard(told)

    def _given_back(self, _: None) -> None:
        self.tenure.returned()


def _no_jitter() -> float:
    return 0.5
