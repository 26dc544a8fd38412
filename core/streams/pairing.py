"""Which records of other pipelines go together by their key and their order, in one partition.

The first of a key at one port goes with the first of that key at every other, the second with the
second, and so on. Nothing comes twice, where this is used: who takes over goes on counting from the
records that are not finished, and from what is owed.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

import orjson

from penstock.core.contracts.transport import REMOVED, Delivery, Output
from penstock.core.parameters import NO_PARAMETERS
from penstock.core.plan import ExternalPort
from penstock.core.records import Absent, Port, Record
from penstock.core.streams.headers import OWED_HEADER
from penstock.core.streams.recent import RecentRequests

if TYPE_CHECKING:
    from penstock.core.streams.paired_input import PairedInput

_INPUTS: Final = Port(None, "inputs")
_PORTS: Final = {"inputs": _INPUTS, "outputs": Port(None, "outputs")}
"""Steps keep no order, and so cannot be read by key."""

_NO_TENSORS: Final = Absent("only what is owed counts", "owed")


class Pair:
    """Records of one key that go together, and the ports of which there is none yet.

    ``began`` is the offset of the first. ``request`` is what is made of them, None when that is
    finished: what is ``missing`` then is owed, and will be passed over.
    """

    __slots__ = ("began", "key", "missing", "request")

    def __init__(
        self, began: int, key: bytes, missing: set[ExternalPort], request: PairedInput | None
    ) -> None:
        self.began = began
        self.key = key
        self.missing = missing
        self.request = request


class Pairing:
    """The pairs of one partition that lack something; at most ``most`` of them are owed records,
    and as many records are known again.

    What is owed is kept in a compacted stream, for who takes over.
    """

    __slots__ = ("_most", "_owed", "_pairs", "_partition", "_pipeline", "_seen", "_stream")

    def __init__(self, pipeline: str, stream: str, partition: int, most: int) -> None:
        self._pipeline = pipeline
        self._stream = stream
        self._partition = partition
        self._most = most
        self._pairs: dict[bytes, list[Pair]] = {}
        self._owed: dict[Pair, None] = {}
        self._seen = RecentRequests(most)

    def restore(self, records: Iterable[Record]) -> None:
        """Take up what is owed."""
        for record in records:
            if record.body != REMOVED:
                key, *ports = orjson.loads(record.headers[OWED_HEADER])
                missing = {ExternalPort(name, _PORTS[side]) for name, side in ports}
                pair = Pair(int(record.key), bytes.fromhex(key), missing, None)
                self._insert(pair)
                self._owed[pair] = None

    def repeats(self, delivery: Delivery, port: ExternalPort) -> bool:
        """Whether a producer has sent a request twice, so that its port has ended twice."""
        name = f"{delivery.record.identity} {port}"
        if name in self._seen:
            return True
        self._seen.add(name)
        return False

    def find(self, key: bytes, port: ExternalPort) -> Pair | None:
        """The oldest pair of a key that has no record of a port."""
        return next((pair for pair in self._pairs.get(key, ()) if port in pair.missing), None)

    def begin(self, delivery: Delivery, request: PairedInput) -> Pair:
        """The record of a request is the first of a pair."""
        missing = set(request.deployment.plan.external)
        pair = Pair(delivery.offset, delivery.record.key, missing, request)
        self._insert(pair)
        return pair

    def bring(self, pair: Pair, port: ExternalPort) -> None:
        """A record has come to a pair."""
        pair.missing.discard(port)
        if not pair.missing:
            pairs = self._pairs[pair.key]
            pairs.remove(pair)
            if not pairs:
                del self._pairs[pair.key]

    def pay(self, pair: Pair, port: ExternalPort) -> Sequence[Output]:
        """A record has come that was owed; what is to be written with its end."""
        self.bring(pair, port)
        if pair.missing:
            return [self._written(pair)]
        del self._owed[pair]
        return [self._removed(pair)]

    def end(self, pair: Pair) -> Sequence[Output]:
        """What a pair was for is finished; what is to be written with that."""
        pair.request = None
        if not pair.missing:
            return []
        self._owed[pair] = None
        outputs = [self._written(pair)]
        if len(self._owed) > self._most:
            oldest = next(iter(self._owed))
            del self._owed[oldest]
            for port in list(oldest.missing):
                self.bring(oldest, port)
            outputs.append(self._removed(oldest))
        return outputs

    def _insert(self, pair: Pair) -> None:
        # Who takes over hears of what is owed first, and an older pair may be open still.
        insort(self._pairs.setdefault(pair.key, []), pair, key=lambda each: each.began)

    def _written(self, pair: Pair) -> Output:
        ports = sorted((port.pipeline, port.port.side) for port in pair.missing)
        owed = orjson.dumps([pair.key.hex(), *ports]).decode()
        output = self._removed(pair)
        record = output.record._replace(body=_NO_TENSORS, headers={OWED_HEADER: owed})
        return output._replace(record=record)

    def _removed(self, pair: Pair) -> Output:
        key = str(pair.began)
        record = Record(
            key,
            key.encode(),
            self._pipeline,
            0,
            _INPUTS,
            0,
            REMOVED,
            NO_PARAMETERS,
            {},
            float("inf"),
        )
        return Output(self._stream, record, self._partition)
