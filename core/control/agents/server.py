"""A replica of a server whose process is an agent: loads by command, and calls over V2."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar, Final

import orjson

from penstock.core.codecs.signatures import read_signature
from penstock.core.contracts.call_figures import CallFigures
from penstock.core.contracts.model import CopyPlace, ModelInstance, ModelSpec, ServerAdapter
from penstock.core.control.loading import LoadError
from penstock.core.control.reasons import Reason
from penstock.core.errors import NotReadyError
from penstock.core.metrics import BUCKETS
from penstock.core.routing.route import Door
from penstock.proto import agent_pb2 as pb

REMOTE_MODEL: Final = "remoteModel"
"""The parameter with which a model of the adapter ``v2`` says what it is called there."""

Tell = Callable[[pb.ToAgent], None]


@dataclass(frozen=True, slots=True, eq=False)
class _Pending:
    """A command that has not been answered yet."""

    command: pb.ToAgent
    answer: asyncio.Future[pb.Loaded | None]


@dataclass(frozen=True, slots=True)
class _Claim:
    """A copy that this process had loaded: its name there, and for which command."""

    name: str
    revision: int


class AgentServer(ServerAdapter):
    """What an agent has, as far as it has told.

    Commands that were given while it is away are given again when it is back. ``found_at`` is where
    it answers, ``calls`` the adapter to it, ``revisions`` numbers the commands of all agents.
    """

    fetches: ClassVar[bool] = True

    def __init__(
        self,
        found_at: Door,
        calls: ServerAdapter,
        capabilities: Iterable[str],
        revisions: Callable[[], int],
    ) -> None:
        self._found_at = found_at
        self._calls = calls
        self._capabilities = frozenset(capabilities)
        self._revisions = revisions
        self._tell: Tell | None = None
        self._pending: dict[int, _Pending] = {}
        self._claims: dict[ModelInstance, _Claim] = {}
        self._found: dict[str, str] = {}
        self._measured: int | None = None
        self._calls_counted: dict[str, CallFigures] = {}
        self._heard_ms = 0.0
        self._over = ""

    async def start(self) -> None:
        await self._calls.start()

    def capabilities(self) -> frozenset[str]:
        return self._capabilities

    def memory_bytes(self) -> int | None:
        return self._measured

    def calls_of(self, instance: ModelInstance) -> CallFigures | None:
        claim = self._claims.get(instance)
        figures = None if claim is None else self._calls_counted.get(claim.name)
        # What has not changed is not said again.
        return None if figures is None else figures._replace(at_ms=self._heard_ms)

    async def load(self, spec: ModelSpec) -> ModelInstance:
        assert spec.manifest is not None, "who fetches is told what"
        revision = self._revisions()
        command = pb.Load(
            revision=revision,
            model=orjson.dumps(spec.manifest).decode(),
            folder=str(spec.folders[0]) if spec.folders else "",
            version=spec.version,
        )
        loaded = await self._carried_out(revision, pb.ToAgent(load=command))
        assert loaded is not None, "so loads are answered"
        claim = _Claim(loaded.name, revision)
        try:
            instance = await self._attach(spec, loaded)
        except BaseException:
            self._begin_unload(claim)
            raise
        self._claims[instance] = claim
        return instance

    async def unload(self, instance: ModelInstance) -> None:
        claim = self._claims.pop(instance)
        await self._calls.unload(instance)
        if not self._over:
            await self._begin_unload(claim)

    async def stop(self) -> None:
        self.end("it is stopped")
        await self._calls.stop()

    # What the agent says

    def join(self, register: pb.Register) -> None:
        """The agent has registered, for the first time."""
        self._found = {copy.name: copy.model for copy in register.copies}

    def come_back(self, register: pb.Register) -> bool:
        """The same process has registered again. False when it has lost copies, and cannot be
        counted on as the one that it was."""
        there = {copy.name for copy in register.copies if copy.loaded}
        if not there.issuperset(claim.name for claim in self._claims.values()):
            return False
        self._calls_counted = {}  # it tells all of them again
        claimed = self.kept(register)
        self._found = {
            copy.name: copy.model for copy in register.copies if copy.name not in claimed
        }
        for copy in register.copies:
            if copy.loaded and copy.revision in self._pending:
                signature = copy.signature if copy.HasField("signature") else None
                answer = pb.Loaded(revision=copy.revision, name=copy.name, signature=signature)
                self.heard(pb.Report(loaded=answer))
        return True

    def kept(self, register: pb.Register) -> frozenset[str]:
        """The names of its copies that this process counts on, or is about to give up."""
        claimed = {claim.name for claim in self._claims.values()}
        claimed.update(each.command.unload.name for each in self._pending.values())
        return frozenset(
            copy.name
            for copy in register.copies
            if copy.name in claimed or copy.revision in self._pending
        )

    def connect(self, tell: Tell) -> None:
        """The agent hears what is told from now on; what has not been answered is told again."""
        self._tell = tell
        for _, pending in sorted(self._pending.items()):
            tell(pending.command)

    def part(self) -> None:
        """The agent is away."""
        self._tell = None

    def heard(self, report: pb.Report, now_ms: float = 0.0) -> None:
        """The agent has told something of its copies, at ``now_ms``."""
        match report.WhichOneof("what"):
            case "loaded":
                self._found.pop(report.loaded.name, None)
                self._answered(report.loaded.revision, report.loaded)
            case "load_failed":
                self._refused(report.load_failed)
            case "unloaded":
                self._answered(report.unloaded.revision, None)
            case "beat":
                self._look_at(report.beat)
                self._note_calls(report.beat, now_ms)
            case _:
                pass

    def end(self, why: str) -> None:
        """Nothing more comes of it: ``why`` is what follows the server's name."""
        self._over = self._over or why
        self._tell = None
        pending, self._pending = self._pending, {}
        for each in pending.values():
            if each.answer.done():
                continue
            if each.command.HasField("load"):
                each.answer.set_exception(NotReadyError(f"the agent that was to load it {why}"))
            else:
                each.answer.set_result(None)

    # What was loaded before

    @property
    def found(self) -> frozenset[str]:
        """The models of copies that it has and nobody here had loaded."""
        return frozenset(self._found.values())

    async def clear(self) -> None:
        """Unload what was found there and is not wanted."""
        for name in list(self._found):
            if self._found.pop(name, None) is not None:
                await self._begin_unload(_Claim(name, 0))

    async def _attach(self, spec: ModelSpec, loaded: pb.Loaded) -> ModelInstance:
        known = read_signature(loaded.signature) if loaded.HasField("signature") else None
        instance = await self._calls.load(
            ModelSpec(spec.name, spec.version, parameters={REMOTE_MODEL: loaded.name})
        )
        # The agent knows more of it than V2 can say.
        instance.signature = known or instance.signature
        rest, address, zone = self._found_at
        if address:  # else it is in this process, and called as all that is
            instance.place = CopyPlace(address, loaded.name, rest=rest, zone=zone)
        return instance

    def _begin_unload(self, claim: _Claim) -> asyncio.Future[pb.Loaded | None]:
        self._calls_counted.pop(claim.name, None)
        revision = self._revisions()
        command = pb.Unload(revision=revision, name=claim.name, loaded_for=claim.revision)
        return self._begin(revision, pb.ToAgent(unload=command))

    def _begin(self, revision: int, command: pb.ToAgent) -> asyncio.Future[pb.Loaded | None]:
        answer: asyncio.Future[pb.Loaded | None] = asyncio.get_running_loop().create_future()
        if self._over:
            answer.set_result(None)
            return answer
        self._pending[revision] = _Pending(command, answer)
        if self._tell is not None:
            self._tell(command)
        return answer

    async def _carried_out(self, revision: int, command: pb.ToAgent) -> pb.Loaded | None:
        if self._over:
            raise NotReadyError(f"the agent {self._over}")
        try:
            return await self._begin(revision, command)
        finally:
            self._pending.pop(revision, None)

    def _answered(self, revision: int, answer: pb.Loaded | None) -> None:
        pending = self._pending.pop(revision, None)
        if pending is not None and not pending.answer.done():
            pending.answer.set_result(answer)

    def _refused(self, failed: pb.LoadFailed) -> None:
        pending = self._pending.pop(failed.revision, None)
        if pending is not None and not pending.answer.done():
            reason = next((each for each in Reason if each == failed.reason), Reason.LOAD_FAILED)
            error = LoadError(reason, failed.message, retriable=failed.retriable)
            pending.answer.set_exception(error)

    def _note_calls(self, beat: pb.Beat, now_ms: float) -> None:
        self._heard_ms = now_ms
        for calls in beat.calls:
            counts = [calls.ended.get(bucket, 0) for bucket in range(BUCKETS)]
            figures = CallFigures(counts, calls.busy_ms, calls.under_way, now_ms)
            self._calls_counted[calls.name] = figures

    def _look_at(self, beat: pb.Beat) -> None:
        self._measured = beat.memory_bytes if beat.HasField("memory_bytes") else None
        away = frozenset(beat.away)
        for instance, claim in self._claims.items():
            instance.available = claim.name not in away
