"""What an agent does: it carries out commands, and tells what has become of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from penstock.core.agent.copies import AgentCopies
from penstock.core.clock import Clock
from penstock.core.codecs.signatures import write_signature
from penstock.core.contracts.call_figures import CallFigures
from penstock.core.contracts.eviction import EvictionPolicy
from penstock.core.contracts.model import ServerAdapter
from penstock.core.control.background import Background
from penstock.core.control.loading import LoadedModel, LoadError, ModelLoader
from penstock.core.control.model_files import ModelFiles
from penstock.core.control.reasons import Reason
from penstock.core.fleet.overcommit import OvercommittedServer
from penstock.core.names import name_of_copy
from penstock.core.resources import Model, Origin, content_of
from penstock.proto import agent_pb2 as pb

COMMANDED: Final = "<scheduler>"
"""Where manifests of commands are from, for errors."""

Say: TypeAlias = Callable[[pb.FromAgent], None]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the agent is: the server and the replica (None: any), its process, where that is for
    people, the kind of its server, its address over V2, its room for models (None where nobody
    counts), where it answers over REST to the names and versions of its models (empty where it does
    not), and its zone."""

    server: str
    number: int | None
    process: str
    place: str
    kind: str
    address: str
    memory_bytes: int | None = None
    rest: str = ""
    zone: str = ""


class Held:
    """A copy on this agent. ``revision`` is that of the last command that it is right for."""

    __slots__ = ("coming", "content", "leaving", "loaded", "model", "name", "revision", "version")

    def __init__(self, name: str, model: str, version: int, content: str, revision: int) -> None:
        self.name = name
        self.model = model
        self.version = version
        self.content = content
        self.revision = revision
        self.coming: asyncio.Task[LoadedModel]
        self.loaded: LoadedModel | None = None
        self.leaving: asyncio.Task[None] | None = None

    def message(self) -> pb.Copy:
        """As the scheduler is told of it."""
        known = None if self.loaded is None else self.loaded.instance.signature
        return pb.Copy(
            name=self.name,
            model=self.model,
            version=self.version,
            loaded=self.loaded is not None,
            revision=self.revision,
            signature=write_signature(known),
        )


class Agent:
    """What is on the agent, and what a scheduler has it do. Everything is called on the event loop.

    Copies outlive the scheduler that had them loaded: a later one is told of them, and a command to
    load what is there already is carried out at once.
    """

    def __init__(
        self,
        identity: Identity,
        server: ServerAdapter,
        loader: ModelLoader,
        files: ModelFiles,
        served: AgentCopies,
        background: Background,
        clock: Clock,
        eviction: EvictionPolicy | None,
    ) -> None:
        """``server`` has been started."""
        self._eviction = eviction
        self._identity = identity
        self._server = server
        self._plain_server = server
        self._loader = loader
        self._files = files
        self._served = served
        self._background = background
        self._clock = clock
        self._number = identity.number
        self._room: int | None = None
        self._held: dict[str, Held] = {}
        self._scheduler = ""
        self._at_work: set[int] = set()
        """Revisions of the commands of this scheduler that are being carried out."""
        self._say: Say | None = None
        self._measured: int | None = None
        self._told_calls: dict[str, CallFigures] = {}
        self.leaving = False
        self.dismissed = asyncio.Event()
        """Set when nobody needs the agent any more."""

    @property
    def name(self) -> str:
        """The replica, as people call it."""
        number = "?" if self._number is None else self._number
        return f"{self._identity.server}/{number}"

    # What is said

    def registration(self) -> pb.Register:
        """What the agent begins with."""
        identity = self._identity
        return pb.Register(
            server=identity.server,
            number=self._number,
            process=identity.process,
            place=identity.place,
            kind=identity.kind,
            capabilities=sorted(self._plain_server.capabilities()),
            memory_bytes=identity.memory_bytes,
            address=identity.address,
            copies=[held.message() for held in self._held.values() if held.leaving is None],
            scheduler=self._scheduler,
            rest=identity.rest,
            zone=identity.zone,
        )

    def sign_of_life(self) -> pb.FromAgent:
        """That it is there, and what has changed by itself."""
        away = [
            held.name
            for held in self._held.values()
            if held.loaded is not None and not held.loaded.instance.available
        ]
        beat = pb.Beat(memory_bytes=self._measured, away=away, calls=self._new_calls())
        return pb.FromAgent(report=pb.Report(beat=beat))

    def _new_calls(self) -> list[pb.Calls]:
        """Calls of copies that are loaded, where there is something to say that was not said."""
        counted = {
            held.name: figures
            for held in self._held.values()
            if held.loaded is not None
            and (figures := self._served.calls(held.name, held.model)) is not None
        }
        told, self._told_calls = self._told_calls, counted
        return [_calls(name, each) for name, each in counted.items() if told.get(name) != each]

    def leave(self) -> None:
        """Tell the scheduler that this process is about to stop; without one, nothing is waited
        for."""
        self.leaving = True
        if self._say is None:
            self.dismissed.set()
        else:
            self._report(pb.Report(leaving=pb.Leaving()))

    async def measure(self, every_s: float) -> None:
        """Look how much memory the server holds, again and again."""
        while True:
            self._measured = await asyncio.to_thread(self._plain_server.memory_bytes)
            await asyncio.sleep(every_s)

    def _report(self, report: pb.Report) -> None:
        if self._say is not None:
            self._say(pb.FromAgent(report=report))

    # What is heard

    def welcomed(self, welcome: pb.Welcome, say: Say) -> None:
        """A scheduler has taken the agent in, and hears what it says from now on."""
        self._say = say
        self._told_calls = {}
        self._number = welcome.number
        if welcome.scheduler != self._scheduler:
            self._scheduler = welcome.scheduler
            self._at_work = set()
        kept = frozenset(welcome.kept)
        for held in self._held.values():
            if held.name not in kept:
                held.revision = 0
        room = welcome.overcommitted_bytes if welcome.HasField("overcommitted_bytes") else None
        self._set_room(room)
        _log.info("server '%s' is a replica of this scheduler's", self.name)

    def parted(self) -> None:
        """The scheduler is away: what it had loaded goes on."""
        self._say = None
        if self.leaving:
            self.dismissed.set()

    def obey(self, command: pb.ToAgent) -> None:
        """Carry out a command."""
        match command.WhichOneof("said"):
            case "load":
                self._begin(command.load.revision, self._answer_load(command.load, self._at_work))
            case "unload":
                self._begin(command.unload.revision, self._unload(command.unload))
            case "drain":
                _log.info("server '%s' stops: %s", self.name, command.drain.why)
                self.dismissed.set()
            case _:
                pass  # a sign of life, or what a later release says

    async def close(self) -> None:
        """Unload everything, whatever is under way on it. The tasks in the background have
        ended."""
        await self._loader.close()
        loaded = [held.loaded for held in self._held.values() if held.loaded is not None]
        self._held.clear()
        await asyncio.gather(*map(self._loader.unload, loaded))

    def _set_room(self, room: int | None) -> None:
        if room == self._room:
            return
        if self._held:
            _log.warning(
                "the room for models, which is overcommitted, has changed; server '%s' goes by "
                "it when its agent is started again",
                self.name,
            )
            return
        self._room = room
        self._server = self._plain_server
        if room is not None:
            self._server = OvercommittedServer(
                self._plain_server, room, self._clock, self._eviction
            )

    def _begin(self, revision: int, work: Coroutine[Any, Any, pb.Report | None]) -> None:
        """Carry out a command that is not being carried out already, and report."""
        at_work = self._at_work
        if revision in at_work:
            work.close()
            return
        at_work.add(revision)

        async def carry_out() -> None:
            try:
                report = await work
            finally:
                at_work.discard(revision)
            # Another scheduler counts otherwise.
            if report is not None and at_work is self._at_work:
                self._report(report)

        self._background.spawn(carry_out(), f"carrying out command {revision}")

    async def _answer_load(self, command: pb.Load, at_work: set[int]) -> pb.Report | None:
        try:
            return await self._load(command, at_work)
        except Exception as error:
            _log.exception("a model could not be loaded, for a reason that nobody expected")
            said = f"{type(error).__name__}: {error}"
            return _failed(command.revision, LoadError(Reason.LOAD_FAILED, said))

    async def _load(self, command: pb.Load, at_work: set[int]) -> pb.Report | None:
        try:
            model = Model.model_validate_json(command.model, by_alias=True, by_name=False)
        except ValueError as error:
            said = (
                f"the agent of server '{self.name}' cannot read the manifest ({error}); have it "
                "run the release of its scheduler"
            )
            return _failed(command.revision, LoadError(Reason.LOAD_FAILED, said))
        origin = Origin(COMMANDED, Path(command.folder) if command.folder else None)
        content = await asyncio.to_thread(self._content, model, origin)
        if at_work is not self._at_work:
            return None
        held = self._right_one(model.name, content, command.revision)
        if held is None:
            held = self._bring(model, origin, command.version, content)
        held.revision = command.revision
        await asyncio.wait([held.coming])
        if held.loaded is not None and held.leaving is None:
            self._served.answer_as(held.name, held.model, command.version)
        return _outcome(held)

    def _content(self, model: Model, origin: Origin) -> str:
        return content_of(model, origin, self._files.digest(model, origin))

    def _right_one(self, model: str, content: str, revision: int) -> Held | None:
        """A copy of the same, that no other command counts on."""
        return next(
            (
                held
                for held in self._held.values()
                if (held.model, held.content) == (model, content)
                and held.leaving is None
                and held.revision in (0, revision)
            ),
            None,
        )

    def _bring(self, model: Model, origin: Origin, version: int, content: str) -> Held:
        name = name_of_copy(model.name, version, self._held)
        held = self._held[name] = Held(name, model.name, version, content, 0)
        held.coming = self._background.spawn(
            self._bring_up(held, model, origin), f"bringing up '{name}'"
        )
        return held

    async def _bring_up(self, held: Held, model: Model, origin: Origin) -> LoadedModel:
        try:
            loaded = await self._loader.load(model, origin, held.version, self._server)
        except BaseException:
            del self._held[held.name]
            raise
        held.loaded = loaded
        self._served.put(held.name, held.version, loaded.instance)
        _log.info("'%s' is loaded", held.name, extra={"model": held.model})
        return loaded

    async def _unload(self, command: pb.Unload) -> pb.Report:
        held = self._held.get(command.name)
        if held is not None and held.revision == command.loaded_for:
            if held.leaving is None:
                held.leaving = self._background.spawn(
                    self._take_down(held), f"unloading '{held.name}'"
                )
            await asyncio.wait([held.leaving])
        return pb.Report(unloaded=pb.Unloaded(revision=command.revision))

    async def _take_down(self, held: Held) -> None:
        await asyncio.wait([held.coming])
        if held.loaded is None:
            return
        try:
            await self._served.take_away(held.name, held.version, held.loaded.instance)
            await self._loader.unload(held.loaded)
        except Exception:
            _log.exception("'%s' could not be unloaded", held.name)
        finally:
            self._held.pop(held.name, None)
        _log.info("'%s' is unloaded", held.name, extra={"model": held.model})


def _calls(name: str, figures: CallFigures) -> pb.Calls:
    ended = {bucket: count for bucket, count in enumerate(figures.counts) if count}
    return pb.Calls(name=name, ended=ended, busy_ms=figures.busy_ms, under_way=figures.under_way)


def _outcome(held: Held) -> pb.Report | None:
    """What has become of a load; None when the process stops."""
    if held.coming.cancelled():
        return None
    error = held.coming.exception()
    if error is None:
        assert held.loaded is not None, "that is how it ends well"
        signature = write_signature(held.loaded.instance.signature)
        return pb.Report(
            loaded=pb.Loaded(revision=held.revision, name=held.name, signature=signature)
        )
    if isinstance(error, LoadError):
        return _failed(held.revision, error)
    return _failed(held.revision, LoadError(Reason.LOAD_FAILED, f"{type(error).__name__}: {error}"))


def _failed(revision: int, error: LoadError) -> pb.Report:
    return pb.Report(
        load_failed=pb.LoadFailed(
            revision=revision,
            reason=error.reason.value,
            message=str(error),
            retriable=error.retriable,
        )
    )
