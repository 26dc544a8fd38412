"""What must be true of a run, whatever happened in it. Nothing here asks the code under test."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from oracle.interpreter import interpret
from oracle.model import Attempt, Batch, Ended, Graph, Made
from penstock.core.contracts.transport import ALONE_FROM_ATTEMPT, Delivery, Output, Ownership
from penstock.core.engine import Call, Passage
from penstock.core.records import Absent, Body, Failed, Port, Record
from penstock.core.request_headers import MISSING, ORIGIN_HEADER
from penstock.core.streams.headers import (
    ATTEMPT_HEADER,
    CALL_HEADER,
    CODE_HEADER,
    DETAILS_HEADER,
    STEP_HEADER,
)
from simulation.case import AGAIN_MS, DEADLINE_MS, Arrival
from simulation.graphs import PIPELINE

if TYPE_CHECKING:
    from simulation.broker import Partition
    from simulation.node import Node
    from simulation.world import World

OUTPUTS = Port(None, "outputs")
CLOCKS_AGREE_WITHIN_MS = 25.0
"""The longest way to the broker and back."""

POLLED_MS = 30
"""How often it is looked whether a suspect begins."""

End = tuple[object, ...]


@dataclass(slots=True)
class Run:
    """One beginning of a request, at a worker.

    ``brought`` is the newest offset of those of its key that had ended before and brought what is
    kept. ``made`` has the calls that others could share, ``kept`` by step and name what it went on
    with of others.
    """

    node: Node
    version: int
    opened_ms: float
    allowed_ms: float
    offset: int
    brought: int | None = None
    made: dict[tuple[str, int], tuple[Made, ...]] = field(default_factory=dict)
    kept: dict[str, dict[str, str]] = field(default_factory=dict)
    expected: Expected | None = None


class Wait(NamedTuple):
    """A suspect that is to be alone. ``quiet`` is for how many looks it has been."""

    node: Node
    partition: Partition
    epoch: int
    offset: int
    starts: int
    quiet: int = 0


class Expected(NamedTuple):
    """What the oracle says of one kind of request; ``sure`` unless two things came at one time."""

    ports: dict[str, End]
    dead_letters: list[tuple[str, str | None]]
    sure: bool
    late: bool
    lacking: frozenset[str]


@dataclass(slots=True)
class Request:
    """What was seen of one request."""

    arrival: Arrival
    record: Record
    offsets: list[int]
    runs: list[Run] = field(default_factory=list)
    outputs: dict[Port, list[tuple[Node, Record]]] = field(default_factory=dict)
    letters: list[tuple[str, str | None]] = field(default_factory=list)
    ends: list[Record] = field(default_factory=list)
    most_attempts: int = 0
    deliveries: int = 0
    starts: int = 0
    calls: list[Record] = field(default_factory=list)
    outcomes: list[Record] = field(default_factory=list)
    unwritten: set[str] = field(default_factory=set)
    early: set[str] = field(default_factory=set)
    writers: set[tuple[Node, int]] = field(default_factory=set)
    finished: set[tuple[Node, int]] = field(default_factory=set)
    excused: int = 0
    unsure: bool = False


class Laws:
    """Watches one run. ``broken`` says in a sentence each what went wrong."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._case = world.case
        self._exactly_once = world.case.exactly_once
        self.broken: list[str] = []
        self.sure = 0
        """Requests of which the oracle says how they must have ended."""
        self.requests: dict[str, Request] = {}
        self._by_place: dict[tuple[int, int], str] = {}
        self._expected: dict[tuple[int, int, float], Expected] = {}
        self._runs: dict[Passage, Run] = {}
        self._untold: dict[tuple[Node, int], dict[Passage, bytes]] = {}
        self._answered: dict[tuple[int, bytes], tuple[int, str]] = {}
        self._remembers = [
            {step.name for step in graph.steps if step.join == "latest"}
            for graph in world.case.graphs
        ]
        self._brought: dict[tuple[int, int, bytes], int] = {}
        self._batches: list[dict[str, Batch]] = [
            {step.name: step.batch for step in graph.steps if step.batch is not None}
            for graph in world.case.graphs
        ]
        self._is_known = [
            not world.case.gateways or is_timeless(graph) for graph in world.case.graphs
        ]
        """Whether it is known what must come of requests to each version."""
        self._has_output = [graph.output is not None for graph in world.case.graphs]

    def _break(self, sentence: str) -> None:
        self._world.tell("LAW BROKEN:", "%s", sentence)
        self.broken.append(sentence)

    # What is seen -------------------------------------------------------------------------------

    def accepted(self, identity: str, arrival: Arrival, record: Record, offset: int) -> None:
        """The broker has a record."""
        self._by_place[arrival.partition, offset] = identity
        request = self.requests.get(identity)
        again = "" if request is None else " again"
        self._world.tell("broker", "has %s%s at %d/%d", identity, again, arrival.partition, offset)
        if request is None:
            self.requests[identity] = Request(arrival, record, [offset])
        else:
            request.offsets.append(offset)
            if self._case.dedup_requests < len(self._case.arrivals):
                # Nobody need remember it for so long.
                request.excused += 1

    def delivered(self, node: Node, partition: Partition, taken: Sequence[Delivery]) -> None:
        """An owner was given records."""
        if len(partition.in_hand) > self._case.in_flight:
            self._break(f"{len(partition.in_hand)} records of one partition are in hand")
        for delivery in taken:
            request = self.requests[self._by_place[partition.number, delivery.offset]]
            request.deliveries += 1
            request.most_attempts = max(request.most_attempts, delivery.attempt)
            others_wrote = any(each != (node, partition.epoch) for each in request.writers)
            if others_wrote and any(
                partition.is_done(offset) for offset in request.offsets if offset != delivery.offset
            ):
                # It ended at another owner, which alone remembers it.
                request.excused += 1
            self._world.tell(
                node.name,
                "is given %s, attempt %d",
                self._by_place[partition.number, delivery.offset],
                delivery.attempt,
            )
            if delivery.attempt >= ALONE_FROM_ATTEMPT:
                wait = Wait(node, partition, partition.epoch, delivery.offset, request.starts)
                self._world.later(POLLED_MS, self._still_waits, wait)

    def _still_waits(self, wait: Wait) -> None:
        """Look whether a suspect that nothing keeps waiting begins."""
        node, partition = wait.node, wait.partition
        identity = self._by_place[partition.number, wait.offset]
        begun = self.requests[identity].starts > wait.starts
        if begun or node.dead or partition.epoch != wait.epoch:
            return
        if partition.owner is not node or wait.offset not in partition.in_hand:
            return
        owned = [each for each in self._world.broker.partitions if each.owner is node]
        in_hand = sum(len(each.in_hand) for each in owned)
        hears = node.answers and self._world.hears
        alone = hears and in_hand == 1 and not any(each.pending for each in owned)
        quiet = wait.quiet + 1 if alone else 0
        longest_ms = 3 * CLOCKS_AGREE_WITHIN_MS + (AGAIN_MS if self._case.slow else 0)
        if quiet * POLLED_MS > longest_ms:
            self._break(f"{identity} is alone, and does not begin")
        self._world.later(POLLED_MS, self._still_waits, wait._replace(quiet=quiet))

    def takes_too_long(self, node: Node, ownership: Ownership) -> None:
        """An owner asks for records of a partition that it is to give up."""
        self._break(
            f"{node.name} gives partition {ownership.partition} up, and asks for more of it"
        )

    def given_back(self, node: Node, partition: Partition, delivery: Delivery) -> None:
        """An owner has given a record back."""
        identity = self._by_place[partition.number, delivery.offset]
        self._world.tell(node.name, "gives %s back", identity)
        if self._case.gateways and not self._exactly_once:
            # With its calls it may have written of others how they ended.
            self.requests[identity].excused += 1

    def begun(self, node: Node, passage: Passage) -> None:
        """A worker lets a request in."""
        if node.dead:
            return
        identity = passage.identity
        request = self.requests.get(identity)
        if request is None:
            self._break(f"nobody sent {identity}, and it begins")
            return
        now_ms = self._world.broker.time_ms
        opened_ms = passage.opened_ms
        self._world.tell(node.name, "begins %s in version %d", identity, passage.plan.version)
        if abs(opened_ms - now_ms) > CLOCKS_AGREE_WITHIN_MS:
            self._break(f"{identity} begins at a time that is wrong by {opened_ms - now_ms:g} ms")
        wanted_ms = opened_ms + DEADLINE_MS
        if request.arrival.within_ms is not None:
            wanted_ms = now_ms - self._world.now + request.arrival.at_ms
            wanted_ms += request.arrival.within_ms
        if passage.deadline_ms != wanted_ms:
            self._break(
                f"{identity} has a deadline that is off by {passage.deadline_ms - wanted_ms:g} ms"
            )
        if passage.plan is not node.pipeline.deployment.plan:
            self._break(f"{identity} begins in a version that is not the newest")
        self._check_company(node, passage)
        if opened_ms != node.clock.local_ms() + node.clock.offset_ms:
            request.unsure = True  # the clock was put back, and stands still until it is right
        request.starts += 1
        self._line_up(node, passage)
        poisoned = self._case.gateways and request.arrival.poison
        if poisoned or not self._is_known[passage.plan.version - 1]:
            request.unsure = True
        run = Run(
            node,
            passage.plan.version,
            opened_ms,
            passage.deadline_ms - opened_ms,
            delivery_of(passage).offset,
        )
        of_key = (run.version, request.arrival.partition, self._world.key_of(request.arrival))
        if self._world.broker.owns(passage.ownership):
            run.brought = self._brought.get(of_key)
        self._runs[passage] = run
        request.runs.append(run)

    def refused(self, node: Node, passage: Passage) -> None:
        """A worker lets a request in that fails."""
        self._world.tell(node.name, "refuses %s", passage.identity)
        self.requests[passage.identity].starts += 1
        self._line_up(node, passage)

    def told(self, node: Node, passage: Passage) -> None:
        """The answer of a request is told at a worker, and may be written."""
        partition = self.requests[passage.identity].arrival.partition
        self._untold.get((node, partition), {}).pop(passage, None)

    def _line_up(self, node: Node, passage: Passage) -> None:
        if self._case.order is None:
            return
        arrival = self.requests[passage.identity].arrival
        untold = self._untold.setdefault((node, arrival.partition), {})
        untold[passage] = self._lane_of(arrival)
        held = len(untold) - len(set(untold.values()))
        if held > self._case.max_held:
            self._break(f"{held} answers of one partition may have to be held back")

    def _lane_of(self, arrival: Arrival) -> bytes:
        return self._world.key_of(arrival) if self._case.order == "key" else b""

    def _check_order(self, identity: str, request: Request, record: Record) -> None:
        """Whether a request is answered for the first time before one that came earlier."""
        body = record.body
        ended_ms = self._world.broker.time_ms + CLOCKS_AGREE_WITHIN_MS
        if self._case.order is None or (isinstance(body, Failed) and record.deadline_ms < ended_ms):
            return  # a failure is held back until the deadline, and no longer
        arrival = request.arrival
        lane = (arrival.partition, self._lane_of(arrival))
        offset = request.offsets[0]
        last, before = self._answered.get(lane, (-1, ""))
        if offset < last:
            self._break(f"{identity} is answered after {before}, which came later")
        self._answered[lane] = (offset, identity)

    def _check_company(self, node: Node, passage: Passage) -> None:
        identity = passage.identity
        attempt = attempt_of(passage)
        if node.running and attempt >= ALONE_FROM_ATTEMPT:
            self._break(f"{identity} was at work at two crashes and is not alone")
        if attempt >= ALONE_FROM_ATTEMPT and self._taken_by(node) > 1:
            self._break(f"{identity} is to be alone, and others are on their way")
        if identity in node.running:
            self._break(f"{identity} is under way twice at one worker")
        for other in node.running.values():
            if attempt_of(other) >= ALONE_FROM_ATTEMPT:
                self._break(f"{identity} begins beside {other.identity}, which is to be alone")
        if attempt > self._world.limits.max_deliveries:
            self._break(f"{identity} begins though it was taken {attempt} times")

    def _taken_by(self, node: Node) -> int:
        """Records that the broker has given to a worker and that it has not let go of."""
        return sum(
            len(each.in_hand)
            for each in self._world.broker.partitions
            if each.owner is node
            and each.number in node.tenures
            and not node.tenures[each.number].tenure.over
        )

    def went_on(self, call: Call, visits: Sequence[tuple[Call, int]]) -> None:
        """A step runs, it may be with what other requests brought."""
        if call.step not in self._remembers[call.passage.plan.version - 1]:
            return
        for visit, _ in visits:
            identity = visit.passage.identity
            for tensor in visit.tensors:
                token, of = self._world.models.tokens.read(tensor)
                if of != identity:
                    run = self._runs[visit.passage]
                    run.kept.setdefault(call.step, {})[tensor.name] = f"{token}@{of}"
                    self._check_kept(identity, run, of)

    def _check_kept(self, identity: str, run: Run, of: str) -> None:
        mine, theirs = self.requests[identity], self.requests[of]
        key_of = self._world.key_of
        if key_of(mine.arrival) != key_of(theirs.arrival) or not theirs.runs:
            self._break(f"{identity} goes on with what {of} brought, which is not of its key")
        if run.brought is not None and max(theirs.offsets) < run.brought:
            self._break(f"{identity} goes on with what {of} brought, and there was something newer")

    def _bring(self, node: Node, request: Request) -> None:
        """A request that has ended has brought what is kept from now on, whoever is the owner."""
        arrival = request.arrival
        names = self._case.kinds[arrival.kind].request
        if arrival.poison or arrival.within_ms is not None or "s" not in names:
            return
        if any(each is node for each, _ in request.outputs.get(OUTPUTS, ())):
            for run in request.runs:
                if run.node is node:
                    of_key = (run.version, arrival.partition, self._world.key_of(arrival))
                    self._brought[of_key] = max(request.offsets[0], self._brought.get(of_key, -1))

    def called(
        self,
        node: Node,
        call: Call,
        visits: Sequence[tuple[Call, int]],
        attempt: Attempt,
        now_ms: float,
    ) -> None:
        """A call is made of visits that may have waited for each other."""
        if len(visits) > 1:
            self._check_together(node, call, visits)
        for visit, _ in visits:
            run = self._runs[visit.passage]
            made = Made(now_ms - run.opened_ms, attempt)
            which = (visit.step, visit.attempt)
            run.made[which] = (*run.made.get(which, ()), made)

    def _check_together(self, node: Node, call: Call, visits: Sequence[tuple[Call, int]]) -> None:
        names = ", ".join(visit.passage.identity for visit, _ in visits)
        self._world.tell(node.name, "calls %s of %s together", call.step, names)
        plans = {(visit.step, visit.passage.plan.version) for visit, _ in visits}
        [(step, version)] = plans if len(plans) == 1 else [("", 0)]
        if not step:
            self._break(f"{names} share a call of several steps or versions")
            return
        if sum(rows for _, rows in visits) > self._batches[version - 1][step].size:
            self._break(f"{names} share a call that is too big")
        if call.deadline_ms > min(visit.passage.deadline_ms for visit, _ in visits):
            self._break(f"{names} share a call that is told too long a deadline")
        if all(visit.passage.closed for visit, _ in visits):
            self._break(f"{names} have ended, and are called")
        for at, tensor in enumerate(call.tensors):
            wanted = b"".join(bytes(visit.tensors[at].raw) for visit, _ in visits)
            if bytes(tensor.raw) != wanted:
                self._break(f"{names} share a call that has not their rows")

    def calls(self, call: Record) -> None:
        """An owner has a call on its way by itself."""
        self.requests[call.identity].unwritten.add(call.headers[CALL_HEADER])

    def called_elsewhere(self, node: Node, call: Output) -> None:
        """A call is written."""
        stream, record, partition = call
        request = self.requests[record.identity]
        self._world.tell(node.name, "calls %s for %s", record.port.step, record.identity)
        if partition != request.arrival.partition or record.key != request.record.key:
            self._break(f"a call of {record.identity} has another key, or another partition")
        if stream != self._world.names.of(PIPELINE, record.port):
            self._break(f"a call of {record.identity} is in another stream")
        if request.arrival.within_ms is not None:
            request.unsure = True
        request.calls.append(record)
        request.unwritten.discard(record.headers[CALL_HEADER])
        if not self._is_late(record):
            request.early.add(record.headers[CALL_HEADER])

    def outcome(self, record: Record) -> None:
        """A model gateway has written what came of a call."""
        request = self.requests[record.identity]
        self._world.tell("a gateway", "writes %s of %s", record.port, record.identity)
        request.outcomes.append(record)
        lost = isinstance(record.body, Failed) and record.body.code == "lost"
        took_long = record.headers.get(CALL_HEADER) in request.early and self._is_late(record)
        if lost or took_long:
            request.unsure = True

    def _is_late(self, record: Record) -> bool:
        return record.deadline_ms - self._world.broker.time_ms < DEADLINE_MS / 2

    def poisoned(self, identity: str) -> None:
        """A request takes its worker down."""
        self._world.tell(identity, "takes its worker down")

    def disturbed(self, node: Node) -> None:
        """A worker hangs, or its clock is put right: what is under way there may come to another
        end than the oracle's."""
        for identity in node.running:
            self.requests[identity].unsure = True

    def cut_short(self, identity: str) -> None:
        """A worker has given up what was left of a request."""
        self.requests[identity].unsure = True

    def written(self, node: Node, outputs: Sequence[Output]) -> None:
        """Records were written."""
        for stream, record, partition in outputs:
            if stream == self._world.names.dead_letters:
                self._letter(node, record)
            elif stream == self._world.names.ended(PIPELINE):
                self._end(node, record, partition)
            else:
                self._output(node, stream, record, partition)

    def _letter(self, node: Node, record: Record) -> None:
        request = self.requests[record.identity]
        headers = record.headers
        letter = (headers[CODE_HEADER], headers.get(STEP_HEADER))
        self._world.tell(node.name, "writes a dead letter of %s: %s", record.identity, letter[0])
        request.letters.append(letter)
        given = request.record
        if record.body != given.body or record.key != given.key:
            self._break(f"the dead letter of {record.identity} is not whole")
        if ORIGIN_HEADER not in headers or ATTEMPT_HEADER not in headers:
            self._break(f"the dead letter of {record.identity} does not say where it is from")

    def _end(self, node: Node, record: Record, partition: int | None) -> None:
        """It is told that a request has ended that puts nothing out."""
        identity = record.identity
        request = self.requests[identity]
        self._world.tell(node.name, "writes the end of %s: %s", identity, told(record.body))
        if record.key != request.record.key or partition != request.arrival.partition:
            self._break(f"the end of {identity} has another key, or is in another partition")
        request.ends.append(record)

    def _output(self, node: Node, stream: str, record: Record, partition: int | None) -> None:
        identity = record.identity
        request = self.requests.get(identity)
        if request is None:
            self._break(f"a record of {identity} is written, which nobody sent")
            return
        self._world.tell(node.name, "writes %s of %s: %s", record.port, identity, told(record.body))
        if partition is None:
            partition = zlib.crc32(record.key) % self._case.partitions
        if partition != request.arrival.partition:
            self._break(f"{record.port} of {identity} is in partition {partition}")
        given = request.record
        if record.key != given.key or stream != self._world.names.of(PIPELINE, record.port):
            self._break(f"{record.port} of {identity} has another key, or is in another stream")
        own = {DETAILS_HEADER, MISSING} if record.port == OUTPUTS else set()
        told_on = {name: text for name, text in record.headers.items() if name not in own}
        if told_on != {"x-request-id": given.headers["x-request-id"]}:
            self._break(f"{record.port} of {identity} has the headers {dict(record.headers)}")
        if record.port == OUTPUTS and OUTPUTS not in request.outputs:
            self._check_order(identity, request, record)
        request.outputs.setdefault(record.port, []).append((node, record))
        if record.port == OUTPUTS:
            epoch = self._world.broker.partitions[partition].epoch
            request.writers.add((node, epoch))

    def finished(self, node: Node, partition: Partition, delivery: Delivery) -> None:
        """A record counts as done: its answer is written, or the same request comes once more."""
        identity = self._by_place[partition.number, delivery.offset]
        request = self.requests[identity]
        self._world.tell(node.name, "finishes %s at offset %d", identity, delivery.offset)
        request.finished.add((node, delivery.offset))
        named = f"{partition.epoch}.{delivery.offset}."
        if any(name.startswith(named) for name in request.unwritten):
            self._break(f"{identity} is done, and a call of it is not written")
        if OUTPUTS in request.outputs:
            self._bring(node, request)
            return
        if not all(self._has_output):
            request.writers.add((node, partition.epoch))
            return
        if all(partition.is_done(offset) for offset in request.offsets):
            self._break(f"{identity} is done, and nothing was answered")

    # What must be true in the end ---------------------------------------------------------------

    def at_the_end(self, *, ended: bool) -> None:
        """Nothing happens any more."""
        if not ended:
            self._break("it does not come to an end")
        for partition in self._world.broker.partitions:
            if partition.done_below != len(partition.log):
                at = self._by_place[partition.number, partition.done_below]
                self._break(f"{at} is never finished")
        for node in self._world.nodes.values():
            self._check_empty(node)
        for identity, request in self.requests.items():
            self._check(identity, request)
            self.sure += not request.unsure

    def _check_empty(self, node: Node) -> None:
        in_hand = sum(hands.tenure.in_hand for hands in node.tenures.values())
        waiting = sum(len(hands.tenure.calls) for hands in node.tenures.values())
        passages, requests = node.engine.open_passages, len(node.pipeline.open)
        left = (passages, requests, in_hand, node.turnstile.inside, waiting)
        if any(left):
            self._break(f"{node.name} has something left in the end: {left}")
        if len(node.pipeline.recent) > self._case.dedup_requests:
            self._break(f"{node.name} remembers more than it may")

    def _check(self, identity: str, request: Request) -> None:
        answers = request.outputs.get(OUTPUTS, [])
        bodies = [record.body for _, record in answers]
        has_lost = any(
            isinstance(body, Failed) and body.code == "lost" and body.step is None
            for body in bodies
        )
        most = 1 + request.excused
        if not self._exactly_once and request.most_attempts > 1:
            most += request.most_attempts - 1
        if len(answers) > most:
            self._break(f"{identity} is answered {len(answers)} times")
        if all(self._has_output) and not answers:
            self._break(f"{identity} is never answered")
        if len(request.ends) > most:
            self._break(f"{identity} is told to have ended {len(request.ends)} times")
        if not answers and not request.ends:
            self._break(f"it is never told that {identity} has ended")
        if has_lost and request.most_attempts <= self._world.limits.max_deliveries:
            self._break(f"{identity} is lost after {request.most_attempts} attempts")
        if has_lost and not request.arrival.poison and len(self._case.faults) <= 1:
            self._break(f"{identity} is lost, and takes nobody down")
        if len(request.runs) > request.deliveries:
            self._break(f"{identity} began {len(request.runs)} times")
        for port, records in request.outputs.items():
            if len(records) > most:
                self._break(f"{port} of {identity} is written {len(records)} times")
            if not request.unsure:
                for node, record in records:
                    self._check_record(identity, request, node, record)
        if not request.unsure:
            for record in (*request.calls, *request.outcomes):
                self._check_step(identity, request, record)
            self._check_whole(identity, request)

    def _check_step(self, identity: str, request: Request, record: Record) -> None:
        """Whether a call, or what came of it, is as the oracle says."""
        runs = [run for run in request.runs if run.version == record.version]
        expected = [self._expectation(request, run) for run in runs]
        wanted = [each.ports.get(str(record.port)) for each in expected]
        end = self._end_of(identity, record.port, record.body)
        if self._as_told(end) not in map(self._as_told, wanted) and all(
            each.sure for each in expected
        ):
            self._break(f"{record.port} of {identity} is {end}, the oracle says {wanted}")

    def _as_told(self, end: End | None) -> End | None:
        """With gateways it is not known which of several failures is the first."""
        return end[:1] if end is not None and self._case.gateways and end[0] == "failed" else end

    def _check_record(self, identity: str, request: Request, node: Node, record: Record) -> None:
        body = record.body
        end = self._end_of(identity, record.port, body)
        if self._never_runs(request, body):
            return
        runs = [run for run in request.runs if run.node is node and run.version == record.version]
        whole = any((node, run.offset) in request.finished for run in runs)
        if self._remembers[record.version - 1] and not whole:
            return  # it was cut short, and may not have come to tell with what it went on
        expected = [self._expectation(request, run) for run in runs]
        if expected and all(
            each.lacking and run.brought is not None
            for run, each in zip(runs, expected, strict=True)
        ):
            self._break(f"{identity} does not know what others of its key have brought")
        wanted = [each.ports.get(str(record.port)) for each in expected]
        if any(each.late for each in expected):
            self._break(f"a call of {identity} waited for others, and not as long as it has to")
        if self._held_too_long(record):
            return
        known = map(self._as_told, wanted)
        if self._as_told(end) not in known and all(each.sure for each in expected):
            self._break(f"{record.port} of {identity} is {end}, the oracle says {wanted}")

    def _held_too_long(self, record: Record) -> bool:
        """Whether a request has its deadline for an answer because of those before it."""
        body = record.body
        return (
            self._case.order is not None
            and record.port == OUTPUTS
            and isinstance(body, Failed)
            and (body.code, body.step) == ("deadline", None)
        )

    def _end_of(self, identity: str, port: Port, body: Body) -> End:
        """What a record holds, as it is compared."""
        if isinstance(body, Failed):
            return "failed", body.code, body.step
        if isinstance(body, Absent):
            return ("absent",)
        contents = []
        for tensor in body:
            token, of = self._world.models.tokens.read(tensor)
            if of != identity:
                token = f"{token}@{of}"
                if not any(self._remembers):
                    self._break(f"{port} of {identity} has what belongs to another request")
            contents.append((tensor.name, token))
        return "value", tuple(contents)

    def _never_runs(self, request: Request, body: Body) -> bool:
        """Whether an end is one that a request has without having begun."""
        if not isinstance(body, Failed):
            return False
        return body.code == "lost" or (
            body.code == "invalid-request" and bool(request.arrival.damage)
        )

    def _check_whole(self, identity: str, request: Request) -> None:
        """Every port that is kept has its record, and every failure its letter."""
        if request.excused or not request.runs:
            if request.arrival.damage and not request.letters:
                self._break(f"{identity} is damaged, and there is no dead letter")
            return
        if request.most_attempts > self._world.limits.max_deliveries:
            if ("lost", None) not in request.letters:
                self._break(f"{identity} is lost, and there is no dead letter")
            return
        if not self._case.exactly_once and request.most_attempts > 1:
            return
        expected = [self._expectation(request, run) for run in request.runs]
        if not all(each.sure for each in expected):
            return
        if self._case.keeps_all or self._case.gateways:
            ports = {str(port) for port in request.outputs} | {"inputs"}
            ports |= {str(record.port) for record in (*request.calls, *request.outcomes)}
            if self._case.gateways and len(request.runs) > 1:
                # Calls of a run that was cut short are there as well, it may be of another version.
                ports &= max((each.ports.keys() for each in expected), key=ports.issuperset)
            if all(ports != each.ports.keys() for each in expected):
                self._break(f"{identity} has the ports {ports}, and the oracle has others")
        if self._case.gateways:
            return  # which failures come first, and which after the answer, is not known
        letters = Counter(request.letters)
        if any(self._held_too_long(record) for _, record in request.outputs.get(OUTPUTS, ())):
            return
        if all(letters != Counter(each.dead_letters) for each in expected):
            self._break(f"{identity} has the dead letters {letters}, and the oracle has others")

    def _expectation(self, request: Request, run: Run) -> Expected:
        if self._batches[run.version - 1] or self._remembers[run.version - 1]:
            if run.expected is None:
                run.expected = self._interpreted(request.arrival.kind, run)
            return run.expected
        key = (run.version, request.arrival.kind, run.allowed_ms)
        known = self._expected.get(key)
        if known is None:
            known = self._expected[key] = self._interpreted(request.arrival.kind, run)
        return known

    def _interpreted(self, kind: int, run: Run) -> Expected:
        scenario = replace(
            self._case.kinds[kind],
            deadline_ms=run.allowed_ms,  # type: ignore[arg-type]  # a time like any other
            made=run.made,
            kept=run.kept,
        )
        result = interpret(self._case.graphs[run.version - 1], scenario)
        ports = {port: end_by_oracle(end) for port, end in result.ports.items()}
        letters: list[tuple[str, str | None]] = [
            (each.code, each.step) for each in result.dead_letters
        ]
        if result.answer is not None and result.answer.kind == "failed":
            assert result.answer.code is not None
            letters.append((result.answer.code, result.answer.step))
        return Expected(ports, letters, not result.ambiguous, result.late, result.lacking)


def is_timeless(graph: Graph) -> bool:
    """Whether no join asks which source ends first, or by when."""
    joins = {step.join for step in graph.steps} | {step.triggers_join for step in graph.steps}
    if graph.output is not None:
        joins.add(graph.output.join)
    return "any" not in joins and not any(step.window_ms for step in graph.steps)


def attempt_of(passage: Passage) -> int:
    """How often the record was taken that a request began with."""
    return delivery_of(passage).attempt


def delivery_of(passage: Passage) -> Delivery:
    """The record that a request began with."""
    request: Any = passage.context
    delivery: Delivery = request.delivery
    return delivery


def end_by_oracle(end: Ended) -> End:
    """The same of the oracle's."""
    if end.kind == "failed":
        return "failed", end.code, end.step
    if end.kind == "absent":
        return ("absent",)
    return "value", tuple((tensor.name, tensor.token) for tensor in end.tensors)


def told(body: Body) -> str:
    """A record's contents in a few words."""
    if isinstance(body, Failed):
        return f"failed ({body.code})"
    return "absent" if isinstance(body, Absent) else "a value"
