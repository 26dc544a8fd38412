"""Members of the log of leases in a world of one generator: a log, a broker, and processes."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count
from random import Random
from types import ModuleType
from typing import NamedTuple

import penstock.transports.kafka.leases
from penstock.core.contracts.transport import Ownership
from unit.kafka.leases.node import GROUP, Node

STEPS_MS = (1.0, 2.0, 5.0, 10.0)
DELAYS_MS = (0.5, 1.0, 1.0, 2.0, 5.0, 30.0)


class Record(NamedTuple):
    """One of the log. Offsets have gaps, as on a real one."""

    offset: int
    time_ms: float
    text: bytes


class World:
    """``leases`` is the package under test. ``even``: all clocks run alike."""

    def __init__(
        self,
        seed: int,
        streams: Callable[[Random], dict[str, int]],
        *,
        leases: ModuleType = penstock.transports.kafka.leases,
        even: bool = False,
    ) -> None:
        self.leases = leases
        self.chance = Random(seed)
        self.now_ms = 0.0
        self.log: list[Record] = []
        self.nodes: list[Node] = []
        self.streams = streams(self.chance)
        self.away_until_ms = 0.0
        self.loss = 0.0
        """How likely it is that something that is written is lost."""
        self.fenced = 0
        self._even = even
        self._won: set[Ownership] = set()
        self._tie = count()
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._lands_ms: dict[str, float] = {}

    def start(self, name: str | None = None) -> Node:
        """A process, under a name of its own or that of one that has died."""
        number = len(self.nodes)
        node = Node(self, name or f"node-{number}", number, even=self._even)
        self.nodes.append(node)
        for stream, partitions in self.streams.items():
            node.compete(stream, partitions)
        return node

    def living(self) -> list[Node]:
        """Those that are there to stay."""
        return [node for node in self.nodes if node.alive and not node.leaving]

    def later(self, delay_ms: float, work: Callable[[], None]) -> None:
        heapq.heappush(self._due, (self.now_ms + delay_ms, next(self._tie), work))

    def send(self, node: Node, text: bytes) -> None:
        """What a process writes lands in order, some time later, or never."""
        if self.chance.random() < self.loss:
            return
        sender = str(node.member.id)
        lands_ms = max(
            max(self.now_ms, self.away_until_ms) + self.chance.choice(DELAYS_MS),
            self._lands_ms.get(sender, 0.0) + 0.001,
        )
        self._lands_ms[sender] = lands_ms
        outlives = self.chance.random() < 0.5
        self.later(lands_ms - self.now_ms, lambda: self._land(node, text, outlives=outlives))

    def _land(self, node: Node, text: bytes, *, outlives: bool) -> None:
        """What was on its way when its sender died may land or not; a broker that is away takes
        it when it is back."""
        if not node.alive and not outlives and not node.member.gone:
            return
        if self.now_ms < self.away_until_ms:
            delay_ms = self.away_until_ms - self.now_ms
            self.later(delay_ms, lambda: self._land(node, text, outlives=outlives))
            return
        self.log.append(Record(2 * len(self.log) + 1, float(int(self.now_ms)), text))

    def run(self, for_ms: float, each_step: Callable[[], None] = lambda: None) -> None:
        """Let time pass."""
        until_ms = self.now_ms + for_ms
        while self.now_ms < until_ms:
            self.now_ms += self.chance.choice(STEPS_MS)
            while self._due and self._due[0][0] <= self.now_ms:
                heapq.heappop(self._due)[2]()
            for node in self.nodes:
                if node.runs:
                    node.run(reads=self.chance.random() < 0.7)
            self._see_who_acts()
            each_step()

    def calm_down(self) -> None:
        """Nothing befalls anybody any more, and all is settled after a while."""
        self.loss = 0.0
        ends_ms = [self.away_until_ms, *(n.stopped_until_ms for n in self.nodes if n.alive)]
        self.run(max(0.0, *(end - self.now_ms for end in ends_ms)) + 1_500.0)
        if not self.living():
            self.start()
        self.run(9_000.0)

    # Laws -----------------------------------------------------------------------------------------

    def _see_who_acts(self) -> None:
        """Never do two act for a partition.

        Who comes under a name has the place of who had it at once. Should that one live against
        all rules, it goes on until it reads of it: only the last of a name is held to this.
        """
        owners: dict[tuple[str, int], str] = {}
        for node in {node.name: node for node in self.nodes}.values():
            if node.runs and node.acts:
                for where in node.owned:
                    assert where not in owners, (
                        f"{owners[where]} and {node.name} act for {where} at {self.now_ms}"
                    )
                    owners[where] = node.name

    def note_epoch(self, ownership: Ownership) -> None:
        """An epoch of a partition is there once."""
        assert ownership not in self._won, f"{ownership} is won twice"
        self._won.add(ownership)

    def see_that_all_is_shared(self) -> None:
        """All is owned by somebody who acts, and in shares that differ by one at most."""
        living = self.living()
        for stream, partitions in self.streams.items():
            counts = [sum(where[0] == stream for where in node.owned) for node in living]
            owned = {where for node in living for where in node.owned if where[0] == stream}
            assert owned == {(stream, each) for each in range(partitions)}, f"{stream}: {counts}"
            assert max(counts) - min(counts) <= 1, f"{stream}: {counts}"
        assert all(node.acts for node in living)

    def see_that_all_know_the_same(self) -> None:
        """Who has read all of the log knows what the others own."""
        while not all(node.has_read_all for node in self.living()):
            self.run(1.0)
        for node in self.living():
            for stream, partition in node.owned:
                for other in self.living():
                    known = other.member.ledger.owner((GROUP, stream), partition)
                    assert known is not None
                    assert known.member.instance == node.name
