"""What befalls the processes and the broker of a simulated world."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from random import Random

from unit.kafka.leases.node import Node
from unit.kafka.leases.world import World

MOST_NODES = 6
STOPS_MS = (300.0, 1_500.0, 2_500.0, 10_000.0, 60_000.0)
AWAY_MS = (300.0, 1_500.0, 5_000.0, 60_000.0)
LOSSES = (0.0, 0.0, 0.02, 0.2)


def some_streams(chance: Random) -> dict[str, int]:
    """A few streams, and how many partitions each has."""
    return {f"stream-{each}": chance.choice((1, 1, 4, 8)) for each in range(chance.randrange(1, 6))}


class Mishaps:
    """Now and then something happens to a world."""

    def __init__(self, world: World, rate: float = 0.004) -> None:
        self._world = world
        self._rate = rate
        self._all: tuple[Callable[[Node], None], ...] = (
            self._come,
            self._crash,
            self._crash_and_return,
            self._stop,
            self._go_away,
            self._leave,
            self._grow,
            self._withdraw,
            self._lose,
        )

    def __call__(self) -> None:
        chance = self._world.chance
        living = self._world.living()
        if living and chance.random() < self._rate:
            chance.choice(self._all)(chance.choice(living))

    def _come(self, _: Node) -> None:
        if len(self._world.living()) < MOST_NODES:
            self._world.start()

    def _crash(self, node: Node) -> None:
        node.die()

    def _crash_and_return(self, node: Node) -> None:
        """It comes again under its name, at once or when others have noticed; or is still there."""
        if self._world.chance.random() < 0.8:
            node.die()
        delay_ms = self._world.chance.choice((0.0, 100.0, 3_000.0))
        self._world.later(delay_ms, lambda: self._return(node.name))

    def _return(self, name: str) -> None:
        self._world.start(name)

    def _stop(self, node: Node) -> None:
        until_ms = self._world.now_ms + self._world.chance.choice(STOPS_MS)
        node.stopped_until_ms = max(node.stopped_until_ms, until_ms)

    def _go_away(self, _: Node) -> None:
        until_ms = self._world.now_ms + self._world.chance.choice(AWAY_MS)
        self._world.away_until_ms = max(self._world.away_until_ms, until_ms)

    def _lose(self, _: Node) -> None:
        self._world.loss = self._world.chance.choice(LOSSES)

    def _leave(self, node: Node) -> None:
        node.leave()

    def _grow(self, _: Node) -> None:
        world = self._world
        stream = world.chance.choice(sorted(world.streams))
        world.streams[stream] += 1
        for node in world.living():
            # They do not hear of it at the same time.
            delay_ms = world.chance.choice((0.0, 50.0, 2_000.0))
            world.later(delay_ms, partial(self._compete, node, stream))

    def _withdraw(self, node: Node) -> None:
        stream = self._world.chance.choice(sorted(self._world.streams))
        node.withdraw(stream)
        self._world.later(2_000.0, lambda: self._compete(node, stream))

    def _compete(self, node: Node, stream: str) -> None:
        if node.alive and not node.leaving:
            node.compete(stream, self._world.streams[stream])
