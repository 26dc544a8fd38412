"""Passages that records of other pipelines begin: their input is joined before anything runs."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final, cast

from penstock.core.engine.effects import Effects
from penstock.core.engine.passage import ENDED, ExternalPassage, Gate, Passage
from penstock.core.engine.sources import Flow, first_clash
from penstock.core.engine.timers import DEADLINE, ROOM
from penstock.core.plan import Feed
from penstock.core.records import Absent, Body, Failed

if TYPE_CHECKING:
    from penstock.core.engine.engine import Engine

MOST_OPEN_JOINS: Final = 100_000


class Gatherings:
    """What the engine does about pipelines that read others: at most ``most`` wait for input.

    Passages whose input is being joined are under way and do not count as open: nothing is done
    for them yet.
    """

    __slots__ = ("_engine", "_most", "_open")

    def __init__(self, engine: Engine, most: int) -> None:
        self._engine = engine
        self._most = most
        self._open: OrderedDict[ExternalPassage, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._open)

    def begin(self, passage: ExternalPassage, out: Effects) -> None:
        """A record of another pipeline begins a passage, at ``passage.opened_ms``: its input will
        be joined of what :meth:`bring` brings."""
        engine = self._engine
        engine.tick(passage.opened_ms, out)
        if len(self._open) >= self._most:
            self.end_oldest(passage.opened_ms, out)
        passage.gather()
        self._open[passage] = None
        engine.timers.add(passage.deadline_ms, DEADLINE, passage)

    def bring(
        self, passage: ExternalPassage, feed: Feed, body: Body, now_ms: float, out: Effects
    ) -> None:
        """A port of another pipeline has ended for the request. Once the input is decided that
        changes nothing."""
        self._engine.tick(now_ms, out)
        if passage.inputs is None:
            self._engine.spread(passage, [((feed,), body)], now_ms, out)

    def end_oldest(self, now_ms: float, out: Effects) -> None:
        """The passage that has waited longest for its input waits no more. There must be one."""
        self.end(next(iter(self._open)), now_ms, out)

    def end(self, passage: ExternalPassage, now_ms: float, out: Effects) -> None:
        """A passage waits for its input no more: that is decided as at the end of its window."""
        entrance = passage.plan.entrance
        assert entrance is not None, "it reads other pipelines"
        gate = cast(Gate, passage.visits[entrance.place])
        gate.window_end_ms, gate.window_over = now_ms, True
        flow: Flow = []
        self._engine.settle(gate, now_ms, flow, out)
        self._engine.spread(passage, flow, now_ms, out)

    def enter(self, passage: Passage, body: Body, now_ms: float, flow: Flow, out: Effects) -> None:
        """The input of a passage that other pipelines began is decided."""
        passage = cast(ExternalPassage, passage)
        plan = passage.plan
        assert plan.entrance is not None, "it reads other pipelines"
        if type(body) is Failed:
            passage.foreign = body
        elif not isinstance(body, Absent | Failed) and plan.entrance.may_clash:
            clash = first_clash(body)
            if clash is not None:
                body = clash_of(plan.name, clash)
                self._engine.note_failure(passage, body, out)
        self._decide(passage, body)
        passage.visits[plan.entrance.place] = ENDED
        passage.left -= 1
        if plan.order is None or not self._engine.lines.wait_for_room(passage, plan.order):
            self._note_entry(passage, body, now_ms, out)
            self._go_in(passage, body, now_ms, flow, out)

    def has_room(self, passage: ExternalPassage, now_ms: float, out: Effects) -> None:
        """A passage that waited for room in the order of its pipeline has its place now, and goes
        in at once, but not within the end of the one that made room."""
        self._note_entry(passage, cast(Body, passage.inputs), now_ms, out)
        self._engine.timers.add(now_ms, ROOM, passage)

    def go_on(self, passage: ExternalPassage, now_ms: float, out: Effects) -> None:
        """Let a passage in that had to wait."""
        flow: Flow = []
        self._go_in(passage, cast(Body, passage.inputs), now_ms, flow, out)
        self._engine.spread(passage, flow, now_ms, out)

    def give_up(
        self, passage: ExternalPassage, failed: Failed, now_ms: float, out: Effects
    ) -> None:
        """A passage is ended: if it has not gone in yet, it never does."""
        if passage.inputs is None:
            self._decide(passage, failed)
            self._note_entry(passage, failed, now_ms, out)
            self._engine.note_failure(passage, failed, out)
        elif passage.plan.order is not None and self._engine.lines.wait_no_more(passage):
            self._note_entry(passage, passage.inputs, now_ms, out)

    def _decide(self, passage: ExternalPassage, body: Body) -> None:
        """A passage waits for its input no more: that is ``body``."""
        del self._open[passage]
        self._engine.open_passages += 1
        passage.inputs = body

    def _note_entry(
        self, passage: ExternalPassage, body: Body, now_ms: float, out: Effects
    ) -> None:
        if passage.plan.minds_input:
            self._engine.note_entry(passage, body, now_ms, out)

    def _go_in(
        self, passage: ExternalPassage, body: Body, now_ms: float, flow: Flow, out: Effects
    ) -> None:
        flow.append((passage.plan.input_feeds, body))
        if passage.plan.loops:
            self._engine.loops.begin(passage, body, now_ms, flow, out)


def clash_of(pipeline: str, tensor: str) -> Failed:
    """The failure of a passage into whose input two sources bring a tensor of one name."""
    reason = (
        f"two sources bring a tensor '{tensor}' into pipeline '{pipeline}'; give one of them "
        "another name with tensorMap"
    )
    return Failed("invalid-request", reason)
