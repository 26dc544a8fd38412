"""Brings servers from what is wanted to what is there: replicas are started, drained, stopped."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from typing import Any, NamedTuple, TypeAlias

from penstock.core.clock import Clock
from penstock.core.contracts.eviction import EvictionPolicy
from penstock.core.contracts.model import ServerAdapter
from penstock.core.control.agents.hosted import HostedServers
from penstock.core.control.background import Background
from penstock.core.control.policy import LoadPolicy, tried_again
from penstock.core.control.reasons import Reason
from penstock.core.control.scaled import ScaledNumbers
from penstock.core.control.standing import Outlook, scarce, stand, stand_copies, starting
from penstock.core.control.store import ResourceKey, ResourceStore
from penstock.core.errors import PenstockError
from penstock.core.fleet import Fleet, ReplicaKey, ServerReplica, Standing
from penstock.core.fleet.overcommit import OvercommittedServer
from penstock.core.nearest import did_you_mean
from penstock.core.resources import Server
from penstock.core.resources.scaling import ReplicaBounds

ServerKinds: TypeAlias = Mapping[str, Callable[[Mapping[str, Any]], ServerAdapter]]
"""What makes a replica of a server, by ``serverConfig``, from the manifest's ``options``.

Raises PenstockError for options that cannot be.
"""

_log = logging.getLogger(__name__)


class _Place:
    """What is under way for one server: its replicas, and those of older versions that leave."""

    __slots__ = ("count", "leaving", "outlook", "replicas", "starts", "version", "wanted")

    def __init__(self, wanted: Server, version: int) -> None:
        self.wanted = wanted
        self.version = version
        self.count = 0
        """How many replicas are wanted."""
        self.replicas: list[ServerReplica] = []
        self.leaving: list[ServerReplica] = []
        self.starts: dict[ServerReplica, asyncio.Task[None]] = {}
        self.outlook: Outlook | None = starting(version)


class ScaledServer(NamedTuple):
    """A server whose replicas follow the models: ``spare`` says that the last one holds none,
    ``settled`` that all of them are up."""

    name: str
    replicas: int
    bounds: ReplicaBounds
    spare: bool
    settled: bool


class ServerReconciler:
    """The servers of a process. All methods are called on the event loop.

    A replica that leaves is drained first: models that fit elsewhere are loaded there before they
    leave it. A new version of a server is started beside the old one, whose replicas leave when it
    is up.
    """

    def __init__(
        self,
        store: ResourceStore,
        fleet: Fleet,
        kinds: ServerKinds,
        background: Background,
        clock: Clock,
        policy: LoadPolicy,
        eviction: EvictionPolicy | None,
        scaled: ScaledNumbers,
        hosted: HostedServers | None = None,
    ) -> None:
        """``scaled`` is how many replicas servers have for the sake of their models. ``hosted`` has
        the servers of agents: those of kinds that are not made here."""
        self._scaled = scaled
        self._hosted = hosted
        self._store = store
        self._fleet = fleet
        self._kinds = kinds
        self._background = background
        self._clock = clock
        self._policy = policy
        self._eviction = eviction
        self._places: dict[str, _Place] = {}
        self._running: dict[ServerReplica, ServerAdapter] = {}
        self._own: set[str] = set()

    def attach(self, name: str, adapter: ServerAdapter) -> None:
        """A server of this process that no manifest asks for; others start and stop it."""
        replica = ServerReplica(ReplicaKey(name, 0), adapter, adapter.capabilities())
        replica.stand("up")
        self._own.add(name)
        self._fleet.add(replica)

    def want(self, server: Server, version: int) -> None:
        """Have this version run."""
        if self._hosted is not None and server.spec.server_config not in self._kinds:
            if server.name in self._places:
                self._drop(server.name)
            self._hosted.want(server)
            return
        if self._hosted is not None:
            self._hosted.drop(server.name)
        place = self._places.get(server.name)
        if place is None:
            place = self._places[server.name] = _Place(server, version)
            self._scale(place)
            return
        before, place.wanted = place.wanted, server
        version_before, place.version = place.version, version
        if place.version != version_before:
            place.leaving += place.replicas
            place.replicas = []
        if before.spec.replicas != server.spec.replicas:
            self._scaled.begin_anew(server.name)
        if before.spec != server.spec:
            self._scale(place)

    def scaled(self) -> Iterator[ScaledServer]:
        """The servers that may follow their models."""
        for name, place in self._places.items():
            bounds, replicas = place.wanted.spec.bounds, place.replicas
            if bounds is not None and replicas:
                settled = all(each.standing == "up" for each in replicas)
                spare = not replicas[-1].models
                yield ScaledServer(name, len(replicas), bounds, spare, settled)

    def rescale(self, name: str, replicas: int) -> None:
        """Have so many replicas of a server, within its bounds."""
        self._scaled.decide(name, replicas)
        self._scale(self._places[name])

    def how_to_grow(self, name: str, more: int) -> str:
        """What somebody has to do for so many more replicas of a server."""
        place = self._places.get(name)
        if place is None:
            return "" if self._hosted is None else self._hosted.how_to_grow(name, more)
        bounds = place.wanted.spec.bounds
        if bounds is None:
            return "raise spec.replicas"
        if len(place.replicas) < bounds.most:
            return f"spec.maxReplicas allows for {bounds.most}"
        return "raise spec.maxReplicas"

    def drop(self, name: str) -> None:
        """Have the server go: models that fit elsewhere move there first."""
        if self._hosted is not None:
            self._hosted.drop(name)
        if name in self._places:
            self._drop(name)

    def _drop(self, name: str) -> None:
        place = self._places.pop(name)
        self._scaled.begin_anew(name)
        for replica in (*place.replicas, *place.leaving):
            self._retire(place, replica)

    async def close(self) -> None:
        """Stop what runs. The tasks in the background have ended."""
        running, self._running = self._running, {}
        await asyncio.gather(*(self._stop(replica) for replica in running))

    def _count(self, server: Server) -> int:
        """How many replicas of it are wanted."""
        spec, decided = server.spec, self._scaled.of(server.name)
        if decided is None or spec.bounds is None:
            return spec.replicas
        return spec.bounds.within(decided)

    def _scale(self, place: _Place) -> None:
        """Start replicas that are missing, and let those go that are too many."""
        server = place.wanted
        count = place.count = self._count(server)
        while len(place.replicas) > count:
            self._retire(place, place.replicas.pop())
        make = self._kinds.get(server.spec.server_config)
        if make is None or server.name in self._own:
            self._say(place, Outlook(Reason.START_FAILED, self._why_never(server), at_work=False))
            return
        self._say(place, starting(place.version))
        try:
            while len(place.replicas) < count:
                self._begin(place, make(server.spec.options))
        except PenstockError as error:
            sentences = error.details or (error.message,)
            self._say(place, Outlook(Reason.START_FAILED, "; ".join(sentences), at_work=False))
            return
        self._look_at(place)

    def _begin(self, place: _Place, adapter: ServerAdapter) -> None:
        server = place.wanted
        taken = {each.key.number for each in self._fleet if each.key.server == server.name}
        number = next(each for each in count() if each not in taken)
        spec = server.spec
        declared = spec.capabilities or adapter.capabilities()
        room = spec.memory
        if room is not None and spec.overcommit_percent:
            adapter = OvercommittedServer(adapter, room, self._clock, self._eviction)
            room = room * (100 + spec.overcommit_percent) // 100
        replica = ServerReplica(
            ReplicaKey(server.name, number),
            adapter,
            frozenset((*declared, *spec.extra_capabilities)),
            room,
        )
        adapter.use_name(str(replica.key))
        place.replicas.append(replica)
        self._fleet.add(replica)
        place.starts[replica] = self._background.spawn(
            self._start(place, replica), f"starting server '{replica.key}'"
        )

    async def _start(self, place: _Place, replica: ServerReplica) -> None:
        attempt = 0
        while True:
            self._running[replica] = replica.adapter
            try:
                await replica.adapter.start()
                break
            except Exception as error:
                said = f"server '{replica.key}' could not be started: {_message(error)}"
                retriable = isinstance(error, PenstockError) and error.retriable
                pause_s = self._policy.retry_s(attempt)
                if retriable:
                    said = f"{said}; {tried_again(self._clock.now_ms(), pause_s)}"
                unexpected = not isinstance(error, PenstockError)
                _log.warning("%s", said, exc_info=unexpected, extra=_about(replica))
                await self._stop(replica)
                replica.why = said
                if not retriable:
                    place.outlook = Outlook(Reason.START_FAILED, said, at_work=False)
                    self._end_start(place, replica, "failed")
                    return
            self._say(place, Outlook(Reason.RETRYING, said, at_work=True))
            self._fleet.changed()
            await self._policy.sleep(pause_s)
            attempt += 1
        _log.info("server '%s' is up", replica.key, extra=_about(replica))
        self._end_start(place, replica, "up")

    def _end_start(self, place: _Place, replica: ServerReplica, standing: Standing) -> None:
        del place.starts[replica]
        replica.stand(standing, replica.why)
        self._look_at(place)
        self._fleet.changed()

    def _look_at(self, place: _Place) -> None:
        """See what has become of the starts."""
        if not place.starts:
            up = [each for each in place.replicas if each.standing == "up"]
            if len(up) == len(place.replicas) == place.count:
                place.outlook = None
                leaving, place.leaving = place.leaving, []
                for replica in leaving:
                    self._retire(place, replica)
        self._write(place)

    def _retire(self, place: _Place, replica: ServerReplica) -> None:
        start = place.starts.pop(replica, None)
        if start is not None:
            start.cancel()
        replica.stand("draining", "it is being drained")
        self._background.spawn(self._drain(replica), f"draining server '{replica.key}'")

    async def _drain(self, replica: ServerReplica) -> None:
        await self._fleet.emptied(replica)
        await self._stop(replica)
        self._fleet.remove(replica)
        _log.info("server '%s' is stopped", replica.key, extra=_about(replica))

    async def _stop(self, replica: ServerReplica) -> None:
        self._running.pop(replica, None)
        try:
            await replica.adapter.stop()
        except Exception:
            _log.exception("server '%s' could not be stopped", replica.key, extra=_about(replica))

    def _say(self, place: _Place, outlook: Outlook) -> None:
        place.outlook = outlook
        self._write(place)

    def _write(self, place: _Place) -> None:
        """Write down how a server stands."""
        server = place.wanted
        if self._places.get(server.name) is not place:
            return
        key = ResourceKey("Server", server.name)
        resource = self._store.get(key)
        assert resource is not None, "what is gone has no place"
        up = [each for each in place.replicas if each.standing == "up"]
        old = [each for each in place.leaving if each.standing == "up"]
        least = min(server.spec.min_replicas or 1, place.count)
        now_ms = self._clock.now_ms()
        outlook = place.outlook
        if len(up) >= least:
            status = stand(resource.status, place.version, None, now_ms)
            fewer = scarce(outlook, len(up), place.count, "up")
            status = stand_copies(status, fewer, now_ms)
        else:
            before = resource.status.version - 1 if old else None
            status = stand(resource.status, before, outlook or starting(place.version), now_ms)
            status = stand_copies(status, None, now_ms)
        self._store.set_status(key, status)

    def _why_never(self, server: Server) -> str:
        if server.name in self._own:
            return "this process has a server of that name already; choose another"
        wanted = server.spec.server_config
        known = ", ".join(self._kinds) or "none"
        hint = did_you_mean(wanted, self._kinds)
        return f"there is no server adapter '{wanted}' (installed: {known})" + (
            f"; {hint}" if hint else ""
        )


def _about(replica: ServerReplica) -> dict[str, object]:
    """What a log line is about, for machines."""
    return {"server": str(replica.key)}


def _message(error: Exception) -> str:
    return error.message if isinstance(error, PenstockError) else f"{type(error).__name__}: {error}"
