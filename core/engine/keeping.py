"""Joins that keep state: their visits see what other requests of the same key have brought."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count
from typing import TYPE_CHECKING, NamedTuple, cast

from penstock.core.contracts.join import JoinView, Run, Skip
from penstock.core.contracts.transport import Ownership
from penstock.core.engine.effects import Effects, StateChanged
from penstock.core.engine.join_state import JoinState
from penstock.core.engine.passage import Gate, Passage
from penstock.core.engine.sources import Flow, take
from penstock.core.engine.timers import JOIN
from penstock.core.plan import Consumer, Feed, JoinPlan, KeptJoin, Plan
from penstock.core.records import Absent, Body
from penstock.core.state import KeyState, StateChange, StateStore

if TYPE_CHECKING:
    from penstock.core.engine.engine import Engine

NO_MORE = Absent("the request has ended")


class StoreName(NamedTuple):
    """Whose state it is: of a join as it is made, under one ownership, or of this process alone."""

    pipeline: str
    consumer: str
    signature: str
    ownership: Ownership | None


class KeyedJoin(JoinState):
    """How the join of one request stands, over the state under the request's key.

    ``own`` is how its sources have ended, also after it was decided; in ``ends`` kept records may
    have taken their place then.
    """

    __slots__ = ("_passage", "gate", "kept_in", "numbers", "of", "own", "position", "store")

    gate: KeyedGate

    def __init__(
        self,
        plan: JoinPlan,
        of: KeptJoin,
        store: StateStore,
        passage: Passage,
        position: int,
        now_ms: float,
    ) -> None:
        super().__init__(plan)
        self._passage = passage
        self.of = of
        self.store = store
        self.position = position
        self.own: list[Body | None] = [None] * len(self.ends)
        self.numbers: list[int | None] = [None] * len(self.ends)
        key = passage.record_key if of.by_key else b""
        self.kept_in: KeyState = store.enter(key, self, now_ms)

    @property
    def identity(self) -> str:
        """The request's."""
        return self._passage.identity

    @property
    def over(self) -> bool:
        """Whether it is decided."""
        return self.verdict is not None

    def end(self, position: int, body: Body, now_ms: float, instant: int) -> None:
        if self.own[position] is None:
            self.own[position] = body
            if self.verdict is None:
                super().end(position, body, now_ms, instant)

    def seen(self, view: JoinView) -> JoinView:
        """The view with what is kept of each source."""
        store, state = self.store, self.kept_in
        return view._replace(
            sources=tuple(
                source._replace(
                    kept=store.shown(state, i, view.now_ms),
                    number=self.numbers[i],
                    counted=state.lines[i].count,
                )
                for i, source in enumerate(view.sources)
            )
        )

    def take_kept(self, run: Run, view: JoinView) -> None:
        """Run with kept records in the place of the request's own."""
        for source, index in run.kept:
            self.ends[source] = view.sources[source].kept[index].tensors


class KeyedGate(Gate):
    """A visit whose join keeps state. It begins with its request; its time runs as for others, from
    the first record on."""

    __slots__ = ("began", "join")

    def __init__(self, passage: Passage, consumer: Consumer, join: KeyedJoin) -> None:
        super().__init__(passage, consumer, join, passage.opened_ms)
        self.join = join
        join.gate = self
        self.began = False

    def begin(self, now_ms: float) -> None:
        """The first record has come."""
        self.began = True
        self.opened_ms = now_ms
        window_ms = self.consumer.window_ms
        self.window_end_ms = None if window_ms is None else now_ms + window_ms


class StateKeeper:
    """What the engine does about joins that keep state, and the only place where that is.

    Requests that were taken of a stream see the state of the ownership under which they were: who
    has lost a partition, and still has requests of it, changes nothing for who has it now.
    """

    __slots__ = ("_engine", "_positions", "_stores")

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._positions = count()
        self._stores: dict[StoreName, StateStore] = {}

    def store_of(
        self, pipeline: str, of: KeptJoin, ownership: Ownership | None = None
    ) -> StateStore:
        """The state of a join, empty at first."""
        name = StoreName(pipeline, of.consumer, of.signature, ownership)
        store = self._stores.get(name)
        if store is None:
            store = self._stores[name] = StateStore(of.keep, of.sources, of.driver)
        return store

    def restore(
        self, plan: Plan, ownership: Ownership, changes: Mapping[str, Sequence[StateChange]]
    ) -> None:
        """Take up what the joins of a pipeline have kept of a partition, by their names."""
        for join in plan.kept_joins:
            self.store_of(plan.name, join, ownership).restore(changes.get(join.consumer, ()))

    def adopt(self, plan: Plan) -> None:
        """A version begins to serve: it goes on with the state of those of its joins that are made
        of the same. The other state goes; requests under way keep what they see of it."""
        mine = {(of.consumer, of.signature) for of in plan.kept_joins}
        for name in [each for each in self._stores if each.pipeline == plan.name]:
            if (name.consumer, name.signature) not in mine:
                del self._stores[name]

    def forget(self, pipeline: str) -> None:
        """A pipeline is gone."""
        for name in [each for each in self._stores if each.pipeline == pipeline]:
            del self._stores[name]

    def release(self, ownership: Ownership) -> None:
        """A partition is somebody else's now."""
        for name in [each for each in self._stores if each.ownership == ownership]:
            del self._stores[name]

    def enter(self, passage: Passage, position: int | None, now_ms: float) -> None:
        """A request begins, at that place in the order of requests: by default behind all."""
        if position is None:
            position = next(self._positions)
        passage.keyed = {}
        for consumer in passage.plan.keeping:
            of = cast(KeptJoin, consumer.inputs.kept)
            store = self.store_of(passage.plan.name, of, passage.ownership)
            join = KeyedJoin(consumer.inputs, of, store, passage, position, now_ms)
            gate = KeyedGate(passage, consumer, join)
            passage.visits[consumer.place] = passage.keyed[consumer.place] = gate

    def record(
        self, passage: Passage, feed: Feed, body: Body, now_ms: float, flow: Flow, out: Effects
    ) -> None:
        """A record has come to a visit that keeps state, or to one that is decided already."""
        gate = passage.keyed.get(feed.consumer)
        if gate is None:
            return
        undecided = gate.alive()
        if undecided and not gate.began:
            gate.begin(now_ms)
            if gate.window_end_ms is not None:
                self._engine.open_window(gate, gate.window_end_ms, now_ms)
        gate.instant += 1
        for part in feed.inputs:
            self._end(gate, part.position, take(part, body), now_ms)
        if undecided:
            if gate.triggers is not None:
                for part in feed.triggers:
                    gate.triggers.end(part.position, take(part, body), now_ms, gate.instant)
            self._engine.settle(gate, now_ms, flow, out)
        self.tell(gate, out)

    def leave(self, passage: Passage, now_ms: float, out: Effects) -> None:
        """A request ends before its sources have: nobody waits for them any longer."""
        for gate in passage.keyed.values():
            join = gate.join
            self._give_up(join)
            for source in range(len(join.ends)):
                self._end(gate, source, NO_MORE, now_ms)
            self.tell(gate, out)

    def tell(self, gate: KeyedGate, out: Effects) -> None:
        """What has changed in the state, after a visit was looked at."""
        join = gate.join
        if join.verdict is None and not gate.alive():
            self._give_up(join)  # its triggers have decided
        store = join.store
        if store.changes:
            out.extend(StateChanged(gate.passage, join.of, each) for each in store.changes)
            store.changes.clear()

    def _give_up(self, join: KeyedJoin) -> None:
        """A visit is over without its join: what was kept for it is kept no longer."""
        if join.verdict is None:
            join.verdict = Skip(NO_MORE.reason)
            join.store.decided(join.kept_in, join)

    def _end(self, gate: KeyedGate, source: int, body: Body, now_ms: float) -> None:
        join = gate.join
        if join.own[source] is not None:
            return
        join.end(source, body, now_ms, gate.instant)
        for other in join.store.ended(join.kept_in, join, source, now_ms):
            gate_of = cast(KeyedJoin, other).gate
            # Not within the spread of this record: they belong to other requests.
            if other is not join and gate_of.began:
                self._engine.timers.add(now_ms, JOIN, gate_of)
