"""The journal of a process: the stories of its requests, in memory and within bounds."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

from penstock.core.errors import PenstockError
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.journal.story import RECORD_BYTES, AttemptRecord, Brought, PortRecord, Story
from penstock.core.records import Absent, Body, Failed, Port
from penstock.core.tensors import Tensor


@dataclass(frozen=True, slots=True)
class JournalLimits:
    """The bounds: how many requests, and how many bytes of records, are kept."""

    requests: int = 10_000
    held_bytes: int = 256 * 1024 * 1024


class Journal:
    """Keeps stories; where a bound is reached, those go first that ended first.

    What is under way is never given up for the bounds: its number is bounded by the intake, and of
    records that would go over the bound only the signature is kept.
    """

    __slots__ = ("_by_identity", "_ended", "_held", "_limits", "_stories")

    def __init__(self, limits: JournalLimits) -> None:
        self._limits = limits
        self._stories: OrderedDict[Story, None] = OrderedDict()
        self._by_identity: dict[str, list[Story]] = {}
        self._ended: OrderedDict[Story, None] = OrderedDict()
        self._held = 0

    @property
    def held_bytes(self) -> int:
        """The bytes of all stories."""
        return self._held

    def __len__(self) -> int:
        return len(self._stories)

    def begin(self, story: Story) -> None:
        """A request has been taken in."""
        request = story.request
        if not self._hold(story, request.tensors):
            story.request = InferenceRequest(
                request.id, (), request.parameters, request.outputs, request.binary_output
            )
        self._held += RECORD_BYTES
        self._stories[story] = None
        self._by_identity.setdefault(story.identity, []).append(story)
        self._keep_within()

    def write(
        self,
        story: Story,
        port: Port,
        round_number: int,
        body: Body,
        now_ms: float,
        shared_by: int = 1,
    ) -> None:
        """A port has ended."""
        if self._hold(story, body):
            story.add(PortRecord(port, round_number, now_ms, body, shared_by=shared_by))
        else:
            omitted = sum(tensor.nbytes for tensor in body)  # type: ignore[misc,union-attr]  # markers want no room
            signature = _signature(body)
            story.add(PortRecord(port, round_number, now_ms, signature, omitted, shared_by))
        self._held += RECORD_BYTES

    def note_attempt(self, story: Story, attempt: AttemptRecord) -> None:
        """An attempt failed, and another one will be made."""
        story.add_attempt(attempt)
        self._held += RECORD_BYTES

    def note_brought(self, story: Story, brought: Brought) -> None:
        """A record of another pipeline has come to a request."""
        story.add_brought(brought)
        self._held += RECORD_BYTES

    def settle(
        self, story: Story, result: InferenceResponse | PenstockError, now_ms: float
    ) -> None:
        """The answer is there; it is kept whatever it takes."""
        before = story.held
        story.settle(result, now_ms)
        self._held += story.held - before

    def end(self, story: Story, now_ms: float) -> None:
        """Nothing of a request is under way any more."""
        story.end(now_ms)
        if story in self._stories:
            self._ended[story] = None
            self._keep_within()

    def find(self, identity: str) -> tuple[Story, ...]:
        """The stories of a request that are kept, one for each pipeline that it came to, in the
        order in which they began."""
        return tuple(self._by_identity.get(identity, ()))

    def of_caller(self, request_id: str) -> Iterator[Story]:
        """The stories of requests with this ``x-request-id``, the latest first; not of those that
        they made of other pipelines, or that read them, which have it from them."""
        return (
            story
            for story in self.latest()
            if story.headers.get("x-request-id") == request_id
            and not story.external
            and story.identity.rpartition("/")[0] not in self._by_identity
        )

    def latest(self) -> Iterator[Story]:
        """All stories, the latest first."""
        return reversed(list(self._stories))

    def _hold(self, story: Story, body: Body) -> bool:
        """Have a story keep ``body``, if there is room, or can be made."""
        added = story.hold(body)
        self._held += added
        if self._held > self._limits.held_bytes and added:
            self._keep_within()
            if self._held > self._limits.held_bytes:
                story.let_go(body, added)
                self._held -= added
                return False
        return True

    def _keep_within(self) -> None:
        limits = self._limits
        while self._ended and (
            len(self._stories) > limits.requests or self._held > limits.held_bytes
        ):
            self._forget_first()

    def _forget_first(self) -> None:
        story, _ = self._ended.popitem(last=False)
        del self._stories[story]
        self._held -= story.held
        of_request = self._by_identity[story.identity]
        of_request.remove(story)
        if not of_request:
            del self._by_identity[story.identity]


def _signature(body: Body) -> Body:
    """The tensors without their contents."""
    assert not isinstance(body, Absent | Failed), "markers are always kept"
    return tuple(
        Tensor(tensor.name, tensor.datatype, tensor.shape, b"", tensor.parameters)
        for tensor in body
    )
