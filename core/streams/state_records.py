"""What joins keep across requests, as records of compacted streams and back.

The key of a record says what it is about: the epoch of the owner who wrote it, what the join is
made of, the source, the position and the key of the requests. Where several owners wrote of the
same, the latest counts: a worker that does not know yet that its partition is somebody else's
writes under its own epoch, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple
from zlib import crc32

from penstock.core.contracts.join import Kept
from penstock.core.contracts.transport import REMOVED, Output, Ownership
from penstock.core.engine import StateChanged
from penstock.core.parameters import NO_PARAMETERS
from penstock.core.plan import KeptJoin, Plan
from penstock.core.records import Absent, Failed, Headers, Port, Record
from penstock.core.state import HEAD, StateChange
from penstock.core.streams.headers import COUNTED_HEADER, KEPT_HEADER
from penstock.core.streams.names import StreamNames

_NO_TENSORS: Final = Absent("only its number counts", "counted")
_NO_HEADERS: Final[Headers] = {}


class StateKey(NamedTuple):
    """What a record of state is about; ``join`` says what its join is made of."""

    join: int
    source: int
    position: int
    key: bytes

    def written_by(self, epoch: int) -> bytes:
        """The record's own key."""
        return b"%d/%08x/%d/%d/" % (epoch, self.join, self.source, self.position) + self.key


def _read(key: bytes) -> tuple[int, StateKey]:
    epoch, join, source, position, rest = key.split(b"/", 4)
    return int(epoch), StateKey(int(join, 16), int(source), int(position), rest)


class StateRecords:
    """The state streams of one partition number, in the hands of one owner."""

    __slots__ = ("_names", "_older", "_ownership")

    def __init__(self, ownership: Ownership, names: StreamNames) -> None:
        self._ownership = ownership
        self._names = names
        self._older: dict[tuple[str, StateKey], list[int]] = {}
        """Records of earlier owners that are there yet, with their epochs."""

    def restored(
        self, plan: Plan, streams: Mapping[str, Sequence[Record]]
    ) -> dict[str, list[StateChange]]:
        """What the joins of a plan have kept, by their names."""
        return {
            join.consumer: self._changes(join, streams.get(stream, ()), stream)
            for join in plan.kept_joins
            for stream in [self._names.state(plan.name, join.consumer)]
        }

    def _changes(self, join: KeptJoin, records: Iterable[Record], stream: str) -> list[StateChange]:
        made_of = _made_of(join)
        latest: dict[StateKey, tuple[int, Record]] = {}
        for record in records:
            epoch, about = _read(record.key)
            if about.join != made_of or record.body == REMOVED or epoch >= self._ownership.epoch:
                continue
            self._older.setdefault((stream, about), []).append(epoch)
            if about not in latest or latest[about][0] <= epoch:
                latest[about] = epoch, record
        return [_change(about, record) for about, (_, record) in latest.items()]

    def outputs(self, changed: StateChanged) -> list[Output]:
        """The records of one change: its own, and those that take away what it is in place of."""
        stream = self._names.state(changed.passage.plan.name, changed.join.consumer)
        change = changed.change
        about = StateKey(_made_of(changed.join), change.source, change.position, change.key)
        older = self._older.pop((stream, about), ())
        return [
            self._output(stream, changed, about, self._ownership.epoch),
            *(self._removal(stream, changed, about.written_by(epoch)) for epoch in older),
        ]

    def _output(self, stream: str, changed: StateChanged, about: StateKey, epoch: int) -> Output:
        change, kept = changed.change, changed.change.kept
        output = self._removal(stream, changed, about.written_by(epoch))
        if kept is not None:
            headers = {KEPT_HEADER: f"{kept.number} {kept.at_ms!r}"}
            record = output.record._replace(
                identity=kept.identity, body=kept.tensors or _NO_TENSORS, headers=headers
            )
        elif change.counted:
            headers = {COUNTED_HEADER: f"{change.counted} {change.passed} {change.at_ms!r}"}
            record = output.record._replace(body=_NO_TENSORS, headers=headers)
        else:
            return output
        return output._replace(record=record)

    def _removal(self, stream: str, changed: StateChanged, key: bytes) -> Output:
        passage = changed.passage
        plan = passage.plan
        step = None if changed.join.consumer == plan.name else changed.join.consumer
        record = Record(
            passage.identity,
            key,
            plan.name,
            plan.version,
            Port(step, "inputs"),
            0,
            REMOVED,
            NO_PARAMETERS,
            _NO_HEADERS,
            float("inf"),
        )
        return Output(stream, record, self._ownership.partition)


def without_contents(output: Output) -> Output:
    """What is written of a change whose record the transport will not have: nothing is kept."""
    return output._replace(record=output.record._replace(body=REMOVED, headers=_NO_HEADERS))


def _made_of(join: KeptJoin) -> int:
    return crc32(join.signature.encode())


def _change(about: StateKey, record: Record) -> StateChange:
    if about.position == HEAD:
        counted, passed, at_ms = record.headers[COUNTED_HEADER].split()
        return StateChange(
            about.key, about.source, HEAD, None, int(counted), int(passed), float(at_ms)
        )
    number, at_ms = record.headers[KEPT_HEADER].split()
    body = record.body
    tensors = () if isinstance(body, Absent | Failed) else body
    kept = Kept(record.identity, about.position, int(number), float(at_ms), tensors)
    return StateChange(about.key, about.source, about.position, kept)
