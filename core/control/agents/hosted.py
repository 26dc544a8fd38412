"""Servers whose replicas are agents: who is there, what is wanted, and what their status says."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from itertools import count
from typing import Final

from penstock.core.agent.line import Line, heard
from penstock.core.clock import Clock
from penstock.core.config.sections import AgentsSection
from penstock.core.contracts.agents import AgentHost
from penstock.core.contracts.model import ServerAdapter
from penstock.core.control.agents.seats import Occupant, seat_for
from penstock.core.control.agents.server import AgentServer
from penstock.core.control.background import Background
from penstock.core.control.policy import LoadPolicy, tried_again
from penstock.core.control.reasons import Reason
from penstock.core.control.standing import Outlook, scarce, stand, stand_copies
from penstock.core.control.store import ResourceKey, ResourceStore
from penstock.core.errors import ConflictError, InvalidRequestError, LostError, PenstockError
from penstock.core.fleet import Fleet, ReplicaKey, ServerReplica
from penstock.core.names import problem_of_name
from penstock.core.resources import (
    API_VERSIONS,
    Manifest,
    Metadata,
    Origin,
    Resource,
    Server,
    ServerDeclaration,
    create,
)
from penstock.core.routing.route import Door
from penstock.proto import agent_pb2 as pb

FIRST_WORD_S: Final = 10.0
"""How long an agent that calls may take to say who it is."""

DECLARED_BY: Final = "penstock.io/declared-by"
"""The annotation of servers that no manifest asks for."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AgentMeeting:
    """What agents are met with: ``scheduler`` is different for each process that is one, ``call``
    makes the adapter to an address."""

    scheduler: str
    options: AgentsSection
    call: Callable[[str], ServerAdapter]


class _Seat:
    """One replica of a server: the agent that is or was it."""

    __slots__ = (
        "attaching",
        "expiry",
        "facade",
        "leaving",
        "line",
        "place",
        "process",
        "replica",
        "spare",
        "why",
    )

    def __init__(
        self, process: str, place: str, replica: ServerReplica, facade: AgentServer
    ) -> None:
        self.process = process
        self.place = place
        self.replica = replica
        self.facade = facade
        self.line: Line[pb.ToAgent] | None = None
        self.attaching: asyncio.Task[None] | None = None
        self.expiry: asyncio.Task[None] | None = None
        self.leaving = False
        self.spare = False
        self.why = ""

    @property
    def gone(self) -> bool:
        """Whether nothing of it is counted on any more."""
        return self.replica.standing == "gone"

    @property
    def counted_on(self) -> bool:
        """Whether its copies are, or are going to be, called for more than a while."""
        return not self.gone and not self.leaving

    @property
    def up(self) -> bool:
        """Whether models are loaded there and called."""
        return self.line is not None and self.replica.standing == "up"

    def occupant(self) -> Occupant:
        """Who has the number."""
        return Occupant(self.process, self.place, self.line is not None)


class _Hosted:
    """A server, its seats by number, and the manifest that asks for it, if one does."""

    __slots__ = ("declared", "expected", "kind", "name", "seats")

    def __init__(self, name: str, kind: str) -> None:
        self.name = name
        self.kind = kind
        self.declared: Server | None = None
        self.expected = False
        self.seats: dict[int, _Seat] = {}

    @property
    def wanted(self) -> int:
        """How many agents there shall be: those that came, where no manifest says it."""
        if self.declared is not None:
            return self.declared.spec.replicas
        return max(1, sum(not seat.leaving for seat in self.seats.values()))


class HostedServers(AgentHost):
    """The servers of agents. All methods are called on the event loop.

    An agent that is away keeps its copies for a while, and they go on being called; then they are
    loaded elsewhere. One that leaves has its models moved first. Agents that are more than a
    manifest wants stand by.
    """

    def __init__(
        self,
        store: ResourceStore,
        fleet: Fleet,
        meeting: AgentMeeting,
        background: Background,
        clock: Clock,
        policy: LoadPolicy,
        settled: Callable[[], Awaitable[object]],
    ) -> None:
        """``settled`` returns when nothing that is wanted is on its way."""
        self._store = store
        self._fleet = fleet
        self._meeting = meeting
        self._options = meeting.options
        self._settled = settled
        self._background = background
        self._clock = clock
        self._policy = policy
        self._servers: dict[str, _Hosted] = {}
        self._revisions = count(1)
        self._gathering = True
        fleet.expected = "agents that may come back"
        self._closed = False

    def start(self) -> None:
        """Agents may come back from now on."""
        self._background.spawn(self._gather(), "waiting for agents to come back")

    def expect(self, name: str, kind: str, replicas: int) -> None:
        """So many agents of a server are on their way, which this process has started itself."""
        hosted = self._declare(name, kind)
        by = "penstock up --workers: each worker is a replica"
        hosted.declared, hosted.expected = _undeclared(name, kind, replicas, by), True
        self._rewrite(name, hosted.declared)
        self._write(hosted)

    def expects(self, name: str) -> bool:
        """Whether the agents of a server are this process's own."""
        hosted = self._servers.get(name)
        return hosted is not None and hosted.expected

    @property
    def workers(self) -> int:
        """How many agents are this process's own."""
        return sum(each.wanted for each in self._servers.values() if each.expected)

    def how_to_grow(self, name: str, more: int) -> str:
        """What somebody has to do for so many more replicas of a server; nothing where it is about
        to go."""
        hosted = self._servers.get(name)
        if hosted is None:
            return ""
        there = sum(seat.counted_on for seat in hosted.seats.values())
        replicas = min(there, hosted.wanted) + more
        if hosted.expected:
            return f"start penstock up with --workers {replicas}"
        to_do = []
        if replicas > there:
            agents = "another agent" if replicas == there + 1 else f"{replicas - there} more agents"
            its = f"--server {hosted.kind} --name {name}"
            to_do.append(f"start {agents} (penstock run agent {its})")
        if hosted.declared is not None and replicas > hosted.wanted:
            to_do.append(f"raise spec.replicas to {replicas}")
        return " and ".join(to_do)

    def _rewrite(self, name: str, manifest: Manifest) -> None:
        """A server is declared otherwise from now on."""
        resource = self._store.get(ResourceKey("Server", name))
        assert resource is not None, "it was declared"
        self._store.put(replace(resource, manifest=manifest))

    def want(self, server: Server) -> None:
        """A manifest asks for the server."""
        hosted = self._servers.get(server.name)
        if hosted is None:
            hosted = self._servers[server.name] = _Hosted(server.name, server.spec.server_config)
        hosted.declared, hosted.kind = server, server.spec.server_config
        if server.spec.options:
            _log.warning(
                "the options of server '%s' are without effect: agents have those of their own "
                "config files",
                server.name,
            )
        for seat in hosted.seats.values():
            self._equip(hosted, seat)
        self._stand_by(hosted)
        self._fleet.changed()

    def drop(self, name: str) -> None:
        """Nobody asks for the server any more: its agents stop when their models are elsewhere."""
        hosted = self._servers.pop(name, None)
        for seat in () if hosted is None else hosted.seats.values():
            self._dismiss(seat, f"server '{name}' was deleted")

    def close(self) -> None:
        """The scheduler stops: agents keep what they have, and calls that are under way there
        end as they should. May be repeated."""
        self._closed = True
        for hosted in self._servers.values():
            for seat in hosted.seats.values():
                seat.facade.end("follows no scheduler")

    async def follow(
        self, messages: AsyncIterator[pb.FromAgent], peer: str
    ) -> AsyncIterator[pb.ToAgent]:
        register = await _first(messages)
        hosted, seat = self._seated(register, peer)
        line = self._welcome(hosted, seat, register)
        listening = self._background.spawn(
            self._listen(hosted, seat, line, messages), f"hearing the agent {seat.replica.key}"
        )
        try:
            async for message in line.messages():
                yield message
        finally:
            listening.cancel()
            self._part(hosted, seat, line, "its agent is away")

    # Coming and going

    def _seated(self, register: pb.Register, peer: str) -> tuple[_Hosted, _Seat]:
        """The place of an agent that registers."""
        hosted = self._server_of(register)
        number = register.number if register.HasField("number") else None
        taken = {each: seat.occupant() for each, seat in hosted.seats.items()}
        for replica in self._fleet:  # some may still be drained that nobody asks for any more
            if replica.key.server == hosted.name and replica.key.number not in taken:
                taken[replica.key.number] = Occupant("", "it is being drained", there=True)
        number = seat_for(hosted.name, number, register.process, taken)
        seat = hosted.seats.get(number)
        if seat is not None:
            if (
                seat.counted_on
                and seat.process == register.process
                and seat.facade.come_back(register)
            ):
                return hosted, seat
            self._lose(seat, "another process took its place")
        seat = hosted.seats[number] = self._new_seat(hosted, number, register, peer)
        return hosted, seat

    def _server_of(self, register: pb.Register) -> _Hosted:
        name, kind = register.server, register.kind
        problem = problem_of_name(name)
        if problem is not None:
            raise InvalidRequestError(f"{problem}; give the agent another --name")
        hosted = self._servers.get(name)
        if hosted is None:
            if self._store.get(ResourceKey("Server", name)) is not None:
                raise ConflictError(
                    f"server '{name}' is one that the scheduler attaches to by itself; give this "
                    "agent another --name"
                )
            return self._declare(name, kind)
        if hosted.kind != kind:
            raise ConflictError(
                f"server '{name}' is of the kind '{hosted.kind}', and this agent's is '{kind}'; "
                f"start it with --server {hosted.kind}, or give it another --name"
            )
        return hosted

    def _declare(self, name: str, kind: str) -> _Hosted:
        """A server that is there because an agent says so."""
        hosted = self._servers[name] = _Hosted(name, kind)
        manifest: Manifest = _undeclared(name, kind, 1)
        key = ResourceKey("Server", name)
        made: Resource[Manifest] = create(
            manifest, Origin("<agent>"), revision=0, now_ms=self._clock.now_ms()
        )
        version = self._store.next_version(key)
        self._store.put(made.with_status(made.status.model_copy(update={"version": version})))
        return hosted

    def _new_seat(self, hosted: _Hosted, number: int, register: pb.Register, peer: str) -> _Seat:
        found_at = Door(register.rest, register.address, register.zone).with_host(peer)
        calls = self._meeting.call(found_at.grpc)
        facade = AgentServer(found_at, calls, register.capabilities, self._next_revision)
        memory = register.memory_bytes if register.HasField("memory_bytes") else None
        replica = ServerReplica(
            ReplicaKey(hosted.name, number), facade, facade.capabilities(), memory
        )
        facade.join(register)
        seat = _Seat(register.process, register.place, replica, facade)
        self._equip(hosted, seat)
        replica.why = "it is being attached to"
        replica.found = facade.found
        self._fleet.add(replica)
        seat.attaching = self._background.spawn(
            self._attach(hosted, seat), f"attaching to the agent {replica.key}"
        )
        if facade.found:
            self._background.spawn(self._clear(seat), f"clearing the agent {replica.key}")
        return seat

    def _welcome(self, hosted: _Hosted, seat: _Seat, register: pb.Register) -> Line[pb.ToAgent]:
        if seat.line is not None:
            seat.line.close()
        if seat.expiry is not None:
            seat.expiry.cancel()
            seat.expiry = None
        line = seat.line = Line[pb.ToAgent]()
        options = self._options
        welcome = pb.Welcome(
            number=seat.replica.key.number,
            scheduler=self._meeting.scheduler,
            beat_ms=options.beat_ms,
            silence_ms=options.silence_ms,
            kept=sorted(seat.facade.kept(register)),
            overcommitted_bytes=_overcommitted(hosted),
        )
        line.say(pb.ToAgent(welcome=welcome))
        seat.facade.connect(line.say)
        seat.replica.found = seat.facade.found
        returns = register.scheduler not in ("", self._meeting.scheduler)
        seat.replica.holds_off = (
            "waits for other agents to come back" if self._gathering and returns else ""
        )
        seat.why = ""
        _log.info("agent '%s' is there (%s)", seat.replica.key, seat.place)
        self._stand_by(hosted)
        self._fleet.changed()
        beat_s = options.beat_ms / 1000.0
        self._background.spawn(line.beat(beat_s, _beat), f"beating for {seat.replica.key}")
        return line

    async def _listen(
        self,
        hosted: _Hosted,
        seat: _Seat,
        line: Line[pb.ToAgent],
        messages: AsyncIterator[pb.FromAgent],
    ) -> None:
        why = "its agent is away"
        who = f"agent '{seat.replica.key}'"
        try:
            async for message in heard(messages, self._options.silence_ms / 1000.0, who):
                if seat.line is not line:
                    return
                self._hear(hosted, seat, message)
        except LostError as error:
            why = error.message
            _log.warning("%s", why)
        except Exception:
            _log.exception("%s cannot be heard, for a reason that nobody expected", who)
        finally:
            self._part(hosted, seat, line, why)

    def _hear(self, hosted: _Hosted, seat: _Seat, message: pb.FromAgent) -> None:
        report = message.report
        if report.HasField("leaving"):
            if not seat.leaving:
                _log.info("agent '%s' is about to stop", seat.replica.key)
                self._dismiss(seat, "its models are elsewhere, or fit nowhere")
                self._write(hosted)
            return
        seat.facade.heard(report, self._clock.now_ms())
        if report.HasField("loaded"):
            seat.replica.found = seat.facade.found

    def _part(self, hosted: _Hosted, seat: _Seat, line: Line[pb.ToAgent], why: str) -> None:
        """The stream of an agent has ended."""
        line.close()
        if seat.line is not line:
            return
        seat.line = None
        seat.facade.part()
        if self._closed:
            return
        if seat.leaving:
            self._lose(seat, "it has stopped")
            self._leave(hosted, seat)
            return
        seat.why = why
        seat.replica.holds_off = "waits for its agent, which is away"
        _log.warning(
            "agent '%s' is away; it may come back within %d ms",
            seat.replica.key,
            self._options.grace_ms,
        )
        seat.expiry = self._background.spawn(
            self._expire(hosted, seat), f"waiting for the agent {seat.replica.key}"
        )
        self._stand_by(hosted)

    async def _expire(self, hosted: _Hosted, seat: _Seat) -> None:
        await self._policy.sleep(self._options.grace_ms / 1000.0)
        seat.expiry = None
        _log.warning("agent '%s' did not come back: %s", seat.replica.key, seat.why)
        self._lose(seat, "is gone")
        self._stand_by(hosted)

    def _lose(self, seat: _Seat, why: str) -> None:
        """Count on nothing of it any more."""
        for task in (seat.expiry, seat.attaching):
            if task is not None:
                task.cancel()
        if seat.line is not None:
            line, seat.line = seat.line, None
            line.close()
        seat.facade.end(why)
        if not seat.gone:
            self._fleet.remove(seat.replica)
            self._background.spawn(seat.facade.stop(), f"leaving the agent {seat.replica.key}")

    def _leave(self, hosted: _Hosted, seat: _Seat) -> None:
        """One that left in peace is not missed where no manifest wants it."""
        if hosted.seats.get(seat.replica.key.number) is seat:
            del hosted.seats[seat.replica.key.number]
        if self._servers.get(hosted.name) is not hosted:
            return
        if hosted.declared is None and not hosted.seats:
            del self._servers[hosted.name]
            self._store.remove(ResourceKey("Server", hosted.name))
            return
        self._stand_by(hosted)

    def _dismiss(self, seat: _Seat, why: str) -> None:
        seat.leaving = True
        if seat.gone:
            return
        if seat.replica.standing != "draining":
            seat.replica.stand("draining", "its agent stops")
        self._background.spawn(self._send_away(seat, why), f"draining {seat.replica.key}")

    async def _send_away(self, seat: _Seat, why: str) -> None:
        await self._fleet.emptied(seat.replica)
        if seat.line is not None:
            seat.line.say(pb.ToAgent(drain=pb.Drain(why=why)))
        elif not seat.gone:
            self._lose(seat, "has stopped")

    async def _attach(self, hosted: _Hosted, seat: _Seat) -> None:
        """Have calls of its models reach it."""
        for attempt in count():
            try:
                await seat.facade.start()
                break
            except PenstockError as error:
                pause_s = self._policy.retry_s(attempt)
                again = tried_again(self._clock.now_ms(), pause_s)
                seat.why = seat.replica.why = f"its models cannot be called: {error}; {again}"
                _log.warning("agent '%s' is there, and %s", seat.replica.key, seat.why)
                self._write(hosted)
            await self._policy.sleep(pause_s)
        seat.attaching = None
        seat.why = ""
        seat.replica.stand("up")
        self._stand_by(hosted)
        self._fleet.changed()

    async def _gather(self) -> None:
        """Let agents come back before others are given their models."""
        await self._policy.sleep(self._options.return_ms / 1000.0)
        self._gathering = False
        self._fleet.expected = ""
        for hosted in self._servers.values():
            for seat in hosted.seats.values():
                if seat.line is not None:
                    seat.replica.holds_off = ""
        self._fleet.changed()

    async def _clear(self, seat: _Seat) -> None:
        """Unload what an agent has from before, once it is clear that nobody wants it."""
        await self._policy.sleep(self._options.keep_ms / 1000.0)
        await self._settled()
        if not seat.gone:
            await seat.facade.clear()
            seat.replica.found = seat.facade.found

    # What is wanted of those that are there

    def _equip(self, hosted: _Hosted, seat: _Seat) -> None:
        """What its manifest says of a replica goes before what the agent says."""
        if hosted.declared is None:
            return
        spec = hosted.declared.spec
        declared = spec.capabilities or seat.facade.capabilities()
        seat.replica.capabilities = frozenset((*declared, *spec.extra_capabilities))
        if spec.memory is not None:
            seat.replica.memory_bytes = spec.memory * (100 + spec.overcommit_percent) // 100

    def _stand_by(self, hosted: _Hosted) -> None:
        """Have as many replicas take models as are wanted, the first by number; say how it is."""
        there = [seat for _, seat in sorted(hosted.seats.items()) if seat.counted_on]
        for index, seat in enumerate(there):
            spare = index >= hosted.wanted
            if spare and seat.replica.standing == "up":
                seat.spare = True
                seat.replica.stand("draining", f"stands by: {hosted.wanted} replicas are wanted")
            elif seat.spare and not spare:
                seat.spare = False
                seat.replica.stand("up")
        self._write(hosted)

    def _write(self, hosted: _Hosted) -> None:
        """Write down how a server stands."""
        key = ResourceKey("Server", hosted.name)
        resource = self._store.get(key)
        if resource is None or self._servers.get(hosted.name) is not hosted:
            return
        if hosted.declared is None:
            manifest = _undeclared(hosted.name, hosted.kind, len(hosted.seats))
            if manifest != resource.manifest:
                resource = self._store.put(replace(resource, manifest=manifest))
        up = sum(seat.up for seat in hosted.seats.values())
        least = 1
        if hosted.declared is not None:
            least = min(hosted.declared.spec.min_replicas or 1, hosted.wanted)
        now_ms = self._clock.now_ms()
        outlook = None if up >= hosted.wanted else self._outlook(hosted, up)
        if up >= least:
            status = stand(resource.status, resource.status.version, None, now_ms)
            status = stand_copies(status, scarce(outlook, up, hosted.wanted, "up"), now_ms)
        else:
            status = stand(resource.status, None, outlook, now_ms)
            status = stand_copies(status, None, now_ms)
        self._store.set_status(key, status)

    def _outlook(self, hosted: _Hosted, up: int) -> Outlook:
        """Why fewer agents are there than are wanted."""
        missing = [
            f"replica {number}: {seat.why or seat.replica.why}"
            for number, seat in sorted(hosted.seats.items())
            if not (seat.up or seat.leaving or seat.spare)
        ]
        said = f"{up} of {hosted.wanted} agents are there"
        said = "; ".join((said, *missing))
        if hosted.expected:
            return Outlook(Reason.WAITING_FOR_AGENTS, said, at_work=True)
        if hosted.wanted > len(hosted.seats) or any(seat.gone for seat in hosted.seats.values()):
            said = (
                f"{said}; start one with: penstock run agent --server {hosted.kind} "
                f"--name {hosted.name} --scheduler ADDRESS"
            )
        return Outlook(Reason.WAITING_FOR_AGENTS, said, at_work=True)

    def _next_revision(self) -> int:
        return next(self._revisions)


async def _first(messages: AsyncIterator[pb.FromAgent]) -> pb.Register:
    async for message in heard(messages, FIRST_WORD_S, "the agent"):
        if message.HasField("register"):
            return message.register
        break
    raise InvalidRequestError("an agent begins with a Register")


def _overcommitted(hosted: _Hosted) -> int | None:
    """The room of a replica on which more models may be registered than fit."""
    if hosted.declared is None or not hosted.declared.spec.overcommit_percent:
        return None
    return hosted.declared.spec.memory


def _undeclared(name: str, kind: str, replicas: int, by: str = "its agents") -> Server:
    return Server(
        api_version=API_VERSIONS[0],
        metadata=Metadata(name=name, annotations={DECLARED_BY: by}),
        spec=ServerDeclaration(server_config=kind, replicas=replicas),
    )


def _beat() -> pb.ToAgent:
    return pb.ToAgent(beat=pb.Beat())
