"""Compiles the loops of a pipeline: places, edges and joins of each round.

Round 0 of a loop takes the places of its steps; its turns join only what comes from outside there.
Every later round takes a block of places behind those of the pipeline, with copies of the steps
whose turns join only what comes from inside; blocks are made when they are needed and used again.
A consumer outside that reads a loop is asked about each round at a place of that round.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from penstock.core.contracts.join import JoinStrategy
from penstock.core.loops import Loop
from penstock.core.plan.feeds import Feeds, Seat, feeds_of
from penstock.core.plan.graph import (
    Consumer,
    Feed,
    KeptJoin,
    LoopBlock,
    LoopPlan,
    Member,
    Part,
    ReaderRound,
    StepPlan,
    Turning,
)
from penstock.core.plan.joins import join_plan
from penstock.core.records import Port
from penstock.core.references import Source


class Joined(NamedTuple):
    """What a consumer joins, and how, as its manifest says."""

    inputs: tuple[Source, ...]
    triggers: tuple[Source, ...]
    tensor_map: Mapping[str, str]
    strategy: JoinStrategy
    triggers_strategy: JoinStrategy | None
    window_ms: float | None
    auto_window: bool
    kept: KeptJoin | None = None

    def seat(self, place: int, inputs: Sequence[Source] | None = None) -> Seat:
        """The consumer at a place, where it joins all of its inputs or only some."""
        chosen = self.inputs if inputs is None else tuple(inputs)
        joined = join_plan(self.strategy, _texts(chosen), self.kept)
        triggers = None
        if self.triggers_strategy is not None:
            triggers = join_plan(self.triggers_strategy, _texts(self.triggers))
        return Seat(place, chosen, self.triggers, self.tensor_map, (joined, triggers))


class LoopCompiler:
    """Knows which consumers belong to loops or read them. Without loops it changes nothing.

    ``joined`` has the steps in the manifest's order and then the output, if there is one.
    """

    def __init__(
        self, pipeline: str, steps: Sequence[str], joined: Sequence[Joined], loops: Sequence[Loop]
    ) -> None:
        self.pipeline = pipeline
        self._joined = joined
        self._loops = loops
        index = {name: i for i, name in enumerate(steps)}
        self._steps = [[index[name] for name in loop.steps] for loop in loops]
        self._readers = [
            [len(steps) if name is None else index[name] for name in loop.readers] for loop in loops
        ]
        self._members: dict[str, Member] = {}
        for number, loop in enumerate(loops):
            turnings = self._turnings(number, loop)
            for local, name in enumerate(loop.steps):
                self._members[name] = Member(
                    number,
                    0,
                    local,
                    turnings.get(Port(name, "inputs"), ()),
                    turnings.get(Port(name, "outputs"), ()),
                    self._lone_readers(number, name),
                )
        self.crossings = self._find_crossings()

    def _turn_feeds(self, number: int, loop: Loop, first: int) -> list[tuple[Port, Feed]]:
        """What the ports inside bring to the turns of a later round, whose places begin there."""
        seats = [
            self._inner_seat(number, loop, local, first + local)
            for local, name in enumerate(loop.steps)
            if name in loop.turns
        ]
        return [
            (port, feed)
            for port, by_place in feeds_of(seats, self.pipeline).items()
            if port.step in loop.steps
            for feed in by_place.values()
        ]

    def _turnings(self, number: int, loop: Loop) -> dict[Port, tuple[Turning, ...]]:
        turnings: dict[Port, tuple[Turning, ...]] = {}
        for index, (port, feed) in enumerate(self._turn_feeds(number, loop, 0)):
            lone = feed.inputs[0] if feed.direct else None
            turning = Turning(feed.consumer, index, feed.inputs, lone)
            turnings[port] = (*turnings.get(port, ()), turning)
        return turnings

    def _is_lone(self, consumer: int) -> bool:
        """Whether a reader needs one record of outputs and nothing else to make up its mind."""
        seat = self._joined[consumer].seat(0)
        return seat.direct and seat.inputs[0].side == "outputs"

    def _lone_readers(self, number: int, step: str) -> tuple[tuple[int, Part], ...]:
        parts = []
        for position, consumer in enumerate(self._readers[number]):
            joined = self._joined[consumer]
            if joined.inputs[0].step == step and self._is_lone(consumer):
                (by_place,) = feeds_of([joined.seat(0)], self.pipeline).values()
                parts.append((position, by_place[0].inputs[0]))
        return tuple(parts)

    def _reader_seat(self, consumer: int, place: int) -> Seat:
        """A reader in one round. A lone one is not fed there: its step tells it."""
        seat = self._joined[consumer].seat(place)
        return seat._replace(inputs=(), triggers=()) if self._is_lone(consumer) else seat

    def _find_crossings(self) -> dict[Port, tuple[int, ...]]:
        """Ports outside that count in every round, and of which loops."""
        crossings: dict[Port, list[int]] = {}
        for number, loop in enumerate(self._loops):
            ports: dict[Port, None] = {}
            for local, consumer in enumerate(self._steps[number]):
                of = self._joined[consumer]
                turn = loop.steps[local] in loop.turns
                ports |= dict.fromkeys(_outside(of.triggers, loop))
                if not turn:
                    ports |= dict.fromkeys(_outside(of.inputs, loop))
            for consumer in self._readers[number]:
                of = self._joined[consumer]
                ports |= dict.fromkeys(_outside((*of.inputs, *of.triggers), loop))
            for port in ports:
                crossings.setdefault(port, []).append(number)
        return {port: tuple(numbers) for port, numbers in crossings.items()}

    def watches(self, port: Port) -> bool:
        """Whether a loop is told how the port ended."""
        if port in self.crossings:
            return True
        member = None if port.step is None else self._members.get(port.step)
        # How outputs end also decides when a round is over.
        return member is not None and (port.side == "outputs" or bool(member.inputs_turning))

    def member(self, step: str) -> Member | None:
        """The step's place in its loop in round 0."""
        return self._members.get(step)

    def seats(self) -> list[Seat]:
        """Every consumer at the place of its index, and behind them the readers in round 0."""
        seats = []
        reading = {consumer for readers in self._readers for consumer in readers}
        turns = {
            self._steps[number][local]: loop
            for number, loop in enumerate(self._loops)
            for local, name in enumerate(loop.steps)
            if name in loop.turns
        }
        for i, joined in enumerate(self._joined):
            if i in reading:
                # Its rounds are fed in its place; it joins nothing itself.
                seat = joined.seat(i)._replace(inputs=(), triggers=())
            elif i in turns:
                loop = turns[i]
                seat = joined.seat(i, [s for s in joined.inputs if s.step not in loop.steps])
            else:
                seat = joined.seat(i)
            seats.append(seat)
        for number in range(len(self._loops)):
            first = self._first_reader(number)
            seats += [
                self._reader_seat(consumer, first + position)
                for position, consumer in enumerate(self._readers[number])
            ]
        return seats

    def _first_reader(self, number: int) -> int:
        """The place of the first reader of a loop in round 0."""
        return len(self._joined) + sum(len(readers) for readers in self._readers[:number])

    def plans(
        self, consumers: list[Consumer], most_visits: int, entrance: Consumer | None
    ) -> tuple[LoopPlan, ...]:
        """The loops. The rounds of their readers go into ``consumers``, then the entrance if there
        is one, and later all blocks."""
        for number, loop in enumerate(self._loops):
            first = self._first_reader(number)
            consumers += self._reader_rounds(number, 0, first, consumers)
            assert len(consumers) == first + len(loop.readers)
        if entrance is not None:
            assert len(consumers) == entrance.place
            consumers.append(entrance)
        return tuple(
            self._plan(number, loop, consumers, most_visits)
            for number, loop in enumerate(self._loops)
        )

    def _plan(
        self, number: int, loop: Loop, consumers: list[Consumer], most_visits: int
    ) -> LoopPlan:
        steps: list[StepPlan] = [consumers[i] for i in self._steps[number]]  # type: ignore[misc]  # the first of them are steps
        first = self._first_reader(number)
        readers: list[ReaderRound] = consumers[first : first + len(loop.readers)]  # type: ignore[assignment]  # these were put there
        base = LoopBlock(0, 0, 0, tuple(steps), tuple(readers), {}, ())
        turns = tuple(local for local, step in enumerate(steps) if step.name in loop.turns)
        return LoopPlan(
            turns=turns,
            all_turns=sum(1 << local for local in turns),
            readers_that_join=tuple(
                position
                for position, consumer in enumerate(self._readers[number])
                if not self._is_lone(consumer)
            ),
            closed_turns=tuple(
                steps[local] for local in turns if not steps[local].inputs.references
            ),
            most_visits=most_visits,
            blocks=[base],
            make_block=partial(self._make_block, number, loop, consumers),
        )

    def _inner_seat(self, number: int, loop: Loop, local: int, place: int) -> Seat:
        """A step of a loop in a round after the first."""
        joined = self._joined[self._steps[number][local]]
        if loop.steps[local] in loop.turns:
            return joined.seat(place, [s for s in joined.inputs if s.step in loop.steps])
        return joined.seat(place)

    def _make_block(
        self, number: int, loop: Loop, consumers: list[Consumer], block: int
    ) -> LoopBlock:
        first = len(consumers)
        size = len(loop.steps)
        seats = [self._inner_seat(number, loop, local, first + local) for local in range(size)]
        seats += [
            self._reader_seat(consumer, first + size + position)
            for position, consumer in enumerate(self._readers[number])
        ]
        feeds = feeds_of(seats, self.pipeline)
        turns = {first + local for local, name in enumerate(loop.steps) if name in loop.turns}
        steps = []
        for local, i in enumerate(self._steps[number]):
            step: StepPlan = consumers[i]  # type: ignore[assignment]  # the first of them are steps
            member = self._members[step.name]._replace(block=block)
            inputs, outputs = Port(step.name, "inputs"), Port(step.name, "outputs")
            steps.append(
                replace(
                    step,
                    place=first + local,
                    inputs=seats[local].joins[0],
                    triggers=seats[local].joins[1],
                    input_feeds=_but_for(feeds, inputs, turns),
                    output_feeds=_but_for(feeds, outputs, turns),
                    loop=member,
                    may_clash=step.may_clash and not seats[local].direct,
                )
            )
        consumers += steps
        readers = self._reader_rounds(number, block, first + size, consumers)
        consumers += readers
        turned = self._turn_feeds(number, loop, first)
        turn_feeds = tuple([(_of_taken(feed),) for _, feed in turned])
        entry_feeds = {
            port: tuple(by_place.values())
            for port, by_place in feeds.items()
            if port.step not in loop.steps
        }
        return LoopBlock(
            block, first, len(consumers), tuple(steps), tuple(readers), entry_feeds, turn_feeds
        )

    def _reader_rounds(
        self, number: int, block: int, first: int, consumers: Sequence[Consumer]
    ) -> list[ReaderRound]:
        inside = self._loops[number].steps
        rounds = []
        for position, i in enumerate(self._readers[number]):
            target = consumers[i]
            seat = self._joined[i].seat(first + position)
            rounds.append(
                ReaderRound(
                    index=target.index,
                    place=first + position,
                    name=target.name,
                    inputs=seat.joins[0],
                    triggers=seat.joins[1],
                    window_ms=target.window_ms,
                    auto_window=target.auto_window,
                    may_clash=False,
                    target=target,
                    loop=number,
                    block=block,
                    reader=position,
                    inputs_inside=_positions(seat.inputs, inside),
                    triggers_inside=_positions(seat.triggers, inside),
                )
            )
        return rounds


def _outside(sources: Iterable[Source], loop: Loop) -> list[Port]:
    return [source.port for source in sources if source.step not in loop.steps]


def _positions(sources: Sequence[Source], inside: Sequence[str]) -> frozenset[int]:
    return frozenset(i for i, source in enumerate(sources) if source.step in inside)


def _of_taken(feed: Feed) -> Feed:
    """A feed of a turn as it is fed: the one source of a direct one is taken by then, since it is
    looked at before the round is begun."""
    if not feed.direct:
        return feed
    (part,) = feed.inputs
    taken = part._replace(tensor=None, rename=None, renames=None)
    return feed._replace(inputs=(taken,), whole=True)


def _but_for(feeds: Feeds, port: Port, turns: Collection[int]) -> tuple[Feed, ...]:
    """The feeds of a port that stay in its round."""
    return tuple(feed for place, feed in feeds.get(port, {}).items() if place not in turns)


def _texts(sources: Iterable[Source]) -> tuple[str, ...]:
    return tuple(source.text for source in sources)
