"""The story of one request: what entered, what each kept port held, and how it ended."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Final, NamedTuple

from penstock.core.errors import PenstockError
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.records import Absent, Body, Failed, Headers, Port
from penstock.core.tensors import Tensor

RECORD_BYTES: Final = 512
"""What a record is taken to cost beside the contents of its tensors."""


class PortRecord(NamedTuple):
    """How one port ended: when (milliseconds since the epoch), in which round, and as what.

    ``shared_by`` is of outputs: how many visits had the call in common that brought them.

    ``omitted`` counts bytes of contents that were not kept; the tensors then have names, datatypes
    and shapes, and are empty.
    """

    port: Port
    round: int
    at_ms: float
    body: Body
    omitted: int = 0
    shared_by: int = 1


class Story:
    """One request in one pipeline, as far as it has come. Only its writers change it.

    ``records`` are in the order in which the ports ended. ``result`` is what the caller gets, None
    while there is nothing yet; ``ended_ms`` is None while anything of it is under way.
    ``failures`` are those that no caller was told of. ``held`` counts the bytes that it keeps.
    """

    __slots__ = (
        "_changed",
        "_seen",
        "answered_ms",
        "asynchronous",
        "deadline_ms",
        "ended_ms",
        "failures",
        "headers",
        "held",
        "identity",
        "opened_ms",
        "pipeline",
        "records",
        "request",
        "result",
        "version",
    )

    def __init__(
        self,
        identity: str,
        pipeline: str,
        version: int,
        request: InferenceRequest,
        headers: Headers,
        opened_ms: float,
        deadline_ms: float,
        *,
        asynchronous: bool,
    ) -> None:
        self.identity = identity
        self.pipeline = pipeline
        self.version = version
        self.request = request
        self.headers = headers
        self.opened_ms = opened_ms
        self.deadline_ms = deadline_ms
        self.asynchronous = asynchronous
        self.records: list[PortRecord] = []
        self.failures: list[Failed] = []
        self.result: InferenceResponse | PenstockError | None = None
        self.answered_ms: float | None = None
        self.ended_ms: float | None = None
        self.held = RECORD_BYTES
        self._seen: set[int] = set()
        self._changed: list[asyncio.Future[None]] = []

    @property
    def outcome(self) -> str | None:
        """``ok``, or the code of the error; None while there is no answer."""
        if self.result is None:
            return None
        return "ok" if isinstance(self.result, InferenceResponse) else self.result.code

    def bytes_of(self, body: Body) -> int:
        """How many bytes keeping ``body`` would add: contents that are kept already cost none."""
        return sum(
            tensor.nbytes for tensor in _tensors(body) if tensor.contents_id not in self._seen
        )

    def hold(self, body: Body) -> None:
        """Count what is kept with ``body``."""
        self.held += self.bytes_of(body)
        self._seen.update(tensor.contents_id for tensor in _tensors(body))

    def add(self, record: PortRecord) -> None:
        """Remember how a port ended."""
        self.held += RECORD_BYTES
        self.hold(record.body)
        self.records.append(record)
        self._tell()

    def settle(self, result: InferenceResponse | PenstockError, now_ms: float) -> None:
        """The answer is there."""
        self.result = result
        self.answered_ms = now_ms
        if isinstance(result, InferenceResponse):
            self.hold(result.tensors)
        self._tell()

    def end(self, now_ms: float) -> None:
        """Nothing of the request is under way any more."""
        self.ended_ms = now_ms
        self._seen.clear()
        self._tell()

    def next_change(self) -> asyncio.Future[None]:
        """Done when something is added to the story from now on; at once when it has ended."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.ended_ms is None:
            self._changed.append(future)
        else:
            future.set_result(None)
        return future

    def _tell(self) -> None:
        if self._changed:
            waiting, self._changed = self._changed, []
            for future in waiting:
                if not future.done():
                    future.set_result(None)


def _tensors(body: Body) -> Iterator[Tensor]:
    if not isinstance(body, Absent | Failed):
        yield from body
