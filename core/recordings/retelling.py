"""Makes the story of a request of the records that streams hold of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from penstock.core.contracts.transport import Delivery
from penstock.core.errors import PenstockError
from penstock.core.identity import made_ms
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.journal.story import PortRecord, Story
from penstock.core.plan import Plan
from penstock.core.records import Absent, Failed, Port, Record
from penstock.core.references import parse_source
from penstock.core.streams.headers import (
    ANSWERED_HEADER,
    OMITTED_HEADER,
    REPLY_TO_HEADER,
    WANTED_HEADER,
)
from penstock.core.streams.pipeline import streamed_ports
from penstock.core.streams.wanted import with_wanted

JITTER_MS: Final = 50.0
"""Records of one moment are written to several streams within so long, in whatever order."""

Outcome: TypeAlias = Callable[[Record, InferenceRequest], InferenceResponse | PenstockError]
"""What a caller gets for a record of an output stream."""

_INPUTS: Final = Port(None, "inputs")
_OUTPUTS: Final = Port(None, "outputs")


@dataclass(frozen=True, slots=True)
class Recorded:
    """What streams hold of a request: how it came in, how it was answered, what each port of its
    steps was, and the failures among the dead letters. None where there is nothing, or not yet."""

    identity: str
    pipeline: str
    asked: Delivery | None = None
    answer: Delivery | None = None
    ports: Sequence[Delivery] = ()
    failures: Sequence[Failed] = field(default=())

    @property
    def first(self) -> Delivery:
        """What is there of it in any case."""
        found = self.asked or self.answer
        assert found is not None, "what was found is somewhere"
        return found


def retold(
    recorded: Recorded, plan: Plan | None, outcome: Outcome, travelling: Collection[str]
) -> Story:
    """The story as it is known from streams: its times are those at which records were written.

    ``plan`` is that of the version that serves now; it is told of where the request ran on it.
    ``travelling`` are the headers that go with requests.
    """
    asked, answer = recorded.asked, recorded.answer
    headers = recorded.first.record.headers
    version = _version(recorded)
    ran = None
    if plan is not None and version in (0, plan.version):
        whole = sum(port.step is not None for port in streamed_ports(plan)) == 2 * len(plan.steps)
        # Where every port is on the way of the answer, all are kept whatever the manifest says.
        ran = replace(plan, record="all") if whole and plan.record == "boundary" else plan
    story = Story(
        recorded.identity,
        recorded.pipeline,
        version or (0 if plan is None else plan.version),
        _request(asked, answer),
        {name: text for name, text in headers.items() if name in travelling},
        _opened_ms(recorded),
        min((each.record.deadline_ms for each in _all(recorded)), default=float("inf")),
        asynchronous=not headers.keys() & {REPLY_TO_HEADER, ANSWERED_HEADER},
        plan=ran,
        versions=() if ran is None else (None,) * len(ran.steps),
    )
    for record in _in_order(recorded, ran):
        story.hold(record.body)
        story.add(record)
    story.failures.extend(recorded.failures)
    if answer is not None:
        story.settle(outcome(answer.record, story.request), answer.time_ms)
        story.end(max(each.time_ms for each in _all(recorded)))
    return story


def _version(recorded: Recorded) -> int:
    """The version that the request ran on, 0 where nothing of it has run."""
    written = [recorded.answer] if recorded.answer is not None else []
    return max((each.record.version for each in (*written, *recorded.ports)), default=0)


def _all(recorded: Recorded) -> Iterator[Delivery]:
    ends = (recorded.asked, *recorded.ports, recorded.answer)
    return (each for each in ends if each is not None)


def _request(asked: Delivery | None, answer: Delivery | None) -> InferenceRequest:
    first = asked or answer
    assert first is not None, "what was found is somewhere"
    record = first.record
    body = () if asked is None else record.body
    tensors = () if isinstance(body, Absent | Failed) else body
    request = InferenceRequest(record.request_id, tensors, record.parameters)
    return with_wanted(request, record.headers.get(WANTED_HEADER))


def _opened_ms(recorded: Recorded) -> float:
    """When the request came in: a gateway's identity says it, for its record may be written later;
    else when it was written."""
    written_ms = recorded.first.time_ms
    taken_in_ms = made_ms(recorded.identity)
    return written_ms if taken_in_ms is None else min(float(taken_in_ms), written_ms)


def _in_order(recorded: Recorded, plan: Plan | None) -> list[PortRecord]:
    """The records in the order in which their ports ended.

    Streams do not say in which order records of one moment came to be, so those that were written
    at about one time stand as one follows from the other.
    """
    records = [_port_record(each, each.record.port) for each in recorded.ports]
    if recorded.asked is not None:
        came = _port_record(recorded.asked, _INPUTS)
        records.append(came._replace(at_ms=_opened_ms(recorded)))
    if recorded.answer is not None:
        records.append(_port_record(recorded.answer, _OUTPUTS))
    if plan is None or plan.pipeline is None:
        return sorted(records, key=lambda each: each.at_ms)
    order = _Order(plan)
    placed: dict[tuple[Port, int], PortRecord] = {}
    for record in sorted(records, key=order.rank):
        if (record.port, record.round) not in placed:
            at_ms = order.moment(record, placed)
            placed[record.port, record.round] = record._replace(at_ms=at_ms)
    return sorted(placed.values(), key=lambda each: (each.at_ms, order.rank(each)))


def _port_record(delivery: Delivery, port: Port) -> PortRecord:
    record = delivery.record
    omitted = record.headers.get(OMITTED_HEADER, "")
    size = int(omitted) if omitted.isascii() and omitted.isdigit() and len(omitted) < 19 else 0
    return PortRecord(port, record.round, delivery.time_ms, record.body, size)


class _Order:
    """What follows from what in a plan."""

    def __init__(self, plan: Plan) -> None:
        assert plan.pipeline is not None, "it comes from a manifest"
        spec = plan.pipeline.spec
        self._sources: dict[Port, list[Port]] = {}
        for step in spec.steps:
            read = [*(step.inputs or (plan.name,)), *step.triggers]
            self._sources[Port(step.name, "inputs")] = _ports(read, plan.name)
            self._sources[Port(step.name, "outputs")] = [Port(step.name, "inputs")]
        if spec.output is not None:
            self._sources[_OUTPUTS] = _ports(spec.output.steps, plan.name)
        self._depths: dict[Port, int] = {_INPUTS: 0}
        for _ in self._sources:
            for port, sources in self._sources.items():
                depths = [self._depths[each] for each in sources if each in self._depths]
                if port not in self._depths and len(depths) == len(sources):
                    self._depths[port] = 1 + max(depths, default=0)

    def rank(self, record: PortRecord) -> tuple[int, int]:
        """Its place among those of one moment; in a loop, rounds tell."""
        deepest = len(self._sources) + 1
        if record.port == _OUTPUTS:
            return (1 << 30, deepest)
        side = 0 if record.port.side == "inputs" else 1
        return record.round, self._depths.get(record.port, deepest + side)

    def moment(self, record: PortRecord, placed: dict[tuple[Port, int], PortRecord]) -> float:
        """When it came to be: not before its sources, where it was written with them."""
        latest_ms = record.at_ms + JITTER_MS
        times = [
            source.at_ms
            for port in self._sources.get(record.port, ())
            for number in {record.round, 0}
            if (source := placed.get((port, number))) is not None and source.at_ms <= latest_ms
        ]
        return max(record.at_ms, *times) if times else record.at_ms


def _ports(references: Iterable[str], pipeline: str) -> list[Port]:
    return [parse_source(text, pipeline=pipeline).port for text in references]
