"""The story of one request: what entered, what each kept port held, and how it ended."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from penstock.core.contracts.gateway import code_of
from penstock.core.errors import PenstockError
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.plan import ExternalPort, Plan
from penstock.core.records import Absent, Body, Failed, Headers, Port, Tensors
from penstock.core.request_headers import ROUTE
from penstock.core.tensors import Tensor

LONGEST_WAIT_MS: Final = 60_000
"""So long may somebody wait for an answer in one go."""

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


class AttemptRecord(NamedTuple):
    """An attempt that failed and was not the last: of which visit, when it failed, and how."""

    step: str
    round: int
    attempt: int
    at_ms: float
    failure: Failed


class Brought(NamedTuple):
    """A record of another pipeline that came to a request: of which port, of which request, and
    when. ``body`` is in files alone, where the other request is not in the same file."""

    port: ExternalPort
    identity: str
    at_ms: float
    body: Body | None = None


class Story:
    """One request in one pipeline, as far as it has come. Only its writers change it.

    ``records`` are in the order in which the ports ended. ``result`` is what the caller gets, None
    while there is nothing yet; ``ended_ms`` is None while anything of it is under way.
    ``failures`` are those that no caller was told of. ``external`` says that a record of another
    pipeline began it, whose request it is as well.
    ``held`` counts the bytes that it keeps.
    ``brought`` are the records of other pipelines that came to it, in their order.
    ``attempts`` are those that were not the last of their visits. ``plan`` is what was run, where
    that is known, and ``versions`` those of the models that its steps call, in the plan's order, as
    they served when the request came; None for one that did not.
    """

    __slots__ = (
        "_changed",
        "_seen",
        "answered_ms",
        "asynchronous",
        "attempts",
        "brought",
        "deadline_ms",
        "ended_ms",
        "external",
        "failures",
        "headers",
        "held",
        "identity",
        "opened_ms",
        "pipeline",
        "plan",
        "records",
        "request",
        "result",
        "version",
        "versions",
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
        external: bool = False,
        plan: Plan | None = None,
        versions: Sequence[int | None] = (),
    ) -> None:
        self.identity = identity
        self.pipeline = pipeline
        self.version = version
        self.request = request
        self.headers = headers
        self.opened_ms = opened_ms
        self.deadline_ms = deadline_ms
        self.asynchronous = asynchronous
        self.external = external
        self.plan = plan
        self.versions = versions
        self.records: list[PortRecord] = []
        self.attempts: list[AttemptRecord] = []
        self.brought: list[Brought] = []
        self.failures: list[Failed] = []
        self.result: InferenceResponse | PenstockError | None = None
        self.answered_ms: float | None = None
        self.ended_ms: float | None = None
        self.held = RECORD_BYTES
        self._seen: set[int] = set()
        self._changed: list[asyncio.Future[None]] = []

    @property
    def route(self) -> str | None:
        """The way that it took through experiments, None where it met none."""
        return self.headers.get(ROUTE)

    @property
    def begun_by(self) -> ExternalPort | None:
        """The port of another pipeline whose record began it."""
        return self.brought[0].port if self.brought else None

    @property
    def outcome(self) -> str | None:
        """``ok``, or the code of the error; None while there is no answer."""
        return None if self.result is None else code_of(self.result)

    @property
    def awaited(self) -> bool:
        """Whether somebody waits for a change."""
        return any(not each.done() for each in self._changed)

    def hold(self, body: Body) -> int:
        """Keep ``body``: how many bytes that adds. Contents that are kept already cost none."""
        if type(body) is not tuple:
            return 0
        tensors: Tensors = body  # type: ignore[assignment]  # no marker is a plain tuple
        seen = self._seen
        added = 0
        for tensor in tensors:
            contents = tensor.contents_id
            if contents not in seen:
                seen.add(contents)
                added += tensor.nbytes
        self.held += added
        return added

    def let_go(self, body: Body, added: int) -> None:
        """Undo the last :meth:`hold`, of ``body``, which added so many bytes."""
        self.held -= added
        kept = [record.body for record in self.records]
        if self.request.tensors is not body:
            kept.append(self.request.tensors)
        if isinstance(self.result, InferenceResponse):
            kept.append(self.result.tensors)
        self._seen = {tensor.contents_id for each in kept for tensor in _tensors(each)}

    def add(self, record: PortRecord) -> None:
        """Remember how a port ended; what it holds is held already."""
        self.held += RECORD_BYTES
        self.records.append(record)
        if self._changed:
            self._tell()

    def add_attempt(self, attempt: AttemptRecord) -> None:
        """Remember an attempt that failed and was not the last."""
        self.held += RECORD_BYTES
        self.attempts.append(attempt)

    def add_brought(self, brought: Brought) -> None:
        """Remember a record of another pipeline that came."""
        self.held += RECORD_BYTES
        self.brought.append(brought)

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

    async def answered(self, within_ms: float) -> bool:
        """Whether the answer is there, or comes within that time."""
        try:
            async with asyncio.timeout(within_ms / 1000.0):
                while self.result is None:
                    await self.next_change()
        except TimeoutError:
            return False
        return True

    def _tell(self) -> None:
        waiting, self._changed = self._changed, []
        for future in waiting:
            if not future.done():
                future.set_result(None)


def _tensors(body: Body) -> Iterator[Tensor]:
    if not isinstance(body, Absent | Failed):
        yield from body
