"""A gateway that answers as a test tells it to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeAlias

from penstock.core.contracts.gateway import (
    Gateway,
    IndexEntry,
    Reply,
    ServerMetadata,
    Target,
    TargetKind,
    TargetMetadata,
    Ticket,
)
from penstock.core.errors import NotFoundError, PenstockError
from penstock.core.experiments.split import Split
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.journal import InquiryDesk, Journal, JournalLimits, LetterBox, Story
from penstock.core.journal.tap import Tap
from penstock.core.records import Headers
from penstock.core.signature import Signature

Outcome: TypeAlias = InferenceResponse | PenstockError
Behaviour: TypeAlias = Callable[[InferenceRequest], Outcome | None]
"""The answer to a request; None leaves the request open, for the test to answer."""


def echo(request: InferenceRequest) -> InferenceResponse:
    """Answer with the tensors that came."""
    return InferenceResponse("echo", "1", request.id, request.tensors)


class FakeTicket(Ticket):
    """A request that came in: what was asked, and the means to answer it."""

    def __init__(
        self,
        identity: str,
        request: InferenceRequest,
        headers: Headers,
        timeout_ms: float | None,
        reply: Reply,
    ) -> None:
        self._identity = identity
        self.request = request
        self.headers = dict(headers)
        self.timeout_ms = timeout_ms
        self.reply = reply
        self.cancelled = False
        self.on_cancel: Callable[[], None] = lambda: None

    @property
    def identity(self) -> str:
        return self._identity

    def cancel(self) -> None:
        self.cancelled = True
        self.on_cancel()


class FakeTarget(Target):
    """A target that behaves as it is told. ``not_ready`` is the error of one that cannot serve."""

    def __init__(
        self, name: str, version: str, kind: TargetKind, behaviour: Behaviour, journal: Journal
    ) -> None:
        self.journal = journal
        self._name = name
        self.version = version
        self.kind = kind
        self.behaviour = behaviour
        self.not_ready: PenstockError | None = None
        self.signature: Signature | None = None
        self.is_current = True
        self.tickets: list[FakeTicket] = []
        self.on_submit: Callable[[FakeTicket], None] = lambda ticket: None

    @property
    def name(self) -> str:
        return self._name

    @property
    def current(self) -> bool:
        return self.is_current

    def submit(
        self, request: InferenceRequest, headers: Headers, timeout_ms: float | None, reply: Reply
    ) -> Ticket:
        identity = f"{self._name}-{len(self.tickets) + 1}"
        ticket = FakeTicket(identity, request, headers, timeout_ms, reply)
        self.tickets.append(ticket)
        outcome = self.not_ready or self.behaviour(request)
        if outcome is not None:
            reply(outcome)
        self.on_submit(ticket)
        return ticket

    def accept(
        self, request: InferenceRequest, headers: Headers, split: Split | None = None
    ) -> Ticket:
        if self.not_ready is not None:
            raise self.not_ready
        story = Story(
            f"{self._name}-{len(self.tickets) + 1}",
            self._name,
            int(self.version),
            request,
            headers,
            0.0,
            1000.0,
            asynchronous=True,
        )
        self.journal.begin(story)

        def reply(result: InferenceResponse | PenstockError) -> None:
            self.journal.settle(story, result, 1.0)
            self.journal.end(story, 1.0)

        return self.submit(request, headers, None, reply)


async def _exported(story: Story, children: Sequence[Story], readers: Sequence[Story]) -> bytes:
    return f"case of {story.identity}".encode()


class FakeGateway(Gateway):
    """Serves what :meth:`add` puts there. ``resolved`` holds every name that was looked up."""

    def __init__(self) -> None:
        self.targets: dict[tuple[TargetKind, str], FakeTarget] = {}
        self.resolved: list[str] = []
        self.journal = Journal(JournalLimits())
        self.letters = LetterBox()
        self.desk = InquiryDesk(self.journal, self.letters, self, _exported)
        self.is_ready = True
        self.taps: list[Tap] = []
        self.followed = asyncio.Event()

    def add(
        self,
        name: str,
        behaviour: Behaviour = echo,
        *,
        kind: TargetKind = "model",
        version: str = "1",
    ) -> FakeTarget:
        """Serve a target, in place of the one that had its name."""
        target = FakeTarget(name, version, kind, behaviour, self.journal)
        old = self.targets.get((kind, name))
        if old is not None:
            old.is_current = False
        self.targets[kind, name] = target
        return target

    def resolve(
        self, name: str, *, kind: TargetKind | None = None, version: str | None = None
    ) -> Target:
        self.resolved.append(name)
        bare, _, suffix = name.partition(".")
        kinds: tuple[TargetKind, ...] = ("model", "pipeline", "experiment")
        for each in kinds:
            target = self.targets.get((each, bare))
            if target is not None and kind in (None, each) and suffix in ("", each):
                if version not in (None, target.version):
                    raise NotFoundError(f"{each} '{bare}' has no version {version}")
                return target
        raise NotFoundError(f"there is no model or pipeline '{name}'")

    def follow(self, tap: Tap) -> None:
        self.taps.append(tap)
        self.followed.set()

    def unfollow(self, tap: Tap) -> None:
        self.taps.remove(tap)

    def ready(self, target: Target) -> PenstockError | None:
        assert isinstance(target, FakeTarget)
        return target.not_ready

    def metadata(self, target: Target) -> TargetMetadata:
        assert isinstance(target, FakeTarget)
        if target.not_ready is not None:
            raise target.not_ready
        return TargetMetadata(target.name, (target.version,), "fake", target.signature)

    def live(self) -> bool:
        return True

    def server_ready(self) -> bool:
        return self.is_ready

    def server_metadata(self) -> ServerMetadata:
        return ServerMetadata("fake", "0", ("binary_tensor_data",))

    def repository_index(self, *, ready_only: bool) -> list[IndexEntry]:
        return [
            IndexEntry(
                target.name,
                target.version,
                "UNAVAILABLE" if target.not_ready else "READY",
                str(target.not_ready or ""),
            )
            for target in self.targets.values()
            if not (ready_only and target.not_ready)
        ]
