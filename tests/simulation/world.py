"""One run of a case: who does what when, by one clock and one generator of random numbers."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from random import Random
from typing import Any, Final

from oracle.model import Scenario
from penstock.core.dataflow import Deployment
from penstock.core.metrics import Metrics
from penstock.core.plan.compiler import compile_pipeline
from penstock.core.records import Body, Failed, Port, Record
from penstock.core.request_headers import IDENTITY_HEADER
from penstock.core.resources import Pipeline
from penstock.core.resources.pipeline import PipelineInput
from penstock.core.streams import StreamLimits, StreamNames
from penstock.core.streams.headers import DEADLINE_HEADER
from penstock.testing.joins import Joins
from simulation.broker import EPOCH_MS, Broker
from simulation.case import AGAIN_MS, DEADLINE_MS, Arrival, Case, Fault
from simulation.code import REAL, Code
from simulation.gateways import Gateways
from simulation.graphs import PIPELINE
from simulation.laws import Laws
from simulation.models import Models
from simulation.node import Node
from unit.engine.differential import manifest

KEY_HEADER: Final = "x-key"
INPUTS: Final = Port(None, "inputs")
JOINS: Final = Joins()
MOST_EVENTS: Final = 2_000
"""For each request, and once more: a run that takes more does not come to an end."""

_LATENCIES_MS: Final = (0, 0, 1, 1, 1, 2, 2, 3, 5, 8, 21)


class World:
    """Producers, a broker and workers, from the first record to when nothing is left to happen.

    With ``tells`` it writes down what happens.
    """

    def __init__(self, case: Case, code: Code = REAL, *, tells: bool = False) -> None:
        self.case = case
        self.code = code
        self.now = 0.0
        self.story: list[str] = []
        self._tells = tells
        self._random = Random(case.seed)
        self._events: list[tuple[float, int, Node | None, Callable[..., None], Any]] = []
        self._count = 0
        self._away_until = 0.0
        self.limits = StreamLimits(
            in_flight=case.in_flight,
            dedup_requests=case.dedup_requests,
            deadline_ms=float(DEADLINE_MS),
        )
        self.names = StreamNames()
        self._deployments = [self._deployed(number) for number in range(1, len(case.graphs) + 1)]
        self.kinds: dict[str, Scenario] = {}
        self.poison: set[str] = set()
        self.models = Models(self)
        self.laws = Laws(self)
        self.broker = Broker(self, self.names.of(PIPELINE, INPUTS))
        self.gateways = Gateways(self, case.gateways)
        self.nodes: dict[int, Node] = {}
        self._incarnations = 0

    def run(self) -> list[str]:
        """Let everything happen; says which laws were broken."""
        for number in range(self.case.workers):
            self._start(number)
        for arrival in self.case.arrivals:
            for at_ms in (arrival.at_ms, *arrival.again_ms):
                self._push(at_ms, None, self._arrive, arrival)
        for fault in self.case.faults:
            self._push(fault.at_ms, None, self._befall, fault)
        if len(self._deployments) > 1:
            self._push(self.case.change_ms, None, self._change, None)
        most = MOST_EVENTS * (len(self.case.arrivals) + 1)
        events = self._events
        while events and self._count < most:
            self.now, count, node, happen, what = heapq.heappop(events)
            if node is not None:
                if node.dead:
                    continue
                if node.hung_until > self.now:
                    heapq.heappush(events, (node.hung_until, count, node, happen, what))
                    continue
            happen(what)
            if self.laws.broken:
                return self.laws.broken
        self.laws.at_the_end(ended=not events)
        return self.laws.broken

    # What the others use ------------------------------------------------------------------------

    def at_node(
        self, node: Node, after_ms: float, happen: Callable[[Any], None], what: object
    ) -> None:
        """Have something happen at a worker, should it live then."""
        self._push(self.now + after_ms, node, happen, what)

    def later(self, after_ms: float, happen: Callable[[Any], None], what: object) -> None:
        """Have something happen that no worker does."""
        self._push(self.now + after_ms, None, happen, what)

    def to_node(
        self,
        node: Node,
        happen: Callable[[Any], None],
        what: object,
        *,
        acknowledges: bool = False,
    ) -> None:
        """An answer of the broker, or a call; acknowledgements get lost and are repeated."""
        takes_ms = self.latency_ms()
        if acknowledges and self.case.slow and self._random.random() * 100 < self.case.slow:
            takes_ms += AGAIN_MS
        self._push(self.now + takes_ms, node, happen, what)

    def to_broker(self, node: Node, happen: Callable[..., None], *what: object) -> None:
        """A worker's message; those of one worker keep their order."""
        if not node.dead:
            node.sent_until = max(node.sent_until, self.now + self.latency_ms())
            self._push(node.sent_until, None, self._reach, (happen, what))

    def to_broker_apart(self, node: Node, happen: Callable[..., None], *what: object) -> None:
        """A message of a worker that waits for no other, and none for it."""
        if not node.dead:
            self._push(self.now + self.latency_ms(), None, self._reach, (happen, what))

    @property
    def hears(self) -> bool:
        """Whether the broker can be heard of."""
        return self._away_until <= self.now

    def kind_of(self, identity: str) -> Scenario:
        """How the calls of a request go."""
        return self.kinds[identity]

    def crash(self, node: Node, for_ms: float) -> None:
        """A worker dies, and comes again as a new one."""
        if not node.dead:
            self.tell(node.name, "crashes")
            node.dead = True
            self.later(self.case.session_ms, self.broker.miss, node)
            self.later(for_ms, self._start, node.number)

    def stopped(self, node: Node) -> None:
        """A worker has left in order, and comes again as a new one."""
        self.tell(node.name, "has left")
        node.dead = True
        self.later(node.left_for_ms, self._start, node.number)

    def tell(self, who: str, sentence: str, *what: object) -> None:
        """Write down what happens, if anybody wants to know."""
        if self._tells:
            self.story.append(f"t={self.now:g}ms {who} {sentence % what}")

    # What happens by itself ---------------------------------------------------------------------

    def _push(
        self, at_ms: float, node: Node | None, happen: Callable[..., None], what: object
    ) -> None:
        self._count += 1
        heapq.heappush(self._events, (at_ms, self._count, node, happen, what))

    def latency_ms(self) -> int:
        """How long a message takes."""
        return _LATENCIES_MS[int(self._random.random() * len(_LATENCIES_MS))]

    def _reach(self, message: tuple[Callable[..., None], tuple[object, ...]]) -> None:
        if self._away_until > self.now:
            self._push(self._away_until, None, self._reach, message)
            return
        happen, what = message
        happen(*what)

    def _start(self, number: int) -> None:
        skews_ms = self.case.skews_ms
        skew_ms = skews_ms[self._incarnations % len(skews_ms)]
        self._incarnations += 1
        node = Node(self, number, skew_ms, self._newest())
        self.nodes[number] = node
        self.tell(node.name, "starts, its clock wrong by %d ms", skew_ms)
        node.start()

    def _arrive(self, arrival: Arrival) -> None:
        if self._away_until > self.now:
            self._push(self._away_until, None, self._arrive, arrival)
            return
        record = self._record(arrival)
        offset = len(self.broker.partitions[arrival.partition].log)
        identity = arrival.identity or f"{self.broker_stream}/{arrival.partition}/{offset}"
        self.kinds[identity] = self.case.kinds[arrival.kind]
        if arrival.poison:
            self.poison.add(identity)
        self.laws.accepted(identity, arrival, record, offset)
        self.broker.append(arrival.partition, record)

    def key_of(self, arrival: Arrival) -> bytes:
        """The key with which a record is written; all records of a key are in one partition."""
        if arrival.key is None:
            return f"key of {arrival.identity}/{arrival.kind}".encode()
        return f"key {arrival.key} of {arrival.partition}".encode()

    @property
    def broker_stream(self) -> str:
        """The stream that producers write to."""
        return self.names.of(PIPELINE, INPUTS)

    def _record(self, arrival: Arrival) -> Record:
        headers = {"x-request-id": f"mine-{arrival.identity}", "x-secret": "not to travel"}
        if arrival.identity:
            headers[IDENTITY_HEADER] = arrival.identity
        if arrival.damage == "deadline":
            headers[DEADLINE_HEADER] = "soon"
        elif arrival.within_ms is not None:
            headers[DEADLINE_HEADER] = str(EPOCH_MS + arrival.at_ms + arrival.within_ms)
        body: Body
        if arrival.damage == "value":
            body = Failed("invalid-request", "the record cannot be decoded")
        else:
            body = self._tensors(arrival)
        key = self.key_of(arrival)
        if self.case.keyed and arrival.damage != "no key":
            headers[KEY_HEADER] = key.decode()
            if arrival.damage == "another key":
                headers[KEY_HEADER] += "?"
        return Record("", key, "", 0, INPUTS, 0, body, {}, headers, float("inf"))

    def _tensors(self, arrival: Arrival) -> Body:
        names = self.case.kinds[arrival.kind].request
        offset = len(self.broker.partitions[arrival.partition].log)
        of = arrival.identity or f"{self.broker_stream}/{arrival.partition}/{offset}"
        rows = self.case.rows[arrival.kind]
        return tuple(self.models.tokens.tensor(name, name, of, rows) for name in names)

    def _befall(self, fault: Fault) -> None:
        if fault.trouble == "away":
            self.tell("broker", "is away for %d ms", fault.for_ms)
            self._away_until = max(self._away_until, self.now + fault.for_ms)
            return
        if fault.worker >= self.case.workers:
            self.gateways.befall(fault, fault.worker - self.case.workers)
            return
        node = self.nodes[fault.worker]
        if node.dead or node.hung_until > self.now:
            return
        if fault.trouble == "crash":
            self.crash(node, fault.for_ms)
        elif fault.trouble == "hang":
            self.tell(node.name, "hangs for %d ms", fault.for_ms)
            self.laws.disturbed(node)
            node.hung_until = self.now + fault.for_ms
            self.later(self.case.session_ms, self.broker.miss, node)
        elif node in self.broker.members and node not in self.broker.leaving:
            self.tell(node.name, "leaves")
            node.left_for_ms = fault.for_ms
            self.to_broker(node, self.broker.leave, node)

    def _newest(self) -> Deployment:
        changed = len(self._deployments) > 1 and self.now >= self.case.change_ms
        return self._deployments[1 if changed else 0]

    def _change(self, _: None) -> None:
        self.tell("version 2", "of the pipeline is ready")
        for node in self.nodes.values():
            node.deploy(self._newest())

    def _manifest(self, version: int) -> Pipeline:
        pipeline = manifest(self.case.graphs[version - 1])
        spec = pipeline.spec
        if self.case.keyed:
            spec = spec.model_copy(update={"input": PipelineInput(key=KEY_HEADER)})
        if self.case.order is not None and spec.output is not None:
            kept = {"order": self.case.order, "max_held": self.case.max_held}
            spec = spec.model_copy(update={"output": spec.output.model_copy(update=kept)})
        return pipeline.model_copy(update={"spec": spec})

    def _deployed(self, version: int) -> Deployment:
        plan = compile_pipeline(
            self._manifest(version),
            version,
            JOINS,
            record="all" if self.case.keeps_all else "boundary",
            spread=self.case.gateways > 0,
        )
        return Deployment(plan, (), Metrics().tally(plan))
