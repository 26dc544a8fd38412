"""A tap: the records of a port as they come, for somebody who looks on."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from typing import Final, Literal, NamedTuple, TypeAlias

from penstock.core.errors import InvalidRequestError, PenstockError
from penstock.core.records import Absent, Body, Failed, Port
from penstock.core.references import parse_external

MOST_WAITING: Final = 1_000
"""So many records wait for a follower; of those that come then, the oldest are lost."""

MOST_WAITING_BYTES: Final = 16 * 1024 * 1024
"""The same, for the contents of their tensors."""

TapState: TypeAlias = Literal["value", "absent", "failed"]
STATES: Final[tuple[TapState, ...]] = ("value", "absent", "failed")


TapKind: TypeAlias = Literal["pipeline", "model"]

_KIND: Final = re.compile(r"(?P<name>[^.]+)\.(?P<kind>pipeline|model)(?=\.|$)")


class TapRecord(NamedTuple):
    """One record of one port of one request, as it went by; ``name`` is the pipeline's, or that of
    a model that is called on its own (``kind``)."""

    identity: str
    request_id: str | None
    name: str
    version: int
    port: Port
    round: int
    at_ms: float
    body: Body
    kind: TapKind = "pipeline"


class Wanted(NamedTuple):
    """What is followed: ports of a pipeline, or of a model that is called on its own (``port`` is
    None for all of them), one ``tensor`` or whole records, and of these those in one state, or
    all. ``kind`` is None where nobody said whether the name is a pipeline's or a model's."""

    name: str
    port: Port | None
    tensor: str | None = None
    state: TapState | None = None
    kind: TapKind | None = None

    def of(self, record: TapRecord) -> TapRecord | None:
        """The record as far as it is wanted."""
        if self.port is not None and record.port != self.port:
            return None
        if self.tensor is not None and not isinstance(record.body, Absent | Failed):
            chosen = tuple(tensor for tensor in record.body if tensor.name == self.tensor)
            left_out = Absent(f"there was no tensor '{self.tensor}'", "left-out")
            record = record._replace(body=chosen or left_out)
        return record if self.state in (None, state_of(record.body)) else None


def wanted(reference: str, *, everything: bool = False, state: str | None = None) -> Wanted:
    """What a reference as ``credit.step.forest.outputs.proba`` asks for; ``credit`` alone is the
    pipeline's output, or every port with ``everything``. After the name ``.model`` or ``.pipeline``
    may say what it names. Raises InvalidRequestError."""
    said = _KIND.match(reference)
    kind: TapKind | None = None
    if said is not None:
        kind = "model" if said["kind"] == "model" else "pipeline"
        reference = said["name"] + reference[said.end() :]
    try:
        source = parse_external(reference)
    except ValueError as error:
        raise InvalidRequestError(str(error)) from error
    if state is not None and state not in STATES:
        raise InvalidRequestError(f"there is no state '{state[:40]}'; write {', '.join(STATES)}")
    chosen = next((each for each in STATES if each == state), None)
    if not everything:
        return Wanted(source.pipeline, source.port, source.tensor, chosen, kind)
    if "." in reference:
        raise InvalidRequestError(
            f"every port is asked for, and '{reference}' is one; name its pipeline or model alone"
        )
    return Wanted(source.pipeline, None, None, chosen, kind)


def state_of(body: Body) -> TapState:
    """How a record ends its port."""
    if isinstance(body, Failed):
        return "failed"
    return "absent" if isinstance(body, Absent) else "value"


class Tap:
    """One follower. What it does not read in time is lost and counted, and never waited for."""

    def __init__(
        self,
        wanted: Wanted,
        *,
        most: int = MOST_WAITING,
        most_bytes: int = MOST_WAITING_BYTES,
    ) -> None:
        self.wanted = wanted
        self._most = most
        self._most_bytes = most_bytes
        self._waiting: deque[TapRecord] = deque()
        self._held = 0
        self._lost = 0
        self._error: PenstockError | None = None
        self._news = asyncio.Event()

    def tell(self, record: TapRecord) -> None:
        """A record goes by."""
        chosen = self.wanted.of(record)
        if chosen is None:
            return
        self._waiting.append(chosen)
        self._held += _size(chosen.body)
        while len(self._waiting) > self._most or self._held > self._most_bytes:
            self._held -= _size(self._waiting.popleft().body)
            self._lost += 1
        self._news.set()

    def end(self, error: PenstockError) -> None:
        """Nothing comes any more, for this reason; what has come can still be read."""
        self._error = error
        self._news.set()

    async def next(self) -> TapRecord | int:
        """The next record; before it, if records were lost, how many. Raises what it ended with."""
        while True:
            if self._lost:
                lost, self._lost = self._lost, 0
                return lost
            if self._waiting:
                record = self._waiting.popleft()
                self._held -= _size(record.body)
                return record
            if self._error is not None:
                raise self._error
            self._news.clear()
            await self._news.wait()


def _size(body: Body) -> int:
    return 0 if isinstance(body, Absent | Failed) else sum(tensor.nbytes for tensor in body)
