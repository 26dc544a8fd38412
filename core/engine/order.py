"""The order of answers: which are held back for those of requests that came before."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

from penstock.core.engine.effects import Effects, Resumed, Turn
from penstock.core.plan import LineName, OrderPlan, Plan
from penstock.core.records import Body, Failed

if TYPE_CHECKING:
    from penstock.core.engine.engine import Engine
    from penstock.core.engine.passage import ExternalPassage, Passage


class Held(NamedTuple):
    """An answer that is decided and may not be given yet."""

    body: Body
    details: tuple[str, ...]


class Line:
    """One partition: its lanes by name, and how many requests are not the first in theirs.

    ``waiting`` are those that records of other pipelines began and that wait for room, as they
    came. ``awaited`` says that somebody else wants to know when there is some.
    """

    __slots__ = ("awaited", "behind", "lanes", "name", "waiting")

    def __init__(self, name: LineName) -> None:
        self.name = name
        self.lanes: dict[bytes, Lane] = {}
        self.behind = 0
        self.waiting: OrderedDict[ExternalPassage, None] = OrderedDict()
        self.awaited = False

    def is_full(self, order: OrderPlan) -> bool:
        """Whether one request more could be one answer too many to hold back."""
        return self.behind >= order.max_held


class Lane:
    """Requests whose answers keep one order, as they came; with each what is held back of it.

    ``giving`` says that an answer is on its way to who waits for it.
    """

    __slots__ = ("giving", "line", "name", "places")

    def __init__(self, line: Line, name: bytes) -> None:
        self.line = line
        self.name = name
        self.giving = False
        self.places: OrderedDict[Passage, Held | None] = OrderedDict()


class Lines:
    """What the engine does about pipelines with ``output.order``.

    Every request that enters such a pipeline has a place behind those before it, and leaves it with
    its answer; who ends before its time gives its place up.
    """

    __slots__ = ("_engine", "_lanes", "_lines")

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lines: dict[LineName, Line] = {}
        self._lanes: dict[Passage, Lane] = {}

    def is_full(self, plan: Plan, name: LineName) -> bool:
        """Whether one request more could be one answer too many to hold back.

        When it says yes, an effect tells when to ask again.
        """
        return not self.room_in(plan, name)

    def room_in(self, plan: Plan, name: LineName) -> int:
        """How many requests may enter whose answers could all have to be held back.

        When it says none, an effect tells when to ask again.
        """
        assert plan.order is not None, "only who keeps an order has lines"
        line = self._lines.get(name)
        if line is None:
            return plan.order.max_held
        room = 0 if line.waiting else plan.order.max_held - line.behind
        if room <= 0:
            line.awaited = True
        return max(0, room)

    def wait_for_room(self, passage: ExternalPassage, order: OrderPlan) -> bool:
        """Have a passage that others began wait behind those that do, if there is no room."""
        line = self._lines.get(passage.plan.line_of(passage.record_key))
        if line is None or not (line.waiting or line.is_full(order)):
            return False
        line.waiting[passage] = None
        return True

    def wait_no_more(self, passage: ExternalPassage) -> bool:
        """Forget a passage if it waits for room; whether it did."""
        line = self._lines.get(passage.plan.line_of(passage.record_key))
        if line is None or passage not in line.waiting:
            return False
        del line.waiting[passage]
        return True

    def line_up(self, passage: Passage, order: OrderPlan) -> None:
        """A request enters its pipeline."""
        key = passage.record_key
        name = passage.line_name
        line = self._lines.get(name)
        if line is None:
            line = self._lines[name] = Line(name)
        lane_name = order.lane_of(key)
        lane = line.lanes.get(lane_name)
        if lane is None:
            lane = line.lanes[lane_name] = Lane(line, lane_name)
        elif lane.places:
            line.behind += 1
        lane.places[passage] = None
        self._lanes[passage] = lane

    def answered(
        self,
        passage: Passage,
        body: Body,
        details: tuple[str, ...],
        now_ms: float,
        out: Effects,
    ) -> None:
        """An answer is decided: give it, and those that wait for it, or hold it back."""
        lane = self._lanes[passage]
        # Who is closed by now did not come to its end, but was ended: it gives its place up.
        first = next(iter(lane.places)) is passage
        if not passage.closed and (lane.giving or not first):
            lane.places[passage] = Held(body, details)
            passage.left += 1  # it is under way until it is given
            return
        self._leave(passage, lane, now_ms, out)
        self._engine.give(passage, body, details, now_ms, out)
        self._go_on(lane, out, due=first)

    def give_up(self, passage: Passage, failed: Failed, now_ms: float, out: Effects) -> None:
        """A request that was answered is ended: if the answer is held back, it fails instead."""
        lane = self._lanes.get(passage)
        if lane is None:
            return
        held = lane.places[passage]
        assert held is not None, "who is answered and has its place has its answer there"
        body: Body = failed
        if not passage.cancelled:
            body = held.body if isinstance(held.body, Failed) else _held_too_long(passage, failed)
        # Nobody waits for it in its lane: who is the first there is given to, or about to be.
        self._leave(passage, lane, now_ms, out)
        self._engine.give(passage, body, (), now_ms, out)

    def turn(self, lane: Lane, now_ms: float, out: Effects) -> None:
        """An answer has been given: give the next one, if it was held back for it."""
        lane.giving = False
        passage, held = next(iter(lane.places.items()), (None, None))
        if passage is None or held is None:
            self._go_on(lane, out, due=False)
            return
        self._leave(passage, lane, now_ms, out)
        passage.left -= 1
        self._engine.give(passage, held.body, held.details, now_ms, out)
        self._engine.close_if_over(passage, out)
        self._go_on(lane, out, due=True)

    def _go_on(self, lane: Lane, out: Effects, *, due: bool) -> None:
        """See to the next in a lane, if it is ``due``, once what was said before is done."""
        if lane.giving:
            return
        if due:
            # Whoever enters while an answer is given must not overtake those that follow it.
            lane.giving = True
            out.append(Turn(lane))
        elif not lane.places:
            del lane.line.lanes[lane.name]
            if not lane.line.lanes:
                del self._lines[lane.line.name]

    def _leave(self, passage: Passage, lane: Lane, now_ms: float, out: Effects) -> None:
        line = lane.line
        del self._lanes[passage]
        del lane.places[passage]
        if lane.places:
            line.behind -= 1
            if line.waiting:
                self._let_in(line, now_ms, out)
            if line.awaited:
                line.awaited = False
                out.append(Resumed(passage))

    def _let_in(self, line: Line, now_ms: float, out: Effects) -> None:
        """Let in those that have waited longest, as far as there is room."""
        while line.waiting:
            first = next(iter(line.waiting))
            order = first.plan.order
            assert order is not None, "only who keeps an order waits here"
            if line.is_full(order):
                return
            del line.waiting[first]
            self._engine.gatherings.has_room(first, now_ms, out)


def _held_too_long(passage: Passage, failed: Failed) -> Failed:
    allowed_ms = passage.deadline_ms - passage.opened_ms
    reason = (
        f"the deadline of {allowed_ms:.0f} ms passed while the answer was held back for those of "
        "requests that came before"
    )
    return Failed(failed.code, reason)
